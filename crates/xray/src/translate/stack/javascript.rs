use super::{Thrown, frame};
use crate::segment::Frame;

/// V8: `    at label (path:line:column)`, `    at path:line:column`, `    at native`.
pub(super) fn parse(trace: &str) -> Vec<Thrown> {
    let calls = trace.lines().skip(1).filter_map(|line| line.strip_prefix("    at "));
    vec![Thrown { frames: calls.filter_map(read_frame).collect(), ..Thrown::default() }]
}

/// The label keeps the blank before its parenthesis, as the Collector leaves it.
fn read_frame(call: &str) -> Option<Frame> {
    let (label, place) = match call.find('(') {
        Some(open) => (&call[..open], call[open + 1..].strip_suffix(')')?),
        None => ("", call),
    };
    // From the end, since `file:///app.js` and `node:internal/x` hold colons too.
    let mut parts = place.rsplitn(3, ':');
    let (column, line, path) = (parts.next(), parts.next(), parts.next());
    match (path, line.and_then(|line| line.parse().ok()), column.and_then(|it| it.parse::<u64>().ok())) {
        (Some(path), Some(line), Some(_)) => Some(frame(label, path, line)),
        _ if !place.contains(':') && place.contains("native") => Some(frame(label, "native", 0)),
        _ => Some(frame(label, place, 0)),
    }
}
