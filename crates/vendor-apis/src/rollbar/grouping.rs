//! Which items are one error: an explicit fingerprint, else where it happened and what it is, else what it says.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::Value;

/// Rollbar's: a longer fingerprint is replaced by its SHA-1, which has as many digits.
const MAX_FINGERPRINT: usize = 40;

/// The fingerprint that groups the item.
pub(super) fn fingerprint(data: &Value) -> String {
    match data.get("fingerprint").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        Some(text) if text.chars().count() <= MAX_FINGERPRINT => text.to_owned(),
        Some(text) => sha1(text),
        None => sha1(&signature(&data["body"])),
    }
}

/// Of traces the exception classes and every frame's file and method: line numbers are left out, so that a deploy does
/// not make a new error of an old one. Of texts the text without what differs each time.
fn signature(body: &Value) -> String {
    let mut signature = String::new();
    let traces = match (&body["trace"], &body["trace_chain"]) {
        (Value::Object(_), _) => std::slice::from_ref(&body["trace"]),
        (_, Value::Array(chain)) => chain,
        _ => &[],
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for trace in traces {
        let _ = writeln!(signature, "{}", text(&trace["exception"]["class"]));
        let frames = trace["frames"].as_array().map_or(&[][..], Vec::as_slice);
        for frame in frames {
            let name = text(&frame["filename"]);
            // Whether Node's own queue was in between depends on what else it did.
            if !name.starts_with("node:internal/") {
                let _ = writeln!(signature, "{}:{}", file(&name), text(&frame["method"]));
            }
        }
        if frames.is_empty() {
            let _ = writeln!(signature, "{}", normalised(&text(&trace["exception"]["message"])));
        }
    }
    if traces.is_empty() {
        let said = [&body["message"]["body"], &body["crash_report"]["raw"]];
        let said = said.into_iter().find_map(Value::as_str).unwrap_or_default();
        signature = normalised(said.lines().next().unwrap_or_default());
    }
    signature
}

/// A script's address without what a build or a session puts behind it.
fn file(name: &str) -> &str {
    name.split(['?', '#']).next().unwrap_or_default()
}

/// Numbers, hex ids and uuids become `#`: "user 17 not found" is one message for all users.
fn normalised(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        if end == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(end);
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let is_hex = word.bytes().all(|b| b.is_ascii_hexdigit() || b"-.:_".contains(&b));
        // `v2` and `http2` stay; `17`, `1.5`, `10:20:30`, `4bf92f35-77b3` and `0x3f2a` go.
        if digits > 0 && (is_hex || word.starts_with("0x")) {
            out.push('#');
        } else {
            out.push_str(word);
        }
        rest = after;
    }
    out
}

fn sha1(text: &str) -> String {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_each_time_is_left_out() {
        for (text, expect) in [
            ("user 17 not found", "user # not found"),
            ("took 1.5 s at 2026-11-21 10:20:30", "took # s at # #"),
            ("no 4bf92f35-77b3-4da6-a3ce-929d0e0e4736 (0x3f2a)", "no # (#)"),
            ("http2 and v2 stay, deadbeef too", "http2 and v2 stay, deadbeef too"),
            ("größe 5 µs", "größe # µs"),
            ("", ""),
        ] {
            assert_eq!(normalised(text), expect, "{text:?}");
        }
    }
}
