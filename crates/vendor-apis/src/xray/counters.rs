//! What became of every document, in counters that add up: `received = stored + duplicates + dropped`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use ::xray::datagram::Refused;
use ::xray::limits::cut;
use ::xray::segment::{Code, Rejected};
use serde::Serialize;
use serde_json::{Value, json};

use super::store::Outcome;

/// The last rejections, for whoever wonders where a segment went.
const RECENT: usize = 20;
/// Characters of a stranger's id that are shown.
const SHOWN_CHARS: usize = 64;

const CODES: [Code; 8] = [
    Code::ParseError,
    Code::MissingId,
    Code::InvalidId,
    Code::InvalidTraceId,
    Code::MissingParentId,
    Code::InvalidName,
    Code::MissingEndTime,
    Code::InvalidSegment,
];

/// Documents since the process started, where nothing else is said.
#[derive(Debug, Default)]
pub struct Counters {
    received_udp: AtomicU64,
    received_api: AtomicU64,
    stored: AtomicU64,
    duplicates: AtomicU64,
    missing_header: AtomicU64,
    invalid_header: AtomicU64,
    buffer_full: AtomicU64,
    unavailable: AtomicU64,
    trace_too_large: AtomicU64,
    /// Of the daemon; 0 without one.
    port: AtomicU16,
    /// By the code of `UnprocessedTraceSegments`.
    rejected: Mutex<Rejections>,
    pub forward: ForwardCounters,
}

/// What was translated and sent on.
#[derive(Debug, Default)]
pub struct ForwardCounters {
    pub spans: AtomicU64,
    pub sent: AtomicU64,
    pub failed: AtomicU64,
    /// Spans that found the queue full.
    pub dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Rejections {
    by_code: BTreeMap<String, u64>,
    recent: VecDeque<Rejection>,
}

/// One document that was not taken.
#[derive(Clone, Debug, Serialize)]
struct Rejection {
    time_unix_nano: i64,
    id: Option<String>,
    reason: String,
    message: String,
}

/// How a document came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Udp,
    Api,
}

/// Received, stored, duplicates, dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub received: u64,
    pub stored: u64,
    pub duplicates: u64,
    pub dropped: u64,
}

impl Counters {
    pub(crate) fn daemon_is_at(&self, port: u16) {
        self.port.store(port, Relaxed);
    }

    pub(crate) fn received(&self, via: Via) {
        let counter = match via {
            Via::Udp => &self.received_udp,
            Via::Api => &self.received_api,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused(&self, refusal: Refused, text: &[u8]) {
        let (counter, reason) = match refusal {
            Refused::MissingHeaderOrSegment => (&self.missing_header, "missing_header"),
            Refused::InvalidHeader => (&self.invalid_header, "invalid_header"),
        };
        counter.fetch_add(1, Relaxed);
        let text = String::from_utf8_lossy(&text[..text.len().min(4 * SHOWN_CHARS)]);
        let message = format!("{refusal}: {}", cut(&text, SHOWN_CHARS));
        tracing::warn!("{message}");
        self.remember(None, reason.to_owned(), message);
    }

    pub(crate) fn rejected(&self, rejected: &Rejected) {
        let code = code_name(rejected.code);
        *self.lock().by_code.entry(code.clone()).or_default() += 1;
        let id = rejected.id.as_deref().map(|id| cut(id, SHOWN_CHARS).to_owned());
        tracing::warn!(id, "{rejected}");
        self.remember(id, code, rejected.to_string());
    }

    pub(crate) fn buffer_full(&self) {
        self.buffer_full.fetch_add(1, Relaxed);
    }

    pub(crate) fn unavailable(&self, documents: usize) {
        self.unavailable.fetch_add(documents as u64, Relaxed);
    }

    pub(crate) fn put(&self, outcome: Outcome) {
        self.stored.fetch_add(outcome.stored, Relaxed);
        self.duplicates.fetch_add(outcome.duplicates, Relaxed);
        self.trace_too_large.fetch_add(outcome.trace_too_large, Relaxed);
    }

    pub fn totals(&self) -> Totals {
        let rejected: u64 = self.lock().by_code.values().sum();
        let others = [
            &self.missing_header,
            &self.invalid_header,
            &self.buffer_full,
            &self.unavailable,
            &self.trace_too_large,
        ];
        Totals {
            received: self.received_udp.load(Relaxed) + self.received_api.load(Relaxed),
            stored: self.stored.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            dropped: rejected + others.iter().map(|counter| counter.load(Relaxed)).sum::<u64>(),
        }
    }

    /// For the statistics: how documents came, why some were dropped, what was sent on.
    pub fn to_json(&self) -> Value {
        let rejections = self.lock();
        let mut refused = json!({
            "missing_header": self.missing_header.load(Relaxed),
            "invalid_header": self.invalid_header.load(Relaxed),
            "buffer_full": self.buffer_full.load(Relaxed),
            "store_unavailable": self.unavailable.load(Relaxed),
            "trace_too_large": self.trace_too_large.load(Relaxed),
        });
        for code in CODES {
            let name = code_name(code);
            refused[&name] = json!(rejections.by_code.get(&name).copied().unwrap_or_default());
        }
        json!({
            "received": { "udp": self.received_udp.load(Relaxed), "api": self.received_api.load(Relaxed) },
            "refused": refused,
            "lost_in_system": lost_in_system(self.port.load(Relaxed)),
            "recently_refused": rejections.recent,
            "forward": {
                "spans": self.forward.spans.load(Relaxed),
                "sent": self.forward.sent.load(Relaxed),
                "failed": self.forward.failed.load(Relaxed),
                "dropped": self.forward.dropped.load(Relaxed),
            },
        })
    }

    fn remember(&self, id: Option<String>, reason: String, message: String) {
        let mut rejections = self.lock();
        if rejections.recent.len() == RECENT {
            rejections.recent.pop_front();
        }
        rejections.recent.push_back(Rejection {
            time_unix_nano: super::now().as_nanos() as i64,
            id,
            reason,
            message,
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rejections> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Datagrams that found the system's buffer full, which nobody ever received; `None` where the system does not tell.
fn lost_in_system(port: u16) -> Option<u64> {
    let tables = ["/proc/net/udp", "/proc/net/udp6"].map(|table| std::fs::read_to_string(table).ok());
    let lines = tables.iter().flatten().flat_map(|table| table.lines());
    lines.filter_map(|line| drops(line, port)).reduce(|a, b| a + b)
}

/// A line of /proc/net/udp: `sl local_address:PORT ... drops`, the port in hexadecimal.
fn drops(line: &str, port: u16) -> Option<u64> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?.rsplit_once(':')?.1;
    (u16::from_str_radix(local, 16) == Ok(port)).then(|| fields.next_back()?.parse().ok()).flatten()
}

/// The wire's spelling of a code.
pub(crate) fn code_name(code: Code) -> String {
    format!("{code:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_of_a_socket() {
        let line = " 1234: 0100007F:07D0 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 42";
        assert_eq!(drops(line, 2000), Some(42));
        assert_eq!(drops(line, 2001), None);
        assert_eq!(drops("   sl  local_address rem_address   st tx_queue rx_queue drops", 2000), None);
        assert_eq!(drops("", 2000), None);
    }
}
