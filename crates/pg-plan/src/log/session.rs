//! What is remembered of each session, and of how many.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::foreign::{Half, Held};
use super::record::{Client, Record};
use super::{Counts, LogSpan, duration};
use crate::message::Lock;
use crate::span::Value;
use crate::{keys, text};

/// Sessions remembered; of more, the one that has been silent for longest is forgotten.
const MAX_SESSIONS: usize = 1024;
/// Who holds a lock on something else than a transaction may have gone on to other work since it was heard: it is named
/// only if that was so lately.
const HEARD_LATELY: Duration = Duration::from_secs(10);

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Sessions {
    by_id: HashMap<String, Session>,
    /// Counts lines, to know who was silent for longest.
    turn: u64,
    /// The time of the first line: a session that began later is heard from its first line on.
    began: Option<Duration>,
    forgot: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Session {
    line: u64,
    turn: u64,
    pid: u32,
    /// When it was heard last, in which trace and in which transaction.
    at: Duration,
    traceparent: Option<String>,
    transaction: u64,
    pub(super) waiting: Option<Wait>,
    #[serde(skip)]
    pub(super) held: Option<Box<Held>>,
    /// Of the statement that was told last: its duration or its plan may still come.
    #[serde(skip)]
    pub(super) half: Option<Half>,
}

/// A wait for a lock, as far as it is known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Wait {
    mode: String,
    object: String,
    transaction: Option<u64>,
    outcome: String,
    waited: f64,
    at: Duration,
    /// The holder's process, and its traceparent if it is known.
    pub(super) holder: Option<(u32, Option<String>)>,
}

impl Sessions {
    /// False for a line that was read before.
    pub(super) fn hear(&mut self, record: &Record, counts: &mut Counts, out: &mut Vec<LogSpan>) -> bool {
        self.turn += 1;
        let began = *self.began.get_or_insert(record.at);
        if !self.by_id.contains_key(&record.session_id) {
            self.make_room(counts, out);
            // One that was forgotten looks like a new one.
            let heard_from_the_start =
                !self.forgot && record.session_start().is_some_and(|start| start > began);
            let line = if heard_from_the_start { 0 } else { record.line_num.saturating_sub(1) };
            self.by_id.insert(record.session_id.clone(), Session { line, ..Session::default() });
        }
        let turn = self.turn;
        let session = self.of(record);
        if record.line_num <= session.line {
            return false;
        }
        counts.missing += record.line_num - session.line - 1;
        session.line = record.line_num;
        session.pid = record.pid;
        session.at = record.at;
        session.transaction = record.txid;
        session.traceparent = match &record.client {
            Client::Traced(traceparent) => Some(traceparent.clone()),
            Client::Unsampled | Client::Other => None,
        };
        session.turn = turn;
        true
    }

    /// After [`Sessions::hear`], which made it.
    pub(super) fn of(&mut self, record: &Record) -> &mut Session {
        self.by_id.entry(record.session_id.clone()).or_default()
    }

    fn make_room(&mut self, counts: &mut Counts, out: &mut Vec<LogSpan>) {
        if self.by_id.len() < MAX_SESSIONS {
            return;
        }
        let silent = self.by_id.iter().min_by_key(|(_, session)| session.turn).map(|(id, _)| id.clone());
        if let Some(mut session) = silent.and_then(|id| self.by_id.remove(&id)) {
            session.tell_held(out);
            self.forgot = true;
            counts.forgotten += 1;
        }
    }

    /// The trace of the process that holds a lock, if it said anything in it. Of a lock on a transaction that must have
    /// been in this very transaction.
    pub(super) fn holder(&self, pid: u32, transaction: Option<u64>, at: Duration) -> Option<String> {
        let session = self.by_id.values().filter(|session| session.pid == pid).max_by_key(|s| s.turn)?;
        let same = match transaction {
            Some(transaction) => session.transaction == transaction,
            None => at.saturating_sub(session.at) <= HEARD_LATELY,
        };
        session.traceparent.clone().filter(|_| same)
    }

    /// Bytes of lines that are held back.
    pub(super) fn held(&self) -> usize {
        self.by_id.values().filter_map(|session| session.held.as_ref()).map(|held| held.bytes).sum()
    }

    pub(super) fn flush(&mut self, out: &mut Vec<LogSpan>) {
        let mut holding: Vec<&mut Session> = self.by_id.values_mut().filter(|s| s.held.is_some()).collect();
        holding.sort_by_key(|session| session.turn);
        for session in holding {
            session.tell_held(out);
        }
    }
}

impl Wait {
    pub(super) fn new(record: &Record, lock: Lock) -> Self {
        let Lock { mode, object, transaction, outcome, waited } = lock;
        Self { mode, object, transaction, outcome: outcome.to_owned(), waited, at: record.at, holder: None }
    }

    pub(super) fn is_of(&self, other: &Self) -> bool {
        (&self.mode, &self.object, self.transaction) == (&other.mode, &other.object, other.transaction)
    }

    pub(super) fn goes_on(&self) -> bool {
        self.outcome == "waiting"
    }

    /// Told by the line that ended it.
    pub(super) fn ended(self, record: &Record) -> LogSpan {
        let mut span = record.span(format!("wait for {} on {}", self.mode, text::name(&self.object)));
        span.attributes.push((keys::LOCK_MODE, Value::Text(self.mode)));
        span.attributes.push((keys::LOCK_OBJECT, Value::Text(self.object)));
        span.attributes.push((keys::LOCK_OUTCOME, Value::Text(self.outcome)));
        if let Some(id) = self.transaction {
            span.attributes.push((keys::LOCK_TRANSACTION, Value::Text(id.to_string())));
        }
        if let Some((pid, traceparent)) = self.holder {
            span.attributes.push((keys::LOCK_HOLDER_PID, Value::Int(pid.into())));
            span.holder = traceparent;
        }
        span.lasted(duration(self.waited))
    }

    /// Ended by an error of the session: a timeout, a client that cancelled.
    pub(super) fn failed(mut self, record: &Record) -> LogSpan {
        self.waited += record.at.saturating_sub(self.at).as_secs_f64() * 1e3;
        "failed".clone_into(&mut self.outcome);
        self.ended(record)
    }
}

impl Session {
    pub(super) fn tell_held(&mut self, out: &mut Vec<LogSpan>) {
        if let Some(held) = self.held.take() {
            self.half = held.half();
            out.push(held.span());
        }
    }
}
