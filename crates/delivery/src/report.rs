//! What became of everything that was offered.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// The counters of one destination, in items (spans, log records). At any time
/// `offered = delivered + refused + dropped + queued`, and what a spool kept for the next process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub destination: String,
    pub offered: u64,
    pub delivered: u64,
    /// The receiver's final word.
    pub refused: BTreeMap<Reason, u64>,
    /// Given up by this process.
    pub dropped: BTreeMap<Reason, u64>,
    /// Waiting or in flight.
    pub queued: u64,
    pub queued_bytes: u64,
    /// Items of requests that had to be sent again. Not part of the sum.
    pub retried: u64,
    /// Requests in a row that failed; 0 while the receiver is well.
    pub failures: u32,
    /// The last answer that was not a plain success.
    pub last_problem: Option<String>,
    /// Of a queue that keeps what waits on disk too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spool: Option<SpoolReport>,
}

/// What is on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpoolReport {
    /// Items that an earlier process left behind. They are part of `offered`.
    pub replayed: u64,
    /// Items that this process leaves to the next one. They are part of the sum, once the queue is shut down.
    pub kept: u64,
    pub bytes: u64,
    pub max_bytes: u64,
    /// What could not be read at the start, and how many items it was is not known: a record that a killed process was writing.
    pub damaged_bytes: u64,
    /// Why payloads are in memory only.
    pub problem: Option<String>,
}

/// Why an item did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    // Refused, by the receiver:
    /// 200 with a partial success: these items, not their neighbours.
    PartialSuccess,
    /// 400
    BadRequest,
    /// 401, 403
    Unauthorized,
    /// 404, 405
    WrongAddress,
    /// 413
    TooLarge,
    /// Any other final status.
    OtherStatus,
    // Dropped, by us:
    /// The bound was reached; the newest goes, so that what was accepted stays.
    QueueFull,
    /// It never became a payload.
    NotEncoded,
    /// Still waiting when the deadline of the shutdown passed.
    ShutdownDeadline,
    /// In flight at that moment: it may have arrived.
    AnswerUnknown,
    /// Offered after the shutdown.
    ShutDown,
    /// It was on disk and could not be read again.
    SpoolDamaged,
}

/// What a flush found. `Default` is the flush of a queue that had nothing to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Flushed {
    pub destination: String,
    /// Offered before the call and neither delivered nor given up at the deadline.
    pub pending: u64,
    /// Lost since the last flush told of losses: refused plus dropped, by reason.
    pub lost: BTreeMap<Reason, u64>,
}

impl Report {
    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Whether the sum is exact. It always is; tests say so.
    pub fn is_balanced(&self) -> bool {
        let kept = self.spool.as_ref().map_or(0, |spool| spool.kept);
        self.offered == self.delivered + self.refused_total() + self.dropped_total() + self.queued + kept
    }
}

impl Flushed {
    /// Everything that was offered since the last flush, and before this one, has been delivered.
    pub fn is_complete(&self) -> bool {
        self.pending == 0 && self.lost.is_empty()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PartialSuccess => "partial_success",
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::WrongAddress => "wrong_address",
            Self::TooLarge => "too_large",
            Self::OtherStatus => "other_status",
            Self::QueueFull => "queue_full",
            Self::NotEncoded => "not_encoded",
            Self::ShutdownDeadline => "shutdown_deadline",
            Self::AnswerUnknown => "answer_unknown",
            Self::ShutDown => "shut_down",
            Self::SpoolDamaged => "spool_damaged",
        })
    }
}
