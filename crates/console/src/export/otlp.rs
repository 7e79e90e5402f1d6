//! OTLP's JSON: an `ExportTraceServiceRequest` (OTLP 1.11, "JSON Protobuf Encoding"), which any OTLP receiver takes at
//! `/v1/traces`, this console's too.

use serde_json::{Map, Value, json};

use super::by_resource;
use crate::wire::{Event, Kind, Link, Span, Status, Trace};

pub(crate) fn request(trace: &Trace) -> Value {
    let resources: Vec<_> =
        by_resource(&trace.spans).into_iter().map(|(of, spans)| resource(of, &spans)).collect();
    json!({ "resourceSpans": resources })
}

fn resource(of: &Span, spans: &[&Span]) -> Value {
    let mut attributes = of.resource.clone();
    attributes.entry("service.name").or_insert_with(|| of.service.clone().into());
    let mut scopes: Vec<(&Option<crate::wire::Scope>, Vec<Value>)> = Vec::new();
    for member in spans {
        match scopes.iter_mut().find(|(scope, _)| **scope == member.scope) {
            Some((_, members)) => members.push(span(member)),
            None => scopes.push((&member.scope, vec![span(member)])),
        }
    }
    let scopes: Vec<_> = scopes
        .into_iter()
        .map(|(scope, spans)| match scope {
            Some(scope) => {
                json!({ "scope": { "name": scope.name, "version": scope.version }, "spans": spans })
            }
            None => json!({ "spans": spans }),
        })
        .collect();
    json!({ "resource": { "attributes": pairs(&attributes) }, "scopeSpans": scopes })
}

fn span(span: &Span) -> Value {
    let mut out = json!({
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": kind(span.kind),
        // 64-bit numbers are text in protobuf's JSON.
        "startTimeUnixNano": span.start_unix_nano.to_string(),
        "endTimeUnixNano": (span.start_unix_nano + span.duration_nano).to_string(),
        "attributes": pairs(&span.attributes),
        "events": span.events.iter().map(event).collect::<Vec<_>>(),
        "links": span.links.iter().map(link).collect::<Vec<_>>(),
        "status": { "code": status(span.status) },
    });
    if let Some(parent) = &span.parent_span_id {
        out["parentSpanId"] = parent.as_str().into();
    }
    if let Some(message) = &span.status_message {
        out["status"]["message"] = message.as_str().into();
    }
    out
}

fn event(event: &Event) -> Value {
    json!({ "name": event.name, "timeUnixNano": event.time_unix_nano.to_string(), "attributes": pairs(&event.attributes) })
}

fn link(link: &Link) -> Value {
    json!({ "traceId": link.trace_id, "spanId": link.span_id, "attributes": pairs(&link.attributes) })
}

fn pairs(attributes: &Map<String, Value>) -> Vec<Value> {
    attributes.iter().map(|(key, it)| json!({ "key": key, "value": value(it) })).collect()
}

fn value(it: &Value) -> Value {
    match it {
        Value::Null => json!({}),
        Value::Bool(it) => json!({ "boolValue": it }),
        Value::Number(it) => match it.as_i64() {
            Some(it) => json!({ "intValue": it.to_string() }),
            None => json!({ "doubleValue": it }),
        },
        Value::String(it) => json!({ "stringValue": it }),
        Value::Array(list) => {
            json!({ "arrayValue": { "values": list.iter().map(value).collect::<Vec<_>>() } })
        }
        Value::Object(map) => json!({ "kvlistValue": { "values": pairs(map) } }),
    }
}

fn kind(kind: Kind) -> u8 {
    match kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
        Kind::Producer => 4,
        Kind::Consumer => 5,
    }
}

fn status(status: Status) -> u8 {
    match status {
        Status::Unset => 0,
        Status::Ok => 1,
        Status::Error => 2,
    }
}
