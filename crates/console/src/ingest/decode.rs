//! Bytes as received -> spans as stored. Pure: no clock, no store.
//!
//! The outer messages are decoded with their inner ones left as bytes, and spans then one by one. Decoded as a whole a
//! hostile request takes 125 times its size (an empty span is 2 bytes on the wire and 250 in memory); this way 16 times.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, Status, span};
use prost::Message;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;
use xray::id::{SpanId, TraceId};

use super::member::member;
use super::normalise;
use crate::store::{DocumentRow, attributes, sources};

/// The spans of one request, as the store takes them.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) origins: Vec<Origin>,
    pub(crate) spans: Vec<SpanRow>,
    /// X-Ray's, which OTLP never has.
    pub(crate) documents: Vec<DocumentRow>,
    pub(crate) invalid_ids: InvalidIds,
}

/// Who made a span.
#[derive(Debug, PartialEq, Eq, Hash, Clone)]
pub(crate) struct Origin {
    pub(crate) service: String,
    /// A JSON object.
    pub(crate) resource: String,
    /// A JSON object or `null`.
    pub(crate) scope: String,
}

#[derive(Debug)]
pub(crate) struct SpanRow {
    /// Index into [`Batch::origins`].
    pub(crate) origin: usize,
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent_span_id: Option<SpanId>,
    pub(crate) name: String,
    /// As OTLP numbers them, here and in `status`.
    pub(crate) kind: i32,
    pub(crate) status: i32,
    pub(crate) status_message: Option<String>,
    pub(crate) start: i64,
    /// Never negative: a span that ends before it starts lasts nothing.
    pub(crate) duration: i64,
    pub(crate) attributes: Option<attributes::Attributes>,
    /// JSON, as `links`; `None` when empty.
    pub(crate) events: Option<String>,
    pub(crate) links: Option<String>,
    /// Bits of [`sources`].
    pub(crate) sources: i64,
}

/// Spans that are left out and counted in `partial_success`, by the id that is of a wrong length or all zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InvalidIds {
    pub(crate) trace: u64,
    pub(crate) span: u64,
    pub(crate) parent: u64,
}

/// The request as a whole cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("not an OTLP request in protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
    #[error("not an OTLP request in JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("not an OTLP request in JSON: `{0}` must be an array of objects")]
    Shape(&'static str),
}

/// A signal that OTLP knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Logs,
    Metrics,
}

impl InvalidIds {
    pub(crate) fn total(self) -> u64 {
        self.trace + self.span + self.parent
    }
}

