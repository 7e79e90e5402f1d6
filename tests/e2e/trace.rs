//! Traces as the console tells them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use console::wire::{Kind, Source, Span, Status, Trace};

use crate::eventually;
use crate::http::Client;
use crate::system::System;

/// One root, and every span's parent is there.
pub(crate) fn is_one_tree(trace: &Trace) -> bool {
    roots(trace).len() == 1 && orphans(trace).is_empty()
}

pub(crate) fn roots(trace: &Trace) -> Vec<&Span> {
    trace.spans.iter().filter(|span| span.parent_span_id.is_none()).collect()
}

pub(crate) fn orphans(trace: &Trace) -> Vec<&Span> {
    let ids: HashMap<&str, &Span> = by_id(trace);
    trace
        .spans
        .iter()
        .filter(|span| span.parent_span_id.as_deref().is_some_and(|parent| !ids.contains_key(parent)))
        .collect()
}

pub(crate) fn by_id(trace: &Trace) -> HashMap<&str, &Span> {
    trace.spans.iter().map(|span| (span.span_id.as_str(), span)).collect()
}

pub(crate) fn parent<'a>(trace: &'a Trace, span: &Span) -> Option<&'a Span> {
    trace.spans.iter().find(|other| Some(&other.span_id) == span.parent_span_id.as_ref())
}

/// Whether it tells what Postgres did inside a statement.
pub(crate) fn of_a_plan(span: &Span) -> bool {
    span.attributes.contains_key("throughline.synthetic")
}

/// A text attribute, or none.
pub(crate) fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    span.attributes.get(key).and_then(|value| value.as_str())
}

impl System {
    /// The trace as it is now, if the console knows it.
    pub(crate) fn trace_now(&self, id: &str) -> Option<Trace> {
        let reply = Client::anonymous().get(&format!("{}/api/traces/{id}", self.at.console));
        match reply.status {
            200 => Some(serde_json::from_str(&reply.body).unwrap()),
            404 => None,
            status => panic!("the console answered {status}: {}", reply.body),
        }
    }

    /// The trace once it is one tree with spans of all `services`, and asked again and again has grown no more.
    #[track_caller]
    pub(crate) fn trace(&self, id: &str, services: &[&str]) -> Trace {
        // A quarter of a second: each service sends what it has at its own time.
        const TIMES_THE_SAME: u32 = 10;
        let (mut before, mut same) = (0, 0);
        let mut last = None;
        let wait = || {
            let trace = self.trace_now(id)?;
            let all_there = services.iter().all(|name| trace.spans.iter().any(|span| span.service == *name));
            same = if trace.spans.len() == before { same + 1 } else { 0 };
            before = trace.spans.len();
            // An X-Ray document may be faster than the span itself, and tells less of it.
            let by_otlp = trace.spans.iter().all(|span| span.source == Source::Otlp);
            let whole = is_one_tree(&trace) && all_there && same >= TIMES_THE_SAME && by_otlp;
            last = Some(trace);
            whole.then_some(())
        };
        eventually(&format!("trace {id} is one tree over {services:?}"), wait);
        last.unwrap()
    }
}

/// The tree as indented text: who, what kind, which operation, and what a reader of the trace would look for.
/// Siblings stand in the order of their starts. Waiting for a connection is left out: whether one waits is chance;
/// and what Postgres planned, which depends on its statistics: see `plans.rs`.
pub(crate) fn tree(trace: &Trace) -> String {
    let mut children: BTreeMap<Option<&str>, Vec<&Span>> = BTreeMap::new();
    for span in trace.spans.iter().filter(|span| span.name != "acquire connection" && !of_a_plan(span)) {
        children.entry(span.parent_span_id.as_deref()).or_default().push(span);
    }
    let mut out = String::new();
    let mut todo: Vec<(usize, &Span)> =
        children.get(&None).into_iter().flatten().rev().map(|s| (0, *s)).collect();
    while let Some((depth, span)) = todo.pop() {
        let _ = write!(out, "{:depth$}{} {}", "", span.service, line(span), depth = depth * 2);
        out.push('\n');
        if let Some(below) = children.get(&Some(span.span_id.as_str())) {
            todo.extend(below.iter().rev().map(|span| (depth + 1, *span)));
        }
    }
    out
}

fn line(span: &Span) -> String {
    let kind = match span.kind {
        Kind::Server => "SERVER ",
        Kind::Client => "CLIENT ",
        Kind::Producer => "PRODUCER ",
        Kind::Consumer => "CONSUMER ",
        Kind::Internal => "",
    };
    let mut line = format!("{kind}{}", span.name);
    if let Some(status) = span.attributes.get("http.response.status_code") {
        let _ = write!(line, " -> {status}");
    }
    if let Some(rows) = span.attributes.get("db.response.returned_rows") {
        let _ = write!(line, " -> {rows} rows");
    }
    if span.status == Status::Error {
        line += " ERROR";
    }
    line
}
