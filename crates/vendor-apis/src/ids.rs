//! The ids of a trace in what others wrote, under the names that are in use.

use serde_json::{Map, Value};
use xray::{SpanId, TraceId};

/// OpenTelemetry's, ours, Datadog's style, Python's OpenTelemetry logging, Honeycomb's, X-Ray's.
const TRACE_KEYS: [&str; 10] = [
    "trace_id",
    "traceId",
    "traceID",
    "trace.trace_id",
    "trace.id",
    "otelTraceID",
    "xray_trace_id",
    "xray.trace_id",
    "XRAY-TraceId",
    "AWS-XRAY-TRACE-ID",
];
const SPAN_KEYS: [&str; 7] =
    ["span_id", "spanId", "spanID", "trace.span_id", "span.id", "otelSpanID", "xray_segment_id"];

/// The first that is an id, in either spelling.
pub(crate) fn trace_id(fields: &Map<String, Value>) -> Option<TraceId> {
    TRACE_KEYS.iter().filter_map(|key| fields.get(*key)?.as_str()).find_map(parse_trace_id)
}

pub(crate) fn span_id(fields: &Map<String, Value>) -> Option<SpanId> {
    SPAN_KEYS.iter().filter_map(|key| fields.get(*key)?.as_str()).find_map(|text| text.parse().ok())
}

/// X-Ray's SDKs write `1-..-..@segment`; of a whole header its root is meant.
pub(crate) fn parse_trace_id(text: &str) -> Option<TraceId> {
    let text = text.trim();
    let text = text.split_once('@').map_or(text, |(id, _)| id);
    text.parse().ok().or_else(|| Some(xray::header::Header::parse(text)?.root))
}

/// Of W3C's `traceparent`: version, trace, span, flags.
pub(crate) fn of_traceparent(text: &str) -> Option<(TraceId, SpanId)> {
    let mut parts = text.trim().split('-').skip(1);
    Some((TraceId::parse_w3c(parts.next()?).ok()?, parts.next()?.parse().ok()?))
}
