//! One line of jsonlog: PostgreSQL's documentation, 20.8.5 "Using JSON-Format Log Output".

use std::time::Duration;

use chrono::DateTime;
use serde::Deserialize;

/// Only what is named here is read. `detail` holds values (the row of a violated constraint, the parameters of a
/// statement): nothing of it but process numbers goes on.
#[derive(Debug, Deserialize)]
pub(super) struct Record {
    timestamp: String,
    #[serde(skip)]
    pub(super) at: Duration,
    pub(super) session_id: String,
    pub(super) line_num: u64,
    session_start: Option<String>,
    pub(super) error_severity: String,
    #[serde(default)]
    pub(super) message: String,
    pub(super) user: Option<String>,
    pub(super) dbname: Option<String>,
    #[serde(default)]
    pub(super) pid: u32,
    pub(super) remote_host: Option<String>,
    pub(super) remote_port: Option<u16>,
    #[serde(default)]
    pub(super) txid: u64,
    state_code: Option<String>,
    detail: Option<String>,
    pub(super) context: Option<String>,
    pub(super) statement: Option<String>,
    pub(super) application_name: Option<String>,
    pub(super) query_id: Option<i64>,
    #[serde(skip)]
    pub(super) client: Client,
}

/// Whose session it is, by its `application_name`.
#[derive(Debug, Default)]
pub(super) enum Client {
    /// Nothing but a traceparent, sampled.
    Traced(String),
    Unsampled,
    #[default]
    Other,
}

impl Record {
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut record: Self = serde_json::from_str(line).ok()?;
        record.at = since_1970(&record.timestamp)?;
        record.client = record.application_name.as_deref().map_or(Client::Other, Client::of);
        Some(record)
    }

    /// To the second.
    pub(super) fn session_start(&self) -> Option<Duration> {
        since_1970(self.session_start.as_deref()?)
    }

    /// Always five digits and capitals; "internal error" for what is none.
    pub(super) fn code(&self) -> &str {
        let code = self.state_code.as_deref().unwrap_or_default();
        let well_formed =
            code.len() == 5 && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
        if well_formed { code } else { "XX000" }
    }

    /// `Process holding the lock: 25494. Wait queue: .`, or the first of several.
    pub(super) fn held_by(&self) -> Option<u32> {
        let detail = self.detail.as_deref()?;
        let rest = ["Process holding the lock: ", "Processes holding the lock: "]
            .iter()
            .find_map(|words| detail.strip_prefix(words))?;
        leading_number(rest)
    }

    /// Of a deadlock: the process in this one's way, and its transaction if that was waited for.
    /// `Process 7 waits for ShareLock on transaction 837; blocked by process 8.` is the line of process 7.
    pub(super) fn blocked_by(&self) -> Option<(Option<u64>, u32)> {
        let own = format!("Process {} waits for ", self.pid);
        let line = self.detail.as_deref()?.lines().find_map(|line| line.strip_prefix(&own))?;
        let (what, by) = line.split_once("; blocked by process ")?;
        let transaction = what.split_once(" on transaction ").and_then(|(_, id)| leading_number(id));
        Some((transaction, leading_number(by)?))
    }
}

impl Client {
    /// W3C's version 00 and nothing else: 55 bytes, lower-case digits, no id that is zero.
    fn of(name: &str) -> Self {
        let parts: Vec<&str> = name.split('-').collect();
        let hex = |part: &str, length| {
            part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let id = |part: &str, length| hex(part, length) && part.bytes().any(|b| b != b'0');
        match parts[..] {
            ["00", trace, span, flags] if id(trace, 32) && id(span, 16) && hex(flags, 2) => {
                let sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
                if sampled { Self::Traced(name.to_owned()) } else { Self::Unsampled }
            }
            _ => Self::Other,
        }
    }
}

fn leading_number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// `2026-01-01 12:00:44.059 UTC`. Other zones have an abbreviation that means several things, or a number (`+03`).
fn since_1970(text: &str) -> Option<Duration> {
    let (time, zone) = text.rsplit_once(' ')?;
    let zone = if matches!(zone, "UTC" | "GMT" | "Z") { "+00" } else { zone };
    let at = DateTime::parse_from_str(&format!("{time} {zone}"), "%Y-%m-%d %H:%M:%S%.f %#z").ok()?;
    at.timestamp_millis().try_into().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_log() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(since_1970(text).map(|at| at.as_millis() as u64), expect, "{text}");
        };
        check("1970-01-01 00:00:00 UTC", Some(0));
        check("2026-01-01 12:00:44.059 UTC", Some(1_767_268_844_059));
        check("2000-02-29 23:59:59.999 GMT", Some(951_868_799_999));
        check("2024-03-01 00:00:00 +01", Some(1_709_247_600_000));
        check("2026-01-01 12:00:44.059 -0330", Some(1_767_281_444_059));
        check("2026-01-01 12:00:44.059 CET", None);
        check("2026-01-01 12:00:44.059 +05:30", Some(1_767_249_044_059));
        check("2026-13-01 12:00:44.059 UTC", None);
        check("2026-02-29 12:00:44.059 UTC", None);
        check("1969-12-31 23:59:59.000 UTC", None);
        check("99999999999999-12-31 23:59:59.000 UTC", None);
        check("", None);
    }

    #[test]
    fn only_a_traceparent_is_one() {
        let check = |name: &str, expect: &str| {
            let got = match Client::of(name) {
                Client::Traced(_) => "traced",
                Client::Unsampled => "unsampled",
                Client::Other => "other",
            };
            assert_eq!(got, expect, "{name}");
        };
        check("00-47731212d4b228816e669f02a9758686-0000000013500abc-01", "traced");
        check("00-47731212d4b228816e669f02a9758686-0000000013500abc-03", "traced");
        check("00-47731212d4b228816e669f02a9758686-0000000013500abc-00", "unsampled");
        check("00-47731212d4b228816e669f02a9758686-0000000013500abc-01-x", "other");
        check("01-47731212d4b228816e669f02a9758686-0000000013500abc-01", "other");
        check("00-47731212D4b228816e669f02a9758686-0000000013500abc-01", "other");
        check("00-00000000000000000000000000000000-0000000013500abc-01", "other");
        check("psql", "other");
        check("", "other");
    }
}
