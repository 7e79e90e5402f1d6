//! A server's own log (`log_destination = jsonlog`, Postgres 15 and later) as spans: what no client hears of.
//!
//! Lines go in, spans come out; files and clocks are the caller's. A session whose `application_name` is a traceparent
//! gets its errors and waits into that trace; every other client's statement, and what the server does by itself, is a
//! trace of its own.

mod error;
mod foreign;
mod housework;
mod record;
mod session;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::{self, Error, Lock, Message};
use crate::span::{PlanSpan, Value};
use crate::{keys, text};
use record::{Client, Record};
use session::{Sessions, Wait};

pub use error::without_values;

/// Statements that are held back until nothing more can be said of them, in bytes of their lines. When there are more
/// all of them are told as they are.
const MAX_HELD: usize = 4 << 20;
/// A line's time is cut to milliseconds: on average it happened half a one later.
const HALF: Duration = Duration::from_micros(500);

/// What has been read so far. Serialised, it is what a reader needs to go on where another one stopped.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Log {
    sessions: Sessions,
    /// At least what is held.
    #[serde(skip)]
    held: usize,
    #[serde(skip)]
    counts: Counts,
}

/// `lines = told + in_band + unsampled + ignored + repeated + unreadable`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub lines: u64,
    /// Gave a span, or a part of one.
    pub told: u64,
    /// Durations and plans of a session that has them sent to itself.
    pub in_band: u64,
    /// Of a session whose trace is not kept.
    pub unsampled: u64,
    /// Of no interest.
    pub ignored: u64,
    /// Read before.
    pub repeated: u64,
    /// No line of jsonlog, or with a time in a zone that has no number, or a plan that is no JSON.
    pub unreadable: u64,
    /// Lines that a session wrote, by its own numbers, and that were never read.
    pub missing: u64,
    pub spans: u64,
    /// Sessions forgotten, since there were too many: their next line may follow a gap.
    pub forgotten: u64,
}

/// One thing that the log tells, and what is below it.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSpan {
    /// The client's traceparent, sampled; none begins a trace.
    pub parent: Option<String>,
    /// Free of values: `deadlock detected`, `autovacuum public.posts`.
    pub name: String,
    /// Work for a client (kind SERVER), as opposed to a part of it or to the server's own (INTERNAL).
    pub server: bool,
    /// Since 1970, as is `end`; never after it.
    pub start: Duration,
    pub end: Duration,
    /// Why it failed, without values.
    pub error: Option<String>,
    /// The traceparent of the transaction that held the lock.
    pub holder: Option<String>,
    pub attributes: Vec<(&'static str, Value)>,
    /// A plan's nodes and phases, their times counted from `start`.
    pub below: Vec<PlanSpan>,
}

/// What became of a line.
enum Fate {
    Told,
    InBand,
    Unsampled,
    Ignored,
    Repeated,
    Unreadable,
}

impl Log {
    /// Takes one line of the log, without its end.
    pub fn line(&mut self, line: &str, out: &mut Vec<LogSpan>) {
        let before = out.len();
        self.counts.lines += 1;
        let fate = match Record::parse(line) {
            Some(record) if !self.sessions.hear(&record, &mut self.counts, out) => Fate::Repeated,
            Some(record) => self.read(&record, line.len(), out),
            None => Fate::Unreadable,
        };
        *match fate {
            Fate::Told => &mut self.counts.told,
            Fate::InBand => &mut self.counts.in_band,
            Fate::Unsampled => &mut self.counts.unsampled,
            Fate::Ignored => &mut self.counts.ignored,
            Fate::Repeated => &mut self.counts.repeated,
            Fate::Unreadable => &mut self.counts.unreadable,
        } += 1;
        if self.held > MAX_HELD {
            self.held = self.sessions.held();
            if self.held > MAX_HELD / 2 {
                self.sessions.flush(out);
                self.held = 0;
            }
        }
        self.counts.spans += (out.len() - before) as u64;
    }

    /// Counts a line that was too long to be kept.
    pub fn too_long(&mut self) {
        self.counts.lines += 1;
        self.counts.unreadable += 1;
    }

