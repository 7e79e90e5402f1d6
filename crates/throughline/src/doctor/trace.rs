//! `throughline doctor trace ID`: where a trace breaks.
//!
//! A header that does not arrive leaves signs: spans whose parent nobody sent, a second root, a call without the span of who
//! was called. A clock that is off and a sampling that is decided anew leave theirs.

use std::collections::{BTreeMap, BTreeSet};

use console::wire::{Kind, Span, Trace};
use serde::Serialize;

use super::report::Trouble;

/// A child starts before its parent by this much only when a clock is off; NTP keeps machines of one network within a few ms.
const SKEW_NANOS: i64 = 10_000_000;
/// Browser and server have clocks of their own kind.
const BROWSER_SKEW_NANOS: i64 = 1_000_000_000;

/// A hop that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Break {
    /// `gateway -> activities`
    pub(super) hop: String,
    #[serde(flatten)]
    pub(super) trouble: Trouble,
}

/// Every break, the first on the request's way first.
pub(super) fn breaks(trace: &Trace) -> Vec<Break> {
    let spans: BTreeMap<&str, &Span> = trace.spans.iter().map(|span| (span.span_id.as_str(), span)).collect();
    let parent = |span: &Span| span.parent_span_id.as_deref().and_then(|id| spans.get(id).copied());
    let mut found: Vec<(i64, Break)> = Vec::new();
    let mut tell = |span: &Span, hop: String, cause: String, fix: &str| {
        found.push((span.start_unix_nano, Break { hop, trouble: Trouble::new(cause, fix) }));
    };

    let mut orphaned = BTreeSet::new();
    for span in &trace.spans {
        let Some(id) = &span.parent_span_id else { continue };
        if parent(span).is_some() || !orphaned.insert((id, &span.service)) {
            continue;
        }
        if span.kind == Kind::Server || span.kind == Kind::Consumer {
            tell(
                span,
                format!("? -> {}", span.service),
                format!(
                    "{:?} of {} has the parent {id}, which nobody sent: traceparent arrived, the caller's span did not",
                    span.name, span.service
                ),
                "the caller makes headers without sending its spans: give it an exporter, look at its /ready for drops, or let its proxy not write a traceparent of its own",
            );
        } else {
            tell(
                span,
                span.service.clone(),
                format!(
                    "{:?} of {} has the parent {id}, which {} did not send",
                    span.name, span.service, span.service
                ),
                "the service lost a span: look at `dropped` in its /ready, and that it shuts down with a flush",
            );
        }
    }

    let mut roots: Vec<&Span> = trace.spans.iter().filter(|span| span.parent_span_id.is_none()).collect();
    roots.sort_by_key(|span| span.start_unix_nano);
    for root in roots.iter().skip(1) {
        let caller = caller_of(root, &trace.spans);
        let from = caller.map_or("?", |it| it.service.as_str());
        tell(
            root,
            format!("{from} -> {}", root.service),
            format!(
                "{:?} of {} is a second root: the trace id arrived, the parent's span id did not",
                root.name, root.service
            ),
            "a header without a parent came in: X-Amzn-Trace-Id with Root and without Parent (a load balancer's), or a traceparent whose parent id is malformed; forward traceparent as it is",
        );
    }

    for call in trace.spans.iter().filter(|span| is_call(span)) {
        if trace.spans.iter().any(|span| span.parent_span_id.as_deref() == Some(&call.span_id))
            || failed_to_connect(call)
        {
            continue;
        }
        // Only of a service that others of this trace reach: anybody else may be one that makes no spans.
        let Some(callee) = callee(call, &trace.spans, &spans) else { continue };
        tell(
            call,
            format!("{} -> {callee}", call.service),
            format!(
                "{:?} of {} reached {callee}, whose span is missing, while other calls to it have theirs",
                call.name, call.service
            ),
            "sampling is decided anew at the callee, or traceparent is missing or malformed on this call: sample by the parent (OTEL_TRACES_SAMPLER=parentbased_always_on) and send the call through the traced client",
        );
    }

    let mut skewed = BTreeSet::new();
    for span in &trace.spans {
        let Some(parent) = parent(span).filter(|parent| parent.service != span.service) else { continue };
        let early = parent.start_unix_nano - span.start_unix_nano;
        let late = span.start_unix_nano - (parent.start_unix_nano + parent.duration_nano);
        let off = early.max(late);
        let allowed = if is_browser(parent) { BROWSER_SKEW_NANOS } else { SKEW_NANOS };
        // Work that outlives its caller begins while the caller waits.
        if off <= allowed || !skewed.insert((&parent.service, &span.service)) {
            continue;
        }
        let word = if early > late { "before" } else { "after the end of" };
        tell(
            span,
            format!("{} -> {}", parent.service, span.service),
            format!(
                "{:?} of {} starts {} ms {word} the call of {} that caused it",
                span.name,
                span.service,
                off / 1_000_000,
                parent.service
            ),
            "the clocks of the two machines differ: set them by NTP",
        );
    }

    found.sort_by_key(|(start, _)| *start);
    found.into_iter().map(|(_, it)| it).collect()
}

fn is_call(span: &Span) -> bool {
    span.kind == Kind::Client && span.attributes.contains_key("http.request.method")
}

fn is_browser(span: &Span) -> bool {
    span.resource.contains_key("browser.language") || span.service.ends_with("-web")
}

/// No answer came, so nobody may have been reached.
fn failed_to_connect(call: &Span) -> bool {
    !call.attributes.contains_key("http.response.status_code")
}

/// The call during which it began: the innermost, since those around it wait as well.
fn caller_of<'a>(root: &Span, spans: &'a [Span]) -> Option<&'a Span> {
    let during = |call: &&Span| {
        let end = call.start_unix_nano + call.duration_nano;
        (call.start_unix_nano..=end).contains(&root.start_unix_nano)
    };
    let calls = spans.iter().filter(|span| is_call(span) && span.service != root.service);
    calls.filter(during).max_by_key(|call| call.start_unix_nano)
}

/// Who was called, by another call to the same address whose answer is in the trace.
fn callee<'a>(call: &Span, spans: &'a [Span], by_id: &BTreeMap<&str, &Span>) -> Option<&'a str> {
    let address = |span: &Span| {
        Some((span.attributes.get("server.address")?.clone(), span.attributes.get("server.port").cloned()))
    };
    let wanted = address(call)?;
    let reached = spans.iter().filter(|span| span.kind == Kind::Server).find(|server| {
        let parent = server.parent_span_id.as_deref().and_then(|id| by_id.get(id));
        parent.is_some_and(|parent| address(parent).as_ref() == Some(&wanted))
    });
    reached.map(|server| server.service.as_str())
}