/// `ExportTraceServiceRequest`, and the requests of the other signals, which have the same outer shape.
#[derive(Clone, PartialEq, Message)]
struct Outer {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    resources: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct OuterResource {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    scopes: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct OuterScope {
    #[prost(message, optional, tag = "1")]
    scope: Option<InstrumentationScope>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    records: Vec<Bytes>,
}

/// A span with its attributes left as bytes: [`member()`] reads them where they lie. Fields that are not kept are not here.
#[derive(Clone, PartialEq, Message)]
struct OuterSpan {
    #[prost(bytes = "bytes", tag = "1")]
    trace_id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    span_id: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    parent_span_id: Bytes,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
    #[prost(bytes = "bytes", repeated, tag = "9")]
    attributes: Vec<Bytes>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<span::Event>,
    #[prost(message, repeated, tag = "13")]
    links: Vec<span::Link>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

/// A metric is one of five kinds, each with its data points in field 1.
#[derive(Clone, PartialEq, Message)]
struct OuterMetric {
    #[prost(message, optional, tag = "5")]
    gauge: Option<Points>,
    #[prost(message, optional, tag = "7")]
    sum: Option<Points>,
    #[prost(message, optional, tag = "9")]
    histogram: Option<Points>,
    #[prost(message, optional, tag = "10")]
    exponential_histogram: Option<Points>,
    #[prost(message, optional, tag = "11")]
    summary: Option<Points>,
}

#[derive(Clone, PartialEq, Message)]
struct Points {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    points: Vec<Bytes>,
}

/// An `ExportTraceServiceRequest` in protobuf.
pub(crate) fn protobuf(body: Bytes) -> Result<Batch, DecodeError> {
    let mut batch = Batch::default();
    for bytes in Outer::decode(body)?.resources {
        let OuterResource { resource, scopes } = OuterResource::decode(bytes)?;
        let resource = resource.unwrap_or_default();
        for bytes in scopes {
            let OuterScope { scope, records } = OuterScope::decode(bytes)?;
            batch.enter(&resource, scope.as_ref());
            for bytes in records {
                let span = OuterSpan::decode(bytes)?;
                let members: Vec<_> =
                    span.attributes.iter().map(|bytes| member(bytes)).collect::<Result<_, _>>()?;
                let attributes =
                    attributes::Attributes::new(members.iter().map(|(key, value)| (&**key, value)));
                batch.add(&span, attributes);
            }
        }
    }
    Ok(batch)
}

/// An `ExportTraceServiceRequest` in JSON, read leniently.
pub(crate) fn json(body: &[u8]) -> Result<Batch, DecodeError> {
    let mut request: Value = serde_json::from_slice(body)?;
    normalise::normalise(&mut request);
    let mut batch = Batch::default();
    for mut of_resource in array(&mut request, "resourceSpans")? {
        let resource = message::<Resource>(&mut of_resource, "resource")?.unwrap_or_default();
        for mut of_scope in array(&mut of_resource, "scopeSpans")? {
            let scope = message::<InstrumentationScope>(&mut of_scope, "scope")?;
            batch.enter(&resource, scope.as_ref());
            for span in array(&mut of_scope, "spans")? {
                let span: Span = serde_json::from_value(span)?;
                let attributes = attributes::Attributes::new(
                    span.attributes.iter().map(|a| (a.key.as_str(), Attribute(a.value.as_ref()))),
                );
                batch.add(&span.into(), attributes);
            }
        }
    }
    Ok(batch)
}

/// The same request in protobuf, for those it is sent on to; spans that cannot be read are left out.
pub(crate) fn json_to_protobuf(body: &[u8]) -> Option<Bytes> {
    let mut request: Value = serde_json::from_slice(body).ok()?;
    normalise::normalise(&mut request);
    let request: ExportTraceServiceRequest = serde_json::from_value(request).ok()?;
    Some(request.encode_to_vec().into())
}

/// How many log records or data points a request holds that we do not keep.
pub(crate) fn count_protobuf(signal: Signal, body: Bytes) -> Result<u64, DecodeError> {
    let mut count = 0;
    for bytes in Outer::decode(body)?.resources {
        for bytes in OuterResource::decode(bytes)?.scopes {
            let records = OuterScope::decode(bytes)?.records;
            if signal != Signal::Metrics {
                count += records.len();
                continue;
            }
            for bytes in records {
                let metric = OuterMetric::decode(bytes)?;
                let kinds = [
                    metric.gauge,
                    metric.sum,
                    metric.histogram,
                    metric.exponential_histogram,
                    metric.summary,
                ];
                count += kinds.into_iter().flatten().map(|kind| kind.points.len()).sum::<usize>();
            }
        }
    }
    Ok(count as u64)
}

/// The same for JSON.
pub(crate) fn count_json(signal: Signal, body: &[u8]) -> Result<u64, DecodeError> {
    let mut request: Value = serde_json::from_slice(body)?;
    normalise::normalise(&mut request);
    let [of_resource, of_scope, records] = match signal {
        Signal::Traces => ["resourceSpans", "scopeSpans", "spans"],
        Signal::Logs => ["resourceLogs", "scopeLogs", "logRecords"],
        Signal::Metrics => ["resourceMetrics", "scopeMetrics", "metrics"],
    };
    let mut count = 0;
    for mut resource in array(&mut request, of_resource)? {
        for mut scope in array(&mut resource, of_scope)? {
            for record in array(&mut scope, records)? {
                count += match (signal, &record) {
                    (Signal::Metrics, Value::Object(metric)) => metric.values().map(data_points).sum(),
                    _ => 1,
                };
            }
        }
    }
    Ok(count)
}

fn data_points(kind: &Value) -> u64 {
    kind.get("dataPoints").and_then(Value::as_array).map_or(0, |points| points.len() as u64)
}

/// Takes the array `key` out of `value`; a missing one is empty.
fn array(value: &mut Value, key: &'static str) -> Result<Vec<Value>, DecodeError> {
    match value {
        Value::Object(object) => match object.remove(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(array)) => Ok(array),
            Some(_) => Err(DecodeError::Shape(key)),
        },
        _ => Err(DecodeError::Shape(key)),
    }
}

fn message<T: serde::de::DeserializeOwned>(value: &mut Value, key: &str) -> Result<Option<T>, DecodeError> {
    Ok(value.as_object_mut().and_then(|o| o.remove(key)).map(serde_json::from_value).transpose()?)
}

impl Batch {
    /// The spans added from here on are of this resource and scope.
    fn enter(&mut self, resource: &Resource, scope: Option<&InstrumentationScope>) {
        let service = resource.attributes.iter().find(|a| a.key == "service.name").and_then(|a| {
            match a.value.as_ref()?.value.as_ref()? {
                Any::StringValue(name) if !name.is_empty() => Some(name.clone()),
                _ => None,
            }
        });
        let scope = scope.filter(|scope| !scope.name.is_empty());
        self.origins.push(Origin {
            // What the specification gives to a process that does not name itself.
            service: service.unwrap_or_else(|| "unknown_service".to_owned()),
            resource: to_json(&Attributes(&resource.attributes)),
            scope: to_json(
                &scope.map(|s| crate::wire::Scope { name: s.name.clone(), version: s.version.clone() }),
            ),
        });
    }