    /// Tells what was held back: durations and plan of a statement are lines of their own. Call it when the log has
    /// been silent for a moment, and at the end.
    pub fn flush(&mut self, out: &mut Vec<LogSpan>) {
        let before = out.len();
        self.sessions.flush(out);
        self.held = 0;
        self.counts.spans += (out.len() - before) as u64;
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn read(&mut self, record: &Record, bytes: usize, out: &mut Vec<LogSpan>) -> Fate {
        let interesting = match record.error_severity.as_str() {
            "ERROR" | "FATAL" | "PANIC" => true,
            "LOG" => ["duration: ", "process "].iter().any(|word| record.message.starts_with(word)),
            _ => false,
        };
        match &record.client {
            Client::Unsampled if interesting => return Fate::Unsampled,
            // Idle, it says nothing of a statement: a wrong password, a port scan, a server that stops.
            Client::Other if record.error_severity != "LOG" && record.statement.is_none() => {
                return Fate::Ignored;
            }
            _ if !interesting => return own_work(record, out),
            _ => {}
        }
        if record.error_severity != "LOG" {
            self.error(record, out);
            return Fate::Told;
        }
        match message::parse(&record.message) {
            Ok(Message::Lock(lock)) => {
                self.lock(record, lock, out);
                Fate::Told
            }
            Ok(_) if matches!(record.client, Client::Traced(_)) => Fate::InBand,
            Ok(message) => {
                self.held += bytes;
                if self.sessions.of(record).statement(record, message, bytes, out) {
                    Fate::Told
                } else {
                    Fate::Ignored
                }
            }
            Err(Error::Unknown) => Fate::Ignored,
            Err(Error::TooLong(_) | Error::Plan) => Fate::Unreadable,
        }
    }

    /// An error has a moment and no length: the statement's beginning is not in the log.
    fn error(&mut self, record: &Record, out: &mut Vec<LogSpan>) {
        let session = self.sessions.of(record);
        session.tell_held(out);
        let waited = session.waiting.take();
        if let Some(wait) = waited {
            out.push(wait.failed(record));
        }
        let code = record.code();
        let mut span = record.span(error::name(code, &record.message));
        span.server = true;
        span.error = Some(without_values(&record.message, code));
        span.attributes.push((keys::DB_RESPONSE_STATUS_CODE, code.into()));
        span.attributes.push((keys::ERROR_TYPE, code.into()));
        if let Some((transaction, pid)) = record.blocked_by() {
            span.attributes.push((keys::LOCK_HOLDER_PID, Value::Int(pid.into())));
            span.holder = self.sessions.holder(pid, transaction, record.at);
        }
        out.push(span);
    }

    /// "still waiting" comes after `deadlock_timeout` and names the holder; how the wait ended comes in a line of its own.
    fn lock(&mut self, record: &Record, lock: Lock, out: &mut Vec<LogSpan>) {
        let holder =
            record.held_by().map(|pid| (pid, self.sessions.holder(pid, lock.transaction, record.at)));
        let session = self.sessions.of(record);
        let mut wait = Wait::new(record, lock);
        // Asked again at each line: the first answer is nearest to the wait's beginning.
        if let Some(before) = session.waiting.take().filter(|before| before.is_of(&wait)) {
            wait.holder = before.holder;
        }
        if let (None, Some(found)) = (&wait.holder, holder) {
            wait.holder = Some(found);
        }
        if wait.goes_on() {
            session.waiting = Some(wait);
        } else {
            out.push(wait.ended(record));
        }
    }
}

fn own_work(record: &Record, out: &mut Vec<LogSpan>) -> Fate {
    match housework::read(record) {
        // A client may raise whatever message it likes; the server's own processes have no user.
        Some(span) if record.error_severity == "LOG" && record.user.is_none() => {
            out.push(span);
            Fate::Told
        }
        _ => Fate::Ignored,
    }
}

impl Record {
    /// A span of no length, with what every line knows.
    fn span(&self, name: String) -> LogSpan {
        let parent = match &self.client {
            Client::Traced(traceparent) => Some(traceparent.clone()),
            Client::Unsampled | Client::Other => None,
        };
        let mut attributes = Vec::new();
        let mut name_of = |key, value: &Option<String>| {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                attributes.push((key, Value::Text(text::name(value))));
            }
        };
        name_of(keys::DB_NAMESPACE, &self.dbname);
        if parent.is_none() {
            name_of(keys::APPLICATION_NAME, &self.application_name);
            name_of(keys::ROLE, &self.user);
            if self.remote_host.as_deref() != Some("[local]") {
                name_of(keys::NETWORK_PEER_ADDRESS, &self.remote_host);
            }
            if let Some(port) = self.remote_port {
                attributes.push((keys::NETWORK_PEER_PORT, Value::Int(port.into())));
            }
        }
        attributes.push((keys::PID, Value::Int(self.pid.into())));
        if let Some(statement) = &self.statement {
            attributes.push((keys::DB_QUERY_TEXT, Value::Text(text::strip(statement))));
        }
        if let Some(id) = self.query_id.filter(|id| *id != 0) {
            attributes.push((keys::QUERY_ID, Value::Text(id.to_string())));
        }
        let at = self.at + HALF;
        LogSpan {
            parent,
            name,
            server: false,
            start: at,
            end: at,
            error: None,
            holder: None,
            attributes,
            below: Vec::new(),
        }
    }
}

impl LogSpan {
    pub fn length(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// Makes it as long as `took`, by an earlier beginning.
    fn lasted(mut self, took: Duration) -> Self {
        self.start = self.end.saturating_sub(took);
        self
    }
}

/// Milliseconds of a message; eleven days are more than any of them.
fn duration(millis: f64) -> Duration {
    Duration::from_nanos(crate::arena::nanos(millis))
}
