//! What a message says of itself: JSON lines by their keys, others by the habits of log formats.

use chrono::DateTime;
use serde_json::{Map, Value};
use xray::{SpanId, TraceId};

use crate::ids;

/// Keys of a level, a service, a time.
const LEVEL_KEYS: [&str; 7] =
    ["level", "levelname", "severity", "log.level", "loglevel", "lvl", "severity_text"];
const SERVICE_KEYS: [&str; 4] = ["service", "service.name", "service_name", "otelServiceName"];
const TIME_KEYS: [&str; 3] = ["timestamp", "time", "@timestamp"];

/// Characters of a text line in which its level is looked for: dates and ids may stand before it.
const HEAD: usize = 128;

/// What is known of one message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// One of [`LEVELS`].
    pub level: Option<&'static str>,
    pub service: Option<String>,
    pub trace_id: Option<TraceId>,
    pub span_id: Option<SpanId>,
    /// Nanoseconds since 1970, as far as the message says them.
    pub time: Option<i64>,
}

/// What levels are called here, whatever the sender calls them.
pub const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];

impl Line {
    pub fn read(message: &str) -> Self {
        match fields(message) {
            Some(fields) => Self::of_fields(&fields),
            None => Self::of_text(message),
        }
    }

    fn of_fields(fields: &Map<String, Value>) -> Self {
        let text = |keys: &[&str]| keys.iter().find_map(|key| fields.get(*key)?.as_str());
        Self {
            level: text(&LEVEL_KEYS).and_then(level),
            service: text(&SERVICE_KEYS).map(|name| name.chars().take(255).collect()),
            trace_id: ids::trace_id(fields),
            span_id: ids::span_id(fields),
            time: text(&TIME_KEYS)
                .and_then(|time| DateTime::parse_from_rfc3339(time).ok()?.timestamp_nanos_opt()),
        }
    }

    fn of_text(message: &str) -> Self {
        let head = message.char_indices().nth(HEAD).map_or(message, |(end, _)| &message[..end]);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        // In capitals only: prose has errors, too.
        let mut words = head.split(|c: char| !is_word(c));
        let level =
            words.find_map(|word| word.bytes().all(|b| b.is_ascii_uppercase()).then(|| level(word))?);
        let after = |key: &str| {
            let start = message.find(key)? + key.len();
            let rest = message[start..].trim_start_matches(['=', ':', ' ', '"']);
            Some(rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default())
        };
        let trace_id = ["trace_id", "traceId", "Root", "AWS-XRAY-TRACE-ID", "trace"]
            .into_iter()
            .filter_map(after)
            .find_map(ids::parse_trace_id);
        let span_id = ["span_id", "spanId"].into_iter().filter_map(after).find_map(|text| text.parse().ok());
        Self { level, trace_id, span_id, ..Self::default() }
    }
}

/// A message that is one JSON object.
pub fn fields(message: &str) -> Option<Map<String, Value>> {
    let message = message.trim();
    if message.starts_with('{') { serde_json::from_str(message).ok() } else { None }
}

/// By any of the names in use.
pub fn level(name: &str) -> Option<&'static str> {
    let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    LEVELS.into_iter().find(|known| known.eq_ignore_ascii_case(name)).or_else(|| {
        if is(&["warning"]) {
            Some("warn")
        } else if is(&["err", "severe"]) {
            Some("error")
        } else if is(&["critical", "crit", "emerg", "emergency", "alert", "panic"]) {
            Some("fatal")
        } else if is(&["notice", "information"]) {
            Some("info")
        } else {
            None
        }
    })
}
