//! One queue per destination, and how an answer is read.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use delivery::{Endpoint, Flushed, HttpSender, Limits, Payload, Queue, Reason, Rejection, Report};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;

use crate::otlp::config::{Config, Destination};
use crate::otlp::encode::{BuildError, Encoder};

/// Encodes a batch once and offers it to every destination. Never waits for the network.
pub struct Exporter {
    encoder: Encoder,
    queues: Arc<[Queue]>,
}

impl Exporter {
    pub fn new(config: &Config) -> Result<Self, BuildError> {
        let queues = config.destinations.iter().map(queue).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { encoder: Encoder::new()?, queues: queues.into() })
    }

    /// Before the first batch: the service's name is in the resource.
    pub fn set_resource(&mut self, resource: &Resource) {
        self.encoder.set_resource(resource);
    }

    pub fn export(&self, batch: Vec<SpanData>) {
        if self.queues.is_empty() || batch.is_empty() {
            return;
        }
        let spans = batch.len() as u64;
        match self.encoder.encode(batch) {
            Some(body) => self.queues().offer(&body, spans),
            None => self.queues.iter().for_each(|q| q.lose(spans, Reason::NotEncoded)),
        }
    }

    /// The queues alone, to flush and ask them while another thread exports.
    pub fn queues(&self) -> Queues {
        Queues(Arc::clone(&self.queues))
    }
}

/// The destinations' queues.
#[derive(Clone)]
pub struct Queues(Arc<[Queue]>);

impl Queues {
    /// For spans that are encoded already (those that a browser sent): an `ExportTraceServiceRequest` in protobuf.
    /// A queue that is full counts the loss.
    pub fn offer(&self, body: &Bytes, spans: u64) {
        for queue in self.0.iter() {
            let _counted = queue.offer(Payload::new(body.clone(), spans));
        }
    }

    /// All destinations at the same time: one that is away costs the others nothing.
    pub fn flush(&self, deadline: Duration) -> Vec<Flushed> {
        self.all(|queue| queue.flush(deadline))
    }

    pub fn shutdown(&self, deadline: Duration) -> Vec<Flushed> {
        self.all(|queue| queue.shutdown(deadline))
    }

    pub fn report(&self) -> Vec<Report> {
        self.0.iter().map(Queue::report).collect()
    }

    fn all(&self, act: impl Fn(&Queue) -> Flushed + Sync) -> Vec<Flushed> {
        thread::scope(|scope| {
            let running: Vec<_> = self.0.iter().map(|queue| scope.spawn(|| act(queue))).collect();
            running.into_iter().map(|r| r.join().expect("a flush does not panic")).collect()
        })
    }
}

fn queue(destination: &Destination) -> std::io::Result<Queue> {
    let endpoint = Arc::new(Endpoint {
        url: destination.url.clone(),
        headers: destination.headers.clone(),
        content_type: "application/x-protobuf",
        gzip: destination.gzip,
        timeout: destination.timeout,
        decode,
    });
    // Protobuf messages that are joined read as one whose repeated fields are joined (protobuf's encoding, "Last One Wins"),
    // and ExportTraceServiceRequest has nothing but one repeated field.
    let limits = Limits { joinable: true, ..Limits::default() };
    Queue::start(&destination.name, limits, move || HttpSender::new(Arc::clone(&endpoint)))
}

/// OTLP 1.11: a 200 may take spans back, or warn with nothing rejected. A body that is not the message says neither.
fn decode(body: &[u8]) -> Option<Rejection> {
    let partial = ExportTraceServiceResponse::decode(body).ok()?.partial_success?;
    if partial.rejected_spans <= 0 && partial.error_message.is_empty() {
        return None;
    }
    Some(Rejection { items: partial.rejected_spans.max(0) as u64, message: partial.error_message })
}