    fn add(&mut self, span: &OuterSpan, attributes: Option<attributes::Attributes>) {
        let Some(trace_id) = (*span.trace_id).try_into().ok().and_then(TraceId::from_bytes) else {
            self.invalid_ids.trace += 1;
            return;
        };
        let Some(span_id) = (*span.span_id).try_into().ok().and_then(SpanId::from_bytes) else {
            self.invalid_ids.span += 1;
            return;
        };
        // A root leaves its parent out, or sends zeros.
        let parent_span_id = match <[u8; 8]>::try_from(&*span.parent_span_id) {
            Ok(bytes) => SpanId::from_bytes(bytes),
            Err(_) if span.parent_span_id.is_empty() => None,
            Err(_) => {
                self.invalid_ids.parent += 1;
                return;
            }
        };
        let (start, end) = (nanos(span.start), nanos(span.end));
        let status = span.status.as_ref();
        self.spans.push(SpanRow {
            origin: self.origins.len() - 1,
            trace_id,
            span_id,
            parent_span_id,
            name: span.name.clone(),
            kind: span.kind,
            status: status.map_or(0, |status| status.code),
            status_message: status.map(|status| status.message.clone()).filter(|message| !message.is_empty()),
            start,
            duration: (end - start).max(0),
            attributes,
            events: some(&span.events, |events| to_json(&events.iter().map(Event::new).collect::<Vec<_>>())),
            links: some(&span.links, |links| to_json(&links.iter().map(Link::new).collect::<Vec<_>>())),
            sources: sources::OTLP,
        });
    }
}

impl From<Span> for OuterSpan {
    /// Without its attributes.
    fn from(span: Span) -> Self {
        Self {
            trace_id: span.trace_id.into(),
            span_id: span.span_id.into(),
            parent_span_id: span.parent_span_id.into(),
            name: span.name,
            kind: span.kind,
            start: span.start_time_unix_nano,
            end: span.end_time_unix_nano,
            attributes: Vec::new(),
            events: span.events,
            links: span.links,
            status: span.status,
        }
    }
}

fn some<T>(items: &[T], json: impl FnOnce(&[T]) -> String) -> Option<String> {
    (!items.is_empty()).then(|| json(items))
}

/// 2262 is the last year of 64 signed bits.
fn nanos(unix_nano: u64) -> i64 {
    i64::try_from(unix_nano).unwrap_or(i64::MAX)
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("text keys and finite numbers are always JSON")
}

/// As [`crate::wire::Event`], borrowed.
#[derive(Serialize)]
struct Event<'a> {
    name: &'a str,
    time_unix_nano: i64,
    attributes: Attributes<'a>,
}

/// As [`crate::wire::Link`], borrowed.
#[derive(Serialize)]
struct Link<'a> {
    trace_id: String,
    span_id: String,
    attributes: Attributes<'a>,
}

struct Attributes<'a>(&'a [KeyValue]);

pub(super) struct Attribute<'a>(pub(super) Option<&'a AnyValue>);

impl<'a> Event<'a> {
    fn new(event: &'a span::Event) -> Self {
        Self {
            name: &event.name,
            time_unix_nano: nanos(event.time_unix_nano),
            attributes: Attributes(&event.attributes),
        }
    }
}

impl<'a> Link<'a> {
    fn new(link: &'a span::Link) -> Self {
        Self {
            trace_id: hex(&link.trace_id),
            span_id: hex(&link.span_id),
            attributes: Attributes(&link.attributes),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for attribute in self.0 {
            map.serialize_entry(&attribute.key, &Attribute(attribute.value.as_ref()))?;
        }
        map.end()
    }
}

/// JSON has no NaN and no infinities; `f64`'s own spelling says which it was.
pub(super) fn serialize_double<S: Serializer>(number: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.is_finite() { serializer.serialize_f64(number) } else { serializer.collect_str(&number) }
}

impl Serialize for Attribute<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.and_then(|value| value.value.as_ref()) {
            None => serializer.serialize_unit(),
            Some(Any::StringValue(text)) => serializer.serialize_str(text),
            Some(Any::BoolValue(value)) => serializer.serialize_bool(*value),
            Some(Any::IntValue(number)) => serializer.serialize_i64(*number),
            Some(Any::DoubleValue(number)) => serialize_double(*number, serializer),
            Some(Any::ArrayValue(array)) => {
                let mut sequence = serializer.serialize_seq(Some(array.values.len()))?;
                for value in &array.values {
                    sequence.serialize_element(&Attribute(Some(value)))?;
                }
                sequence.end()
            }
            Some(Any::KvlistValue(list)) => Attributes(&list.values).serialize(serializer),
            Some(Any::BytesValue(bytes)) => {
                use base64::Engine;
                serializer.collect_str(&base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            // Profiles only: an index into a table that no trace request has.
            Some(Any::StringValueStrindex(index)) => serializer.serialize_i32(*index),
        }
    }
}
