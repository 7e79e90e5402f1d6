//! A line per span on standard output, for people: `OTEL_TRACES_EXPORTER=console`.

use std::fmt::Write as _;
use std::io::Write as _;

use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;

/// One write for the batch, so that other lines of the process do not fall between.
pub(super) fn to_stdout(spans: &[SpanData]) {
    let lines: String = spans.iter().map(line).collect();
    // A closed standard output is no reason to lose the other destinations.
    let _ignored = std::io::stdout().lock().write_all(lines.as_bytes());
}

/// `span TRACE/SPAN <- PARENT server 12.345ms "GET /health" ok http.route=/health`
pub(super) fn line(span: &SpanData) -> String {
    let mut line = format!("span {}/{}", span.span_context.trace_id(), span.span_context.span_id());
    if span.parent_span_id != SpanId::INVALID {
        let _infallible = write!(line, " <- {}", span.parent_span_id);
    }
    let took = span.end_time.duration_since(span.start_time).unwrap_or_default();
    let millis = took.as_secs_f64() * 1e3;
    let _infallible = write!(line, " {} {millis:.3}ms {:?}", kind(&span.span_kind), span.name);
    match &span.status {
        Status::Unset => {}
        Status::Ok => line.push_str(" ok"),
        Status::Error { description } => {
            let _infallible = write!(line, " error={description:?}");
        }
    }
    for attribute in &span.attributes {
        // `Debug` of a string keeps a line break of a value from breaking the line.
        let _infallible = write!(line, " {}={}", attribute.key, quoted(attribute.value.as_str().as_ref()));
    }
    for event in span.events.iter() {
        let _infallible = write!(line, " event={:?}", event.name);
    }
    line.push('\n');
    line
}

fn kind(kind: &SpanKind) -> &'static str {
    match kind {
        SpanKind::Client => "client",
        SpanKind::Server => "server",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        SpanKind::Internal => "internal",
    }
}

fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && c != '"';
    if !value.is_empty() && value.chars().all(plain) { value.to_owned() } else { format!("{value:?}") }
}
