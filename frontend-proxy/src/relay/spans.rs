//! What of a browser's export may pass. Pure: export in, export out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use telemetry::attributes::{CLIENT_ADDRESS, SERVICE_NAME, SERVICE_VERSION, USER_AGENT_ORIGINAL};

/// Whatever a page calls itself.
pub(super) const BROWSER_SERVICE: &str = "cruddur-web";
/// Marks what a browser said, for whoever reads the data.
const TELEMETRY_ORIGIN: &str = "telemetry.origin";
/// The only things that a page may say of itself.
const RESOURCE_KEYS: [&str; 4] =
    [SERVICE_VERSION, "telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version"];

/// Our pages send 40 at a time.
const MAX_SPANS: usize = 256;
const MAX_ATTRIBUTES: usize = 64;
const MAX_EVENTS: usize = 32;
const MAX_LINKS: usize = 8;
const MAX_ITEMS: usize = 64;
const MAX_KEY: usize = 128;
const MAX_NAME: usize = 256;
/// A stack trace of some thirty frames.
const MAX_STRING: usize = 4096;

const MAX_AGE: Duration = Duration::from_hours(1);
const MAX_AHEAD: Duration = Duration::from_mins(10);

/// W3C's sampled flag, and OTLP's two bits that say whether the parent was in another process.
const FLAGS: u32 = 0x301;

/// Who sent it, as we saw it.
pub(super) struct Sender {
    pub(super) address: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) now: SystemTime,
}

pub(super) struct Cleaned {
    pub(super) export: ExportTraceServiceRequest,
    pub(super) accepted: u64,
    pub(super) refused: u64,
}

/// A bad span is dropped and counted, never the batch.
pub(super) fn clean(export: ExportTraceServiceRequest, sender: &Sender) -> Cleaned {
    let (mut accepted, mut refused) = (0_usize, 0_u64);
    let mut resource_spans = Vec::new();
    for ours in export.resource_spans {
        let resource = resource(ours.resource.as_ref());
        let mut scope_spans = Vec::new();
        for theirs in ours.scope_spans {
            let mut spans = Vec::new();
            for span in theirs.spans {
                match span_of(span, sender) {
                    Some(span) if accepted < MAX_SPANS => {
                        accepted += 1;
                        spans.push(span);
                    }
                    _ => refused += 1,
                }
            }
            if !spans.is_empty() {
                scope_spans.push(ScopeSpans {
                    scope: theirs.scope.as_ref().map(scope),
                    spans,
                    schema_url: String::new(),
                });
            }
        }
        if !scope_spans.is_empty() {
            resource_spans.push(ResourceSpans {
                resource: Some(resource),
                scope_spans,
                schema_url: String::new(),
            });
        }
    }
    Cleaned { export: ExportTraceServiceRequest { resource_spans }, accepted: accepted as u64, refused }
}

fn resource(theirs: Option<&Resource>) -> Resource {
    let mut attributes = vec![string(SERVICE_NAME, BROWSER_SERVICE), string(TELEMETRY_ORIGIN, "browser")];
    for key in RESOURCE_KEYS {
        let said = theirs.iter().flat_map(|theirs| &theirs.attributes).find(|said| said.key == key);
        if let Some(Value::StringValue(text)) = said.and_then(|said| said.value.as_ref()?.value.as_ref()) {
            attributes.push(string(key, cut(text, MAX_KEY)));
        }
    }
    Resource { attributes, ..Resource::default() }
}

fn scope(theirs: &InstrumentationScope) -> InstrumentationScope {
    InstrumentationScope {
        name: cut(&theirs.name, MAX_NAME).to_owned(),
        version: cut(&theirs.version, MAX_KEY).to_owned(),
        ..InstrumentationScope::default()
    }
}

