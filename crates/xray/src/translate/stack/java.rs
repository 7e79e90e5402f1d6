use super::{Thrown, frame};
use crate::segment::Frame;

/// `\tat module/package.Class.method(File.java:12)`, and `Caused by: Type: message` with frames of its own. The frames of
/// `Suppressed:` blocks are indented twice, and `... 9 more` is no frame.
pub(super) fn parse(trace: &str) -> Vec<Thrown> {
    let mut thrown = vec![Thrown::default()];
    let mut in_message = false;
    for line in trace.lines().skip(1) {
        let current = thrown.last_mut().expect("starts with one");
        if let Some(call) = line.strip_prefix("\tat ") {
            in_message = false;
            current.frames.extend(read_frame(call));
        } else if let Some(cause) = line.strip_prefix("Caused by: ") {
            let (kind, message) = cause.split_once(':').unwrap_or((cause, ""));
            thrown.push(Thrown {
                kind: kind.to_owned(),
                message: message.trim_start().to_owned(),
                frames: Vec::new(),
            });
            in_message = true;
        } else if in_message && !line.starts_with('\t') {
            current.message.push('\n');
            current.message.push_str(line);
        } else {
            in_message = false;
        }
    }
    thrown
}

fn read_frame(call: &str) -> Option<Frame> {
    let (label, place) = call.strip_suffix(')')?.split_once('(')?;
    // A class loader or module before the class.
    let label = label.split_once('/').map_or(label, |(_, label)| label);
    let (path, line) = place.split_once(':').unwrap_or((place, ""));
    Some(frame(label, path, line.parse().unwrap_or(0)))
}
