use super::{Thrown, frame};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The message, which may be of several lines.
    Head,
    /// anyhow's list of sources.
    Causes,
    Frames,
}

/// `std::backtrace::Backtrace` in either style, a panic's `stack backtrace:`, and `{:?}` of anyhow with its `Caused by:`.
///
/// A frame is two lines, `  12: crate::module::function` and `at ./src/file.rs:12:5`; the second is missing without
/// debug information. std's own frames at the top stay: which of them matter is the reader's decision.
pub(super) fn parse(trace: &str) -> Vec<Thrown> {
    let mut thrown = vec![Thrown::default()];
    let mut frames = Vec::new();
    let mut part = Part::Head;
    for line in trace.lines() {
        let text = line.trim();
        if text.eq_ignore_ascii_case("stack backtrace:") {
            part = Part::Frames;
        } else if text == "Caused by:" {
            part = Part::Causes;
        } else if part == Part::Causes {
            if !text.is_empty() {
                let message = numbered(text).unwrap_or(text).to_owned();
                thrown.push(Thrown { message, ..Thrown::default() });
            }
        } else if let Some(call) = numbered(text) {
            part = Part::Frames;
            frames.push(frame(function(call), "", 0));
        } else if let Some(place) = text.strip_prefix("at ").filter(|_| part == Part::Frames)
            && let Some(last) = frames.last_mut()
        {
            let mut parts = place.rsplitn(3, ':');
            let (_column, line, path) = (parts.next(), parts.next(), parts.next());
            (last.line, last.path) = match (path, line.and_then(|line| line.parse().ok())) {
                (Some(path), Some(line)) => (line, path.to_owned()),
                _ => (0, place.to_owned()),
            };
        }
    }
    thrown[0].frames = frames;
    thrown
}

/// What follows `12: `.
fn numbered(text: &str) -> Option<&str> {
    let (number, rest) = text.split_once(": ")?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then(|| rest.trim_start())
}

/// The path of the function, without the address of the full style before it and the hash of v0-less mangling behind.
fn function(call: &str) -> &str {
    let call = match call.split_once(" - ") {
        Some((address, call)) if address.starts_with("0x") => call,
        _ => call,
    };
    match call.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => path,
        _ => call,
    }
}
