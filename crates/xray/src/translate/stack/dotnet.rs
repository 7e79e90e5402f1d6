use super::{Thrown, frame};
use crate::segment::Frame;

/// `at Namespace.Class.Method(args) in C:\path\File.cs:line 11`, without the place where there are no symbols.
pub(super) fn parse(trace: &str) -> Vec<Thrown> {
    let calls = trace.lines().skip(1).filter_map(|line| line.trim().strip_prefix("at "));
    vec![Thrown { frames: calls.filter_map(read_frame).collect(), ..Thrown::default() }]
}

fn read_frame(call: &str) -> Option<Frame> {
    let Some((label, place)) = call.split_once(" in ") else {
        return call.rfind(')').map(|end| frame(&call[..=end], "", 0));
    };
    let (path, line) = place.rsplit_once(':').unwrap_or((place, ""));
    Some(frame(label, path, line.trim_start_matches("line").trim().parse().unwrap_or(0)))
}
