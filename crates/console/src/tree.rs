//! Spans -> forest -> text. Pure.
//!
//! Whatever arrives can be drawn: a span whose parent is missing stands at the top and says so, and of a loop the
//! earliest span does.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use serde_json::Value;

use crate::wire::{Span, Status, Trace};

/// Spans in the order in which they are drawn: depth first, siblings by start.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Forest {
    pub nodes: Vec<Node>,
}

/// A span in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Index into the spans given.
    pub span: usize,
    /// 0 at the top.
    pub depth: usize,
    /// Whether no sibling follows; true at the top.
    pub is_last: bool,
    pub place: Place,
}

/// Why a span stands where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has no parent.
    Root,
    UnderParent,
    /// Its parent has not arrived.
    Orphan,
    /// Its parents form a loop; this is where it is cut open.
    Loop,
}

impl Forest {
    /// Takes the time of a sort, for traces of any depth and width.
    pub fn new(spans: &[Span]) -> Self {
        let mut by_id = HashMap::with_capacity(spans.len());
        for (index, span) in spans.iter().enumerate() {
            by_id.entry(span.span_id.as_str()).or_insert(index);
        }
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_by_key(|&index| (spans[index].start_unix_nano, index));

        let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut tops = Vec::new();
        for &index in &order {
            match spans[index].parent_span_id.as_deref() {
                None => tops.push((index, Place::Root)),
                Some(parent) => match by_id.get(parent) {
                    None => tops.push((index, Place::Orphan)),
                    Some(&parent) => children.entry(parent).or_default().push(index),
                },
            }
        }

        let mut forest = Self { nodes: Vec::with_capacity(spans.len()) };
        let mut seen = HashSet::with_capacity(spans.len());
        for (top, place) in tops {
            forest.descend(top, place, &children, &mut seen);
        }
        // What is left hangs below loops.
        for index in order {
            if !seen.contains(&index) {
                let top = earliest_of_loop(index, spans, &by_id);
                forest.descend(top, Place::Loop, &children, &mut seen);
            }
        }
        forest
    }

    /// By hand instead of recursion: a hostile trace is deeper than any stack.
    fn descend(
        &mut self,
        top: usize,
        place: Place,
        children: &HashMap<usize, Vec<usize>>,
        seen: &mut HashSet<usize>,
    ) {
        let mut stack = vec![Node { span: top, depth: 0, is_last: true, place }];
        while let Some(node) = stack.pop() {
            if !seen.insert(node.span) {
                continue;
            }
            self.nodes.push(node);
            let below = children.get(&node.span).map_or(&[][..], Vec::as_slice);
            let last = below.iter().rposition(|child| !seen.contains(child));
            for (position, &span) in below.iter().enumerate().rev() {
                let is_last = Some(position) == last;
                stack.push(Node { span, depth: node.depth + 1, is_last, place: Place::UnderParent });
            }
        }
    }

    /// Spans that stand at the top.
    pub fn tops(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.depth == 0)
    }

    pub fn orphans(&self) -> usize {
        self.nodes.iter().filter(|node| node.place == Place::Orphan).count()
    }
}

/// Follows parents from `index` until one comes again, and gives the earliest of the circle.
fn earliest_of_loop(index: usize, spans: &[Span], by_id: &HashMap<&str, usize>) -> usize {
    let parent =
        |index: usize| by_id[spans[index].parent_span_id.as_deref().expect("a span without one is a root")];
    let mut seen = HashSet::new();
    let mut on_loop = index;
    while seen.insert(on_loop) {
        on_loop = parent(on_loop);
    }
    let mut earliest = on_loop;
    let mut next = parent(on_loop);
    while next != on_loop {
        if spans[next].start_unix_nano < spans[earliest].start_unix_nano {
            earliest = next;
        }
        next = parent(next);
    }
    earliest
}

/// Attributes worth a place in the line, and what they are called there.
const SHOWN: [(&str, &str); 6] = [
    ("http.response.status_code", "status"),
    ("db.query.text", "sql"),
    ("db.response.returned_rows", "rows"),
    ("app.user_id", "user"),
    ("error.type", "error"),
    ("exception.type", "exception"),
];

/// Longer values are cut.
const SHOWN_CHARS: usize = 80;

/// Deeper spans are drawn at this depth: a hostile chain would take the square of its length in blanks.
const MAX_INDENT: usize = 64;

/// A trace as lines of `service  name  duration  [attributes]`, indented by parent. `throughline trace` prints it.
pub fn render(trace: &Trace) -> String {
    render_with(trace, str::to_owned)
}

/// As [`render`], with the names of services passed through `paint`, for colours.
pub fn render_with(trace: &Trace, paint: impl Fn(&str) -> String) -> String {
    let forest = Forest::new(&trace.spans);
    let mut text = format!("trace {}  {}", trace.trace_id, trace.xray_trace_id);
    let _ = writeln!(text, "  {}  {}", duration(trace.duration_nano), count(trace.spans.len(), "span"));
    let mut rails: Vec<bool> = Vec::new();
    for node in &forest.nodes {
        rails.truncate(node.depth.saturating_sub(1));
        for open in rails.iter().take(MAX_INDENT) {
            text += if *open { "│  " } else { "   " };
        }
        if node.depth > 0 {
            text += if node.is_last { "└─ " } else { "├─ " };
            rails.push(!node.is_last);
        }
        line(&mut text, &trace.spans[node.span], node.place, &paint);
    }
    text
}

fn line(text: &mut String, span: &Span, place: Place, paint: &impl Fn(&str) -> String) {
    let _ = write!(text, "{}  {}", paint(&clean(&span.service)), clean(&span.name));
    let _ = write!(text, "  {}", duration(span.duration_nano));
    let shown: Vec<String> = SHOWN
        .iter()
        .filter_map(|(key, label)| Some(format!("{label}={}", plain(span.attributes.get(*key)?))))
        .collect();
    if !shown.is_empty() {
        let _ = write!(text, "  [{}]", shown.join(" "));
    }
    if span.status == Status::Error {
        let _ = write!(text, "  ERROR {}", clean(span.status_message.as_deref().unwrap_or_default()));
    }
    match place {
        Place::Orphan => *text += "  (its parent has not arrived)",
        Place::Loop => *text += "  (its parents form a loop)",
        Place::Root | Place::UnderParent => {}
    }
    let end = text.trim_end().len();
    text.truncate(end);
    text.push('\n');
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text),
        other => clean(&other.to_string()),
    }
}

/// One line, without control characters (a terminal would obey them), not too long.
fn clean(text: &str) -> String {
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_CHARS + 1).collect();
    if line.chars().count() > SHOWN_CHARS {
        line.pop();
        line.push('…');
    }
    line
}

fn duration(nanos: i64) -> String {
    let nanos = nanos as f64;
    match nanos {
        n if n >= 1e9 => format!("{:.2} s", n / 1e9),
        n if n >= 1e6 => format!("{:.1} ms", n / 1e6),
        n if n >= 1e3 => format!("{:.0} µs", n / 1e3),
        n => format!("{n} ns"),
    }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
