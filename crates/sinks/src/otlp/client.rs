//! One queue per destination, and how an answer is read.

use std::sync::Arc;

use delivery::{Endpoint, HttpSender, Limits, Queue, Rejection};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use crate::otlp::config::{Config, Destination};

/// Protobuf messages that are joined read as one whose repeated fields are joined (protobuf's encoding, "Last One Wins"),
/// and ExportTraceServiceRequest has nothing but one repeated field.
pub(crate) fn limits() -> Limits {
    Limits { joinable: true, ..Limits::default() }
}

pub(crate) fn queues(config: &Config) -> std::io::Result<Vec<Queue>> {
    config.destinations.iter().map(queue).collect()
}

/// How the destination is asked.
pub(crate) fn endpoint(destination: &Destination) -> Arc<Endpoint> {
    Arc::new(Endpoint {
        url: destination.url.clone(),
        headers: destination.headers.clone(),
        content_type: "application/x-protobuf",
        gzip: destination.gzip,
        timeout: destination.timeout,
        decode,
    })
}

fn queue(destination: &Destination) -> std::io::Result<Queue> {
    let endpoint = endpoint(destination);
    Queue::start(&destination.name, limits(), move || HttpSender::new(Arc::clone(&endpoint)))
}

/// OTLP 1.11: a 200 may take spans back, or warn with nothing rejected. A body that is not the message says neither.
fn decode(body: &[u8]) -> Option<Rejection> {
    let partial = ExportTraceServiceResponse::decode(body).ok()?.partial_success?;
    if partial.rejected_spans <= 0 && partial.error_message.is_empty() {
        return None;
    }
    Some(Rejection { items: partial.rejected_spans.max(0) as u64, message: partial.error_message })
}
