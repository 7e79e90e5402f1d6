//! Stack traces as each language prints them -> frames and causes.
//!
//! All of them read what they know and leave out the rest: a trace is a text that anybody may have written.

mod dotnet;
mod go;
mod java;
mod javascript;
mod python;
mod rust;

use crate::segment::Frame;

/// One exception of a trace. The first is the event's own, whose kind and message the event knows better.
#[derive(Debug, Default)]
pub(super) struct Thrown {
    pub(super) kind: String,
    pub(super) message: String,
    /// The innermost call first.
    pub(super) frames: Vec<Frame>,
}

/// At least one exception, each followed by its cause. A language that nobody reads here has no frames.
pub(super) fn parse(language: &str, trace: &str) -> Vec<Thrown> {
    if trace.is_empty() {
        return vec![Thrown::default()];
    }
    match language {
        // PHP's SDK prints as Java does.
        "java" | "php" => java::parse(trace),
        "python" => python::parse(trace),
        "javascript" | "nodejs" | "webjs" => javascript::parse(trace),
        "dotnet" => dotnet::parse(trace),
        "go" => go::parse(trace),
        "rust" => rust::parse(trace),
        _ => vec![Thrown::default()],
    }
}

fn frame(label: &str, path: &str, line: u64) -> Frame {
    Frame { label: label.to_owned(), path: path.to_owned(), line }
}
