//! Encoded spans as the translation takes them: borrowed from the decoded protobuf.
//!
//! The daemon's queue holds the same bytes as every other destination's, and its own thread makes documents of them. So a
//! request pays nothing for X-Ray, the spans of a browser go the same way as ours, and a queue of spans waits once in memory.

use ::xray::span::{Attribute, Event, Kind, Link, Resource, Scope, Span, Status, Value};
use ::xray::{SpanId, TraceId};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as wire;

/// Calls `act` for each span with its resource; with `None` for one whose ids are none, which no document can bear.
pub(crate) fn each_span(request: &ExportTraceServiceRequest, mut act: impl FnMut(Option<&Span>, &Resource)) {
    for of_resource in &request.resource_spans {
        let found = of_resource.resource.as_ref().map(|it| attributes(&it.attributes));
        let resource = Resource { attributes: found.unwrap_or_default() };
        for of_scope in &of_resource.scope_spans {
            let scope = of_scope.scope.as_ref().map(|it| Scope { name: &it.name, version: &it.version });
            for found in &of_scope.spans {
                act(span(found, scope.unwrap_or_default()).as_ref(), &resource);
            }
        }
    }
}

fn span<'a>(span: &'a wire::Span, scope: Scope<'a>) -> Option<Span<'a>> {
    Some(Span {
        trace_id: trace_id(&span.trace_id)?,
        id: span_id(&span.span_id)?,
        parent: span_id(&span.parent_span_id),
        name: &span.name,
        kind: kind(span.kind()),
        start: span.start_time_unix_nano,
        end: (span.end_time_unix_nano > 0).then_some(span.end_time_unix_nano),
        status: status(span.status.as_ref()),
        attributes: attributes(&span.attributes),
        events: span.events.iter().map(event).collect(),
        links: span.links.iter().filter_map(link).collect(),
        scope,
    })
}

fn kind(kind: wire::span::SpanKind) -> Kind {
    use wire::span::SpanKind;
    match kind {
        SpanKind::Server => Kind::Server,
        SpanKind::Client => Kind::Client,
        SpanKind::Producer => Kind::Producer,
        SpanKind::Consumer => Kind::Consumer,
        SpanKind::Internal | SpanKind::Unspecified => Kind::Internal,
    }
}

fn status(status: Option<&wire::Status>) -> Status<'_> {
    use wire::status::StatusCode;
    match status.map(|it| (it.code(), it.message.as_str())) {
        Some((StatusCode::Error, message)) => Status::Error(message),
        Some((StatusCode::Ok, _)) => Status::Ok,
        Some((StatusCode::Unset, _)) | None => Status::Unset,
    }
}

fn event(event: &wire::span::Event) -> Event<'_> {
    Event { name: &event.name, time: event.time_unix_nano, attributes: attributes(&event.attributes) }
}

fn link(link: &wire::span::Link) -> Option<Link<'_>> {
    Some(Link {
        trace_id: trace_id(&link.trace_id)?,
        id: span_id(&link.span_id)?,
        attributes: attributes(&link.attributes),
    })
}

fn attributes(attributes: &[KeyValue]) -> Vec<Attribute<'_>> {
    attributes.iter().map(|it| (it.key.as_str(), value(it.value.as_ref()))).collect()
}

fn value(value_of: Option<&AnyValue>) -> Value<'_> {
    use any_value::Value as Any;
    match value_of.and_then(|it| it.value.as_ref()) {
        Some(Any::StringValue(text)) => Value::from(text.as_str()),
        Some(Any::BoolValue(it)) => Value::Bool(*it),
        Some(Any::IntValue(it)) => Value::Int(*it),
        Some(Any::DoubleValue(it)) => Value::Double(*it),
        Some(Any::ArrayValue(list)) => Value::List(list.values.iter().map(|it| value(Some(it))).collect()),
        Some(Any::KvlistValue(map)) => Value::Map(attributes(&map.values)),
        Some(Any::BytesValue(bytes)) => Value::Bytes(bytes),
        // Profiles alone have the table that it points into.
        Some(Any::StringValueStrindex(_)) | None => Value::Null,
    }
}

fn trace_id(bytes: &[u8]) -> Option<TraceId> {
    TraceId::from_bytes(bytes.try_into().ok()?)
}

fn span_id(bytes: &[u8]) -> Option<SpanId> {
    SpanId::from_bytes(bytes.try_into().ok()?)
}