fn span_of(mut span: Span, sender: &Sender) -> Option<Span> {
    let parent = span.parent_span_id.as_slice();
    let ids = is_id(&span.trace_id, 16) && is_id(&span.span_id, 8) && (parent.is_empty() || is_id(parent, 8));
    if !ids || !is_recent(&span, sender.now) {
        return None;
    }
    span.name = cut(&span.name, MAX_NAME).to_owned();
    // A page serves nobody: it cannot pass for one of our services.
    if span.kind != SpanKind::Client as i32 {
        span.kind = SpanKind::Internal as i32;
    }
    // `ot=th:0` and the like claim how many spans this one stands for.
    span.trace_state = String::new();
    span.flags &= FLAGS;
    (span.attributes, span.dropped_attributes_count) = attributes(span.attributes);
    span.attributes.retain(|said| ![CLIENT_ADDRESS, USER_AGENT_ORIGINAL].contains(&said.key.as_str()));
    span.attributes.extend(sender.address.as_deref().map(|address| string(CLIENT_ADDRESS, address)));
    span.attributes.extend(
        sender.user_agent.as_deref().map(|agent| string(USER_AGENT_ORIGINAL, cut(agent, MAX_STRING))),
    );
    span.dropped_events_count = excess(span.events.len(), MAX_EVENTS);
    span.events = span.events.into_iter().take(MAX_EVENTS).map(event).collect();
    span.links.retain(|link| is_id(&link.trace_id, 16) && is_id(&link.span_id, 8));
    span.dropped_links_count = excess(span.links.len(), MAX_LINKS);
    span.links = span.links.into_iter().take(MAX_LINKS).map(link).collect();
    span.status = span.status.map(|status| Status {
        code: status.code.clamp(0, 2),
        message: cut(&status.message, MAX_STRING).to_owned(),
    });
    Some(span)
}

fn event(theirs: Event) -> Event {
    let (attributes, dropped_attributes_count) = attributes(theirs.attributes);
    Event {
        time_unix_nano: theirs.time_unix_nano,
        name: cut(&theirs.name, MAX_NAME).to_owned(),
        attributes,
        dropped_attributes_count,
    }
}

fn link(theirs: Link) -> Link {
    let (attributes, dropped_attributes_count) = attributes(theirs.attributes);
    Link {
        trace_id: theirs.trace_id,
        span_id: theirs.span_id,
        trace_state: String::new(),
        attributes,
        dropped_attributes_count,
        flags: theirs.flags & FLAGS,
    }
}

/// What may stay, and how many may not.
fn attributes(theirs: Vec<KeyValue>) -> (Vec<KeyValue>, u32) {
    let total = theirs.len();
    let kept: Vec<KeyValue> = theirs
        .into_iter()
        .filter(|said| !said.key.is_empty() && said.key.len() <= MAX_KEY && !is_sampling_claim(&said.key))
        .filter_map(|said| Some(KeyValue { value: Some(value(said.value?)?), ..said }))
        .take(MAX_ATTRIBUTES)
        .collect();
    let dropped = excess(total, kept.len());
    (kept, dropped)
}

/// Strings are cut, lists shortened; maps and lists of lists do not pass.
fn value(theirs: AnyValue) -> Option<AnyValue> {
    let value = match theirs.value? {
        Value::StringValue(text) => Value::StringValue(cut(&text, MAX_STRING).to_owned()),
        plain @ (Value::BoolValue(_) | Value::IntValue(_) | Value::DoubleValue(_)) => plain,
        Value::ArrayValue(list) => Value::ArrayValue(ArrayValue {
            values: list.values.into_iter().filter_map(scalar).take(MAX_ITEMS).collect(),
        }),
        _ => return None,
    };
    Some(AnyValue { value: Some(value) })
}

fn scalar(theirs: AnyValue) -> Option<AnyValue> {
    if matches!(theirs.value, Some(Value::ArrayValue(_))) { None } else { value(theirs) }
}

/// Honeycomb multiplies by it: a page could make one click count as a million.
fn is_sampling_claim(key: &str) -> bool {
    key.eq_ignore_ascii_case("samplerate") || key.eq_ignore_ascii_case("sample_rate")
}

fn is_id(bytes: &[u8], length: usize) -> bool {
    bytes.len() == length && bytes.iter().any(|byte| *byte != 0)
}

fn is_recent(span: &Span, now: SystemTime) -> bool {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = |time: Duration| time.as_nanos() as u64;
    let window = nanos(now.saturating_sub(MAX_AGE))..=nanos(now + MAX_AHEAD);
    span.start_time_unix_nano <= span.end_time_unix_nano
        && window.contains(&span.start_time_unix_nano)
        && window.contains(&span.end_time_unix_nano)
}

fn excess(count: usize, limit: usize) -> u32 {
    count.saturating_sub(limit) as u32
}

/// At most `limit` bytes, and no half character.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

fn string(key: &str, text: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}
