//! Both dialects in, both out.
//!
//! W3C wins when both are valid. An X-Ray header with only a `Root` (load balancers and API Gateway send those)
//! keeps its trace id. "Deferred" (`Sampled` absent or `?`) is a decision left to us, and is never written into
//! W3C's flag 0x02, which means "random trace id".

pub(crate) mod baggage;
pub(crate) mod traceparent;
pub(crate) mod tracestate;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::baggage::{Baggage, BaggageExt};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId};

use traceparent::{RANDOM, Traceparent};

const TRACEPARENT: HeaderName = HeaderName::from_static(traceparent::NAME);
const TRACESTATE: HeaderName = HeaderName::from_static(tracestate::NAME);
const BAGGAGE: HeaderName = HeaderName::from_static(baggage::NAME);
const XRAY: HeaderName = HeaderName::from_static(xray::header::NAME);
const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What the headers of a request say about its trace.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub(crate) caller: Option<Caller>,
    pub(crate) carried: Carried,
    pub(crate) baggage: Option<Baggage>,
}

/// The trace that the caller is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) trace_id: TraceId,
    /// None behind a load balancer that only gave the trace its id.
    pub(crate) span_id: Option<SpanId>,
    /// None if the decision is ours.
    pub(crate) sampled: Option<bool>,
    pub(crate) random: TraceFlags,
}

/// What travels through us unread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) tracestate: Option<String>,
    /// X-Ray's `Lineage` and unknown fields, as they stand behind `Sampled=`: `;Lineage=..;key=value`.
    pub(crate) xray: Option<String>,
}

impl Incoming {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut incoming = Self::default();
        if let Some(header) = single(headers, &TRACEPARENT).and_then(|h| Traceparent::parse(h.as_bytes())) {
            incoming.caller = Some(Caller {
                trace_id: header.trace_id,
                span_id: Some(header.span_id),
                sampled: Some(header.flags.is_sampled()),
                random: header.flags & RANDOM,
            });
            incoming.carried.tracestate =
                tracestate::parse(headers.get_all(&TRACESTATE).map(HeaderValue::as_bytes));
        }
        let xray = headers.get(&XRAY).and_then(|h| h.to_str().ok()).and_then(xray::Header::parse);
        if let Some(header) = xray {
            incoming.caller.get_or_insert_with(|| Caller {
                trace_id: TraceId::from_bytes(header.root.to_bytes()),
                span_id: header.parent.map(|id| SpanId::from_bytes(id.to_bytes())),
                sampled: header.sampled.decision(),
                random: TraceFlags::default(),
            });
            incoming.carried.xray = xray_extra(&header);
        }
        if headers.contains_key(&BAGGAGE) {
            incoming.baggage = baggage::parse(headers.get_all(&BAGGAGE).map(HeaderValue::as_bytes));
        }
        incoming
    }
}

impl Carried {
    fn is_empty(&self) -> bool {
        self.tracestate.is_none() && self.xray.is_none()
    }

    /// A Context that holds this; the usual request has nothing to hold, and pays nothing.
    pub(crate) fn attach_to(self, cx: Context) -> Context {
        if self.is_empty() { cx } else { cx.with_value(self) }
    }
}

impl Caller {
    /// The parent of our SERVER span, with the verdict in place of what the caller claimed.
    pub(crate) fn as_parent(&self, span_id: SpanId, sampled: bool, tracestate: Option<&str>) -> SpanContext {
        let flags = self.random.with_sampled(sampled);
        let state = tracestate.map(tracestate::to_trace_state).unwrap_or_default();
        SpanContext::new(self.trace_id, span_id, flags, true, state)
    }
}

/// Writes the headers of a call that is made in `cx` by the span of `own`. What a proxy copied from its own caller
/// is replaced, or taken out: it belongs to another span, and baggage leaves by the allow-list alone.
pub(crate) fn inject(cx: &Context, own: Traceparent, allowed: &[String], headers: &mut HeaderMap) {
    let carried = cx.get::<Carried>();
    insert(headers, TRACEPARENT, &own.to_bytes());
    replace(headers, TRACESTATE, carried.and_then(|c| c.tracestate.as_deref()));
    let header = xray_header(own);
    match carried.and_then(|c| c.xray.as_deref()) {
        Some(extra) => insert(headers, XRAY, &[&header[..], extra.as_bytes()].concat()),
        None => insert(headers, XRAY, &header),
    }
    replace(headers, BAGGAGE, baggage::format(cx.baggage(), allowed).as_deref());
}

/// Tells the client which trace it was in: W3C's `traceresponse`, `server-timing` for the browser's timeline, and
/// X-Ray's header, whose sender may have asked for our decision.
pub(crate) fn respond(span: Traceparent, headers: &mut HeaderMap) {
    let parent = span.to_bytes();
    insert(headers, TRACERESPONSE, &parent);
    let mut timing = *b"traceparent;desc=\"00-00000000000000000000000000000000-0000000000000000-00\"";
    timing[18..73].copy_from_slice(&parent);
    if let Ok(value) = HeaderValue::from_bytes(&timing) {
        // A handler may have timings of its own.
        headers.append(SERVER_TIMING, value);
    }
    let mut answer = *b"Root=1-00000000-000000000000000000000000;Sampled=0";
    write_root(&parent, span.flags.is_sampled(), &mut answer);
    insert(headers, XRAY, &answer);
}

/// `Root=..;Parent=..;Sampled=.` without an allocation.
fn xray_header(span: Traceparent) -> [u8; 74] {
    let mut header = *b"Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0";
    let parent = span.to_bytes();
    write_root(&parent, span.flags.is_sampled(), &mut header);
    header[48..64].copy_from_slice(&parent[36..52]);
    header
}

/// The trace id behind `Root=1-`, and the last byte's `Sampled`.
fn write_root(parent: &[u8; traceparent::LENGTH], sampled: bool, header: &mut [u8]) {
    header[7..15].copy_from_slice(&parent[3..11]);
    header[16..40].copy_from_slice(&parent[11..35]);
    if let Some(last) = header.last_mut() {
        *last = b'0' + u8::from(sampled);
    }
}

fn xray_extra(header: &xray::Header) -> Option<String> {
    let mut extra = String::new();
    for (key, value) in header.carried_fields() {
        extra.extend([";", key, "=", value]);
    }
    (!extra.is_empty()).then_some(extra)
}

/// The header's one value; two of them are no value (W3C's suite: `test_multiple_header_duplicated`).
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name);
    values.next().filter(|_| values.next().is_none())
}

fn replace(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    match value {
        Some(value) => insert(headers, name, value.as_bytes()),
        None => drop(headers.remove(name)),
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(name, value);
    }
}
