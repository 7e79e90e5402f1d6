use super::{Thrown, frame};
use crate::segment::Frame;

/// What stands between two tracebacks, the cause above, what it led to below.
const SEPARATORS: [&str; 2] = [
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
];

/// Python prints the innermost call last and the event's own exception at the end.
pub(super) fn parse(trace: &str) -> Vec<Thrown> {
    let lines: Vec<&str> = trace.split('\n').collect();
    let mut blocks = lines.split(|line| SEPARATORS.iter().any(|separator| line.starts_with(separator))).rev();
    let mut thrown = vec![Thrown { frames: frames(blocks.next().unwrap_or_default()), ..Thrown::default() }];
    // A cause that is not one ends the chain: what comes before it would hang in the air.
    thrown.extend(blocks.map_while(cause));
    thrown
}

fn frames(block: &[&str]) -> Vec<Frame> {
    block.iter().rev().filter_map(|line| read_frame(line)).collect()
}

/// `  File "main.py", line 14, in <module>`
fn read_frame(line: &str) -> Option<Frame> {
    let parts: Vec<&str> = line.strip_prefix("  File \"")?.split(',').collect();
    let [file, number, label] = parts[..] else { return None };
    let number = number.strip_prefix(" line ").and_then(|number| number.parse().ok()).unwrap_or(0);
    Some(frame(
        label.strip_prefix(" in ").unwrap_or_default(),
        file.strip_suffix('"').unwrap_or(file),
        number,
    ))
}

/// After the last `File` and the source beneath it, which is indented, comes `Type: message`.
fn cause(block: &[&str]) -> Option<Thrown> {
    let last = block.iter().rposition(|line| line.starts_with("  File "))?;
    let message = last + 1 + block[last + 1..].iter().position(|line| !line.starts_with(' '))?;
    let text = block[message..].join("\n");
    let (kind, message) = text.trim_end().split_once(':')?;
    Some(Thrown {
        kind: kind.to_owned(),
        message: message.strip_prefix(' ').unwrap_or(message).to_owned(),
        frames: frames(block),
    })
}
