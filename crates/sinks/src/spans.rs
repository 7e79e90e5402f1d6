//! Spans to all of their destinations, whatever each one speaks: they are encoded once, and share the bytes and nothing else.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use delivery::{Flushed, Payload, Queue, Reason, Report};
use env::{ConfigError, Env};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use crate::otlp::{self, Encoder};
use crate::xray;

pub use crate::otlp::BuildError;

/// Where spans go. No destination and no printing: nowhere.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub otlp: otlp::Config,
    pub xray: xray::Config,
}

/// Encodes a batch once and offers it to every destination. Never waits for the network.
pub struct Exporter {
    encoder: Encoder,
    queues: Arc<[Queue]>,
}

/// The destinations' queues.
#[derive(Clone)]
pub struct Queues(Arc<[Queue]>);

impl Config {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self { otlp: otlp::Config::from_env(env)?, xray: xray::Config::from_env(env)? })
    }

    /// Nothing is exported.
    pub fn is_off(&self) -> bool {
        self.otlp.is_off() && self.xray.is_off()
    }
}

impl Exporter {
    pub fn new(config: &Config) -> Result<Self, BuildError> {
        let mut queues = otlp::queues(&config.otlp)?;
        queues.extend(xray::queues(&config.xray)?);
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

impl Queues {
    /// For a process that passes on what others encoded.
    pub fn to(destinations: Vec<otlp::Destination>) -> std::io::Result<Self> {
        let config = otlp::Config { destinations, print: false };
        Ok(Self(otlp::queues(&config)?.into()))
    }

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
