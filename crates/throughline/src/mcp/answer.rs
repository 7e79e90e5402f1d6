//! What an assistant is told: text of a bounded length, with the address of a page. Pure.

use std::fmt::Write as _;

use console::tree::{Forest, Place};
use console::wire::{Status, Trace};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::remote::Remote;
use crate::table::{cut, one_line};

/// Letters of one answer: some ten thousand tokens, of which a conversation holds a few.
const MAX_ANSWER: usize = 40_000;
/// Letters of one value in it; a statement of SQL or a stack is longer.
const MAX_VALUE: usize = 2_000;
/// Spans of an outline, in the order of the tree.
const MAX_SPANS: usize = 200;

/// The link, then a line for each value, as JSON.
pub(super) struct Page {
    link: String,
    values: Map<String, Value>,
}

impl Page {
    pub(super) fn new(console: &Remote, path: &str) -> Self {
        Self { link: format!("{}{path}", console.url()), values: Map::new() }
    }

    pub(super) fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.values.insert(name.to_owned(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    pub(super) fn link(&self) -> &str {
        &self.link
    }

    pub(super) fn text(self) -> String {
        let mut text = String::from(self.link.as_str());
        for (name, mut value) in self.values {
            shorten(&mut value);
            let _ = write!(text, "\n{name}: {value}");
        }
        bounded(&text)
    }
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > MAX_VALUE => *text = cut(text, MAX_VALUE),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(values) => values.values_mut().for_each(shorten),
        _ => {}
    }
}

pub(super) fn bounded(text: &str) -> String {
    match text.char_indices().nth(MAX_ANSWER) {
        None => text.to_owned(),
        Some((end, _)) => {
            let rest = text[end..].chars().count();
            format!("{}\n(cut: {rest} more letters; ask for less, or open the link)", &text[..end])
        }
    }
}

/// One line a span: offset, length, service, name, id, and what failed.
pub(super) fn outline(trace: &Trace) -> String {
    let nanos = trace.duration_nano as f64 / 1e6;
    let mut text = format!("trace {}: {} spans, {nanos:.1} ms\n", trace.trace_id, trace.span_count);
    let forest = Forest::new(&trace.spans);
    for node in forest.nodes.iter().take(MAX_SPANS) {
        let span = &trace.spans[node.span];
        let offset = (span.start_unix_nano - trace.start_unix_nano) as f64 / 1e6;
        let _ = write!(
            text,
            "{:indent$}+{offset:.1} ms {} {:?} {:.1} ms [{}]",
            "",
            one_line(&span.service),
            one_line(&span.name),
            span.duration_nano as f64 / 1e6,
            span.span_id,
            indent = node.depth.min(MAX_INDENT) * 2,
        );
        if span.status == Status::Error {
            let _ = write!(text, " ERROR {}", one_line(span.status_message.as_deref().unwrap_or_default()));
        }
        if node.place == Place::Orphan {
            text += " (its parent has not arrived)";
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let rest = forest.nodes.len().saturating_sub(MAX_SPANS);
    if rest > 0 {
        let _ = writeln!(text, "({rest} more spans; get_trace with span_id shows one, the link shows all)");
    }
    text
}

/// Deeper spans stand below each other.
const MAX_INDENT: usize = 20;

#[cfg(test)]
mod tests {
    use env::Env;
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_bounded_and_linked() {
        let console = Remote::new(Some("http://console:4380/"), &Env::default());
        let short = Page::new(&console, "/map").with("a", 1).with("b", "x".repeat(MAX_VALUE + 1)).text();
        assert!(short.starts_with("http://console:4380/map\na: 1\nb: \"xx"), "{short}");
        assert_eq!(short.chars().filter(|c| *c == 'x').count(), MAX_VALUE - 1);
        let long = Page::new(&console, "/map").with("a", vec!["é".repeat(1_000); 100]).text();
        assert!(long.chars().count() < MAX_ANSWER + 100);
        assert!(
            long.ends_with("more letters; ask for less, or open the link)"),
            "{}",
            &long[long.len() - 200..]
        );
    }

    #[test]
    fn a_trace_in_outline() {
        let span = |id: &str, parent: Value, start: i64, status: &str| {
            json!({
                "trace_id": "a", "span_id": id, "parent_span_id": parent, "name": "GET /", "kind": "server", "service": "gateway",
                "start_unix_nano": start, "duration_nano": 2_500_000, "status": status, "status_message": "it\nbroke",
                "attributes": {}, "resource": {}, "scope": null, "events": [], "links": [], "source": "otlp",
            })
        };
        let mut spans = vec![span("1", Value::Null, 0, "unset"), span("2", json!("1"), 1_000_000, "error")];
        spans.extend((3..=300).map(|n| span(&n.to_string(), json!("0"), 2_000_000, "unset")));
        let trace = json!({
            "trace_id": "a", "xray_trace_id": "", "start_unix_nano": 0, "duration_nano": 5_000_000, "span_count": spans.len(),
            "pruned_unix_nano": null, "spans": spans,
        });
        let text = outline(&serde_json::from_value(trace).expect("a trace"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "trace a: 300 spans, 5.0 ms",
                "+0.0 ms gateway \"GET /\" 2.5 ms [1]",
                "  +1.0 ms gateway \"GET /\" 2.5 ms [2] ERROR it broke",
                "+2.0 ms gateway \"GET /\" 2.5 ms [3] (its parent has not arrived)",
            ]
        );
        assert_eq!(lines.len(), 1 + MAX_SPANS + 1);
        assert!(lines[MAX_SPANS + 1].starts_with("(100 more spans;"), "{}", lines[MAX_SPANS + 1]);
    }
}
