//! `throughline doctor trace ID`: where a trace breaks.
//!
//! A header that does not arrive leaves signs: spans whose parent nobody sent, a second root, a call without the span of who
//! was called, which then began a trace of its own. A clock that is off and a sampling that is decided anew leave theirs.

use std::collections::{BTreeMap, BTreeSet};

use console::wire::{Kind, Span, Trace};
use serde::Serialize;
use ureq::http::Uri;

use super::report::Trouble;

#[cfg(test)]
mod tests;

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

/// Whether another trace may hold the rest of this one: a call without the span of who was called, or a root that somebody
/// may have called.
pub(super) fn may_be_torn(trace: &Trace) -> bool {
    let is_entered = |span: &Span| span.parent_span_id.is_none() && span.kind == Kind::Server;
    trace.spans.iter().any(is_entered) || !unanswered(trace).is_empty()
}

/// Every break, the first on the request's way first. `others` are the traces of the same time, where the rest of this one
/// is looked for.
pub(super) fn breaks(trace: &Trace, others: &[Trace]) -> Vec<Break> {
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
    let torn_off =
        others.iter().flat_map(|other| unanswered(other).into_iter().map(move |call| (other, call)));
    let caller =
        roots.first().and_then(|root| Some((root, torn_off.into_iter().find(|it| reached(it.1, root))?)));
    if let Some((root, (other, call))) = caller {
        let (cause, fix) = torn(call, root, &format!("trace {}, which waited for it", other.trace_id));
        tell(root, format!("{} -> {}", call.service, root.service), cause, fix);
    }
    for root in roots.iter().skip(1) {
        let caller = caller_of(root, &trace.spans);
        let from = caller.map_or("?", |it| it.service.as_str());
        tell(
            root,
            format!("{from} -> {}", root.service),
            format!(
                "{:?} of {} is a second root: X-Amzn-Trace-Id arrived with Root and without Parent, traceparent was missing or malformed",
                root.name, root.service
            ),
            "send the call through the traced client, and let what stands between (a load balancer, a proxy) pass traceparent on as it is",
        );
    }

    for call in unanswered(trace) {
        let entered = others.iter().flat_map(|other| &other.spans).filter(|it| it.parent_span_id.is_none());
        if let Some(root) = entered.into_iter().find(|root| reached(call, root)) {
            let (cause, fix) = torn(call, root, "this trace");
            tell(call, format!("{} -> {}", call.service, root.service), cause, fix);
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
            "the sampled flag was lost or is decided anew at the callee: sample by the parent (OTEL_TRACES_SAMPLER=parentbased_always_on), and look at `dropped` in its /ready",
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

/// The calls that were answered, and whose callee has no span here.
fn unanswered(trace: &Trace) -> Vec<&Span> {
    let parents: BTreeSet<&str> =
        trace.spans.iter().filter_map(|span| span.parent_span_id.as_deref()).collect();
    let is_unanswered =
        |call: &&Span| is_call(call) && !failed_to_connect(call) && !parents.contains(call.span_id.as_str());
    trace.spans.iter().filter(is_unanswered).collect()
}

/// Whether `root`, of another trace, is what `call` waited for: the same method, address and path, at that time.
fn reached(call: &Span, root: &Span) -> bool {
    let text = |span: &Span, key: &str| span.attributes.get(key).map(ToString::to_string);
    let same = |key| text(call, key).is_some_and(|it| Some(it) == text(root, key));
    // A Host without a port names none.
    let same_port = text(root, "server.port").is_none() || same("server.port");
    let path =
        call.attributes.get("url.full").and_then(|it| it.as_str()).and_then(|it| it.parse::<Uri>().ok());
    let same_path =
        path.is_some_and(|it| root.attributes.get("url.path").and_then(|it| it.as_str()) == Some(it.path()));
    let during = call.start_unix_nano - SKEW_NANOS..=call.start_unix_nano + call.duration_nano + SKEW_NANOS;
    root.kind == Kind::Server
        && root.trace_id != call.trace_id
        && during.contains(&root.start_unix_nano)
        && same("http.request.method")
        && same("server.address")
        && same_port
        && same_path
}

/// What is wrong between a call of trace `of` and the root that it reached.
fn torn(call: &Span, root: &Span, of: &str) -> (String, &'static str) {
    let began = format!("{:?} of {} began trace {} of its own", root.name, root.service, root.trace_id);
    let by = format!("{:?} of {} in {of}", call.name, call.service);
    if root.links.iter().any(|link| link.trace_id == call.trace_id) {
        return (
            format!(
                "{began}, with a link to {by}: traceparent arrived, and {} trusts no caller from outside",
                root.service
            ),
            "that is the rule at a public door: call a service behind it, or take its EdgePolicy away",
        );
    }
    (
        format!("{began}, called by {by}: traceparent was missing or malformed at {}", root.service),
        "send the call through the traced client (telemetry::awc), and let what stands between pass traceparent on as it is",
    )
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
