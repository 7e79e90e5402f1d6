//! Jaeger's JSON, as its query service answers and Grafana's Jaeger data source reads
//! (jaeger `internal/uimodel`, `model.go`). Times are microseconds.

use serde_json::{Map, Value, json};

use super::{as_text, by_resource};
use crate::wire::{Event, Kind, Span, Status, Trace};

/// An answer around `data`.
pub(crate) fn answer(data: Vec<Value>) -> Value {
    let total = data.len();
    json!({ "data": Value::Array(data), "total": total, "limit": 0, "offset": 0, "errors": null })
}

pub(crate) fn trace(trace: &Trace) -> Value {
    let mut processes = Map::new();
    let mut spans = Vec::with_capacity(trace.spans.len());
    for (place, (of, members)) in by_resource(&trace.spans).into_iter().enumerate() {
        let id = format!("p{}", place + 1);
        spans.extend(members.into_iter().map(|member| span(member, &id)));
        let tags = of.resource.iter().filter(|(key, _)| *key != "service.name");
        processes.insert(id, json!({ "serviceName": of.service, "tags": tags.map(tag).collect::<Vec<_>>() }));
    }
    json!({ "traceID": trace.trace_id, "spans": spans, "processes": processes, "warnings": null })
}

fn span(span: &Span, process: &str) -> Value {
    let mut references = Vec::new();
    let reference =
        |kind: &str, trace: &str, id: &str| json!({ "refType": kind, "traceID": trace, "spanID": id });
    references.extend(span.parent_span_id.as_deref().map(|id| reference("CHILD_OF", &span.trace_id, id)));
    references.extend(span.links.iter().map(|it| reference("FOLLOWS_FROM", &it.trace_id, &it.span_id)));
    let mut tags: Vec<_> = span.attributes.iter().map(tag).collect();
    let text = |key: &str, value: &str| json!({ "key": key, "type": "string", "value": value });
    // As Jaeger translates OTLP (OpenTelemetry specification, "OpenTelemetry to Jaeger Transformation").
    if span.kind != Kind::Internal {
        tags.push(text("span.kind", kind(span.kind)));
    }
    match span.status {
        Status::Unset => {}
        Status::Ok => tags.push(text("otel.status_code", "OK")),
        Status::Error => {
            tags.push(text("otel.status_code", "ERROR"));
            tags.push(json!({ "key": "error", "type": "bool", "value": true }));
        }
    }
    tags.extend(span.status_message.as_deref().map(|message| text("otel.status_description", message)));
    if let Some(scope) = &span.scope {
        tags.push(text("otel.scope.name", &scope.name));
    }
    json!({
        "traceID": span.trace_id,
        "spanID": span.span_id,
        "flags": 1,
        "operationName": span.name,
        "references": references,
        "startTime": span.start_unix_nano / 1_000,
        "duration": span.duration_nano / 1_000,
        "tags": tags,
        "logs": span.events.iter().map(log).collect::<Vec<_>>(),
        "processID": process,
        "warnings": null,
    })
}

fn log(event: &Event) -> Value {
    let name = json!({ "key": "event", "type": "string", "value": event.name });
    let fields: Vec<_> = std::iter::once(name).chain(event.attributes.iter().map(tag)).collect();
    json!({ "timestamp": event.time_unix_nano / 1_000, "fields": fields })
}

fn tag((key, value): (&String, &Value)) -> Value {
    let kind = match value {
        Value::Bool(_) => "bool",
        Value::Number(it) if it.is_f64() => "float64",
        Value::Number(_) => "int64",
        _ => return json!({ "key": key, "type": "string", "value": as_text(value) }),
    };
    json!({ "key": key, "type": kind, "value": value })
}

pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Internal => "internal",
        Kind::Server => "server",
        Kind::Client => "client",
        Kind::Producer => "producer",
        Kind::Consumer => "consumer",
    }
}
