//! The rules of the queue without threads, sockets or clock.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::report::{Flushed, Reason, Report, SpoolReport};
use crate::spool::Spool;

/// What one destination may hold, in flight included, so that putting back always succeeds. An offer beyond it is dropped
/// and counted as `queue_full`. Destinations that wait for the same payload share its bytes.
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;
/// 64 MiB at about 330 bytes, the size of a small span in protobuf.
const MAX_QUEUED_ITEMS: u64 = 200_000;
/// Waiting payloads are put together up to this size. X-Ray's OTLP endpoint takes 5 MB and 10,000 spans before compression,
/// Honeycomb and the Collector 20 MiB: with one MiB a request is small to all of them, and at 50 ms round trip four in flight carry 80 MiB/s.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;
const MAX_REQUEST_ITEMS: u64 = 8192;
/// The wait after the first failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
/// So a receiver that comes back is found within five seconds.
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// While somebody waits in `flush`, the wait is short: the deadline is near, and a restarted receiver may be back already.
const FLUSH_BACKOFF: Duration = Duration::from_millis(200);
/// A longer `Retry-After` is cut to this: a mistaken one must not silence a process for a day.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// Bytes as the receiver wants them, and how many items they hold.
#[derive(Clone, Debug)]
pub struct Payload {
    pub body: Bytes,
    pub items: u64,
}

/// What the receiver said to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Accepted, but for `rejected` items (OTLP's partial success).
    Delivered { rejected: u64, message: Option<String> },
    /// Not now. `after` is the receiver's own wish.
    Retry { after: Option<Duration>, problem: String },
    /// Never: sending the same again would be refused again.
    Refused { reason: Reason, problem: String },
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub bytes: usize,
    pub items: u64,
    /// How many requests may be in flight at once. Order is kept only with one.
    pub in_flight: usize,
    /// Whether bodies may be put together by joining their bytes, as protobuf messages with repeated fields may.
    pub joinable: bool,
}

/// What a sender should do now.
#[derive(Debug)]
pub enum Next {
    Send(Attempt),
    /// Nothing before this moment, unless something is offered or settled.
    WaitUntil(Instant),
    /// Nothing until something is offered or settled.
    Idle,
    /// The queue is shut down.
    Stop,
}

/// One request in flight; goes back with its answer to [`Outbox::settle`].
#[derive(Debug)]
pub struct Attempt {
    entries: Vec<Entry>,
    /// Which outage it started in, so that one outage seen by four requests counts once.
    epoch: u64,
}

/// The state of one destination. `now` is passed in, so a simulation runs as fast as it can count.
#[derive(Debug)]
pub struct Outbox {
    limits: Limits,
    report: Report,
    /// By number in the order of offers: a payload that is put back stands where it stood.
    waiting: BTreeMap<u64, Entry>,
    /// The same for what is in flight.
    in_flight: BTreeMap<u64, InFlight>,
    requests: usize,
    /// In memory; what is only on disk is bounded there.
    bytes: usize,
    items: u64,
    spool: Option<Spool>,
    next_number: u64,
    epoch: u64,
    /// Our own wait after failures; a flush shortens it, a success ends it.
    backoff_until: Option<Instant>,
    /// The receiver's wish, which neither does.
    asked_until: Option<Instant>,
    flushing: usize,
    /// Losses that a flush has told of.
    told: BTreeMap<Reason, u64>,
    stopped: bool,
    notices: Vec<Notice>,
    jitter: StdRng,
}

/// A change that people should hear of, once. The caller logs it after it has let go of the outbox: a sink for logs
/// would otherwise offer its own line to the queue that it is holding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    Failing {
        problem: String,
    },
    Back {
        queued: u64,
    },
    Refused {
        reason: Reason,
        items: u64,
        problem: String,
    },
    Dropped {
        reason: Reason,
        queued: u64,
    },
    /// Payloads are not kept on disk.
    Unspooled {
        problem: String,
    },
}

#[derive(Debug)]
struct Entry {
    number: u64,
    /// Without its bytes while they are on disk only.
    payload: Payload,
    size: usize,
    /// In the spool.
    key: Option<u64>,
    in_memory: bool,
    /// Its request was refused as a whole: it goes by itself, so that only the guilty one is lost.
    alone: bool,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    items: u64,
    spooled: bool,
}

impl Payload {
    pub fn new(body: impl Into<Bytes>, items: u64) -> Self {
        Self { body: body.into(), items }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: MAX_QUEUED_BYTES, items: MAX_QUEUED_ITEMS, in_flight: 4, joinable: false }
    }
}

impl Attempt {
    pub fn payloads(&self) -> impl ExactSizeIterator<Item = &Payload> {
        self.entries.iter().map(|e| &e.payload)
    }

    pub fn items(&self) -> u64 {
        self.entries.iter().map(|e| e.payload.items).sum()
    }

    pub fn bytes(&self) -> usize {
        self.entries.iter().map(|e| e.payload.body.len()).sum()
    }
}

impl Outbox {
    /// `seed` decides the jitter, so that a run can be repeated.
    pub fn new(destination: impl Into<String>, limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            report: Report { destination: destination.into(), ..Report::default() },
            waiting: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            requests: 0,
            bytes: 0,
            items: 0,
            spool: None,
            next_number: 0,
            epoch: 0,
            backoff_until: None,
            asked_until: None,
            flushing: 0,
            told: BTreeMap::new(),
            stopped: false,
            notices: Vec::new(),
            jitter: StdRng::seed_from_u64(seed),
        }
    }

    /// The same with what an earlier process left on disk, and with room there for what comes. Without a spool that works
    /// the queue is one in memory, and says so.
    #[must_use]
    pub fn with_spool(mut self, spool: io::Result<Spool>) -> Self {
        let mut told = SpoolReport::default();
        match spool {
            Err(error) => {
                told.problem = Some(error.to_string());
                self.notices.push(Notice::Unspooled { problem: error.to_string() });
            }
            Ok(spool) => {
                told.max_bytes = spool.max_bytes();
                told.damaged_bytes = spool.damage().bytes;
                for stored in spool.stored() {
                    told.replayed += stored.items;
                    let payload = Payload::new(Bytes::new(), stored.items);
                    self.enqueue(payload, stored.bytes, Some(stored.key), false);
                }
                self.lose(spool.damage().items, Reason::SpoolDamaged);
                self.spool = Some(spool);
            }
        }
        self.report.spool = Some(told);
        self
    }

    /// Takes the payload or says why not; either way its items are counted.
    pub fn offer(&mut self, payload: Payload) -> Result<(), Reason> {
        if self.stopped {
            self.lose(payload.items, Reason::ShutDown);
            return Err(Reason::ShutDown);
        }
        let size = payload.body.len();
        let room = self.bytes + size <= self.limits.bytes && self.items + payload.items <= self.limits.items;
        let key = self.keep(&payload);
        if !room && key.is_none() {
            self.lose(payload.items, Reason::QueueFull);
            return Err(Reason::QueueFull);
        }
        // Beyond the bound of memory it is read again when its turn comes.
        let payload = if room { payload } else { Payload::new(Bytes::new(), payload.items) };
        self.enqueue(payload, size, key, room);
        Ok(())
    }

    /// Counts items that were lost before they became a payload.
    pub fn lose(&mut self, items: u64, reason: Reason) {
        if items > 0 && !self.report.dropped.contains_key(&reason) {
            self.notices.push(Notice::Dropped { reason, queued: self.report.queued });
        }
        self.report.offered += items;
        add(&mut self.report.dropped, reason, items);
    }

    pub fn next(&mut self, now: Instant) -> Next {
        if self.stopped {
            return Next::Stop;
        }
        if self.waiting.is_empty() || self.requests >= self.limits.in_flight {
            return Next::Idle;
        }
        let failing = self.report.failures > 0;
        // One request asks whether the receiver is back; the others wait for its answer.
        if failing && self.requests > 0 {
            return Next::Idle;
        }
        if let Some(at) = self.backoff_until.max(self.asked_until)
            && now < at
        {
            return Next::WaitUntil(at);
        }
        let entries = self.take(failing);
        if entries.is_empty() {
            return Next::Idle; // what was left could not be read
        }
        self.requests += 1;
        for entry in &entries {
            let in_flight = InFlight { items: entry.payload.items, spooled: entry.key.is_some() };
            self.in_flight.insert(entry.number, in_flight);
        }
        Next::Send(Attempt { entries, epoch: self.epoch })
    }

    pub fn settle(&mut self, attempt: Attempt, answer: Answer, now: Instant) {
        if self.stopped {
            // Counted when the shutdown's deadline passed; the next process need not send it once more.
            if !matches!(answer, Answer::Retry { .. }) {
                attempt.entries.iter().for_each(|entry| self.forget_spooled(entry));
            }
            self.requests -= 1;
            self.leave_spool();
            return;
        }
        self.requests -= 1;
        for entry in &attempt.entries {
            self.in_flight.remove(&entry.number);
        }
        match answer {
            Answer::Delivered { rejected, message } => {
                self.recovered();
                let items = attempt.items();
                let rejected = rejected.min(items);
                self.leave(&attempt);
                self.report.delivered += items - rejected;
                if rejected > 0 {
                    self.refuse(rejected, Reason::PartialSuccess, message.as_deref().unwrap_or(""));
                } else if let Some(message) = message {
                    // OTLP 1.11: nothing rejected but a message is a warning.
                    self.report.last_problem = Some(message);
                }
            }
            Answer::Refused { reason, .. }
                if attempt.entries.len() > 1 && matches!(reason, Reason::BadRequest | Reason::TooLarge) =>
            {
                self.recovered();
                self.put_back(attempt, true);
            }
            Answer::Refused { reason, problem } => {
                self.recovered();
                let items = attempt.items();
                self.leave(&attempt);
                self.refuse(items, reason, &problem);
            }
            Answer::Retry { after, problem } => {
                self.report.retried += attempt.items();
                self.failed(attempt.epoch, after, problem, now);
                self.put_back(attempt, false);
            }
        }
    }

    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    pub fn report(&self) -> Report {
        let mut report = Report { queued_bytes: self.bytes as u64, ..self.report.clone() };
        if let (Some(told), Some(spool)) = (&mut report.spool, &self.spool) {
            told.bytes = spool.bytes();
        }
        report
    }

    /// Starts a flush: what was offered so far is what it waits for.
    pub fn flush_begin(&mut self) -> u64 {
        self.flushing += 1;
        self.backoff_until = None;
        self.next_number
    }

    /// Whether everything offered before `flush_begin` gave `upto` has left the queue, one way or the other.
    pub fn is_settled(&self, upto: u64) -> bool {
        let oldest = self.waiting.keys().next().into_iter().chain(self.in_flight.keys().next()).min();
        oldest.is_none_or(|oldest| *oldest >= upto)
    }

    pub fn flush_end(&mut self, upto: u64) -> Flushed {
        self.flushing -= 1;
        let waiting = self.waiting.range(..upto).map(|(_, e)| e.payload.items);
        let pending = waiting.chain(self.in_flight.range(..upto).map(|(_, it)| it.items)).sum();
        Flushed { destination: self.report.destination.clone(), pending, lost: self.tell_losses() }
    }

    /// Gives up what is left but for what is on disk, counts both, and takes nothing more.
    pub fn stop(&mut self) {
        if self.stopped {
            return;
        }
        self.stopped = true;
        let waiting = std::mem::take(&mut self.waiting);
        let waiting = waiting.values().map(|e| (e.key.is_some(), e.payload.items, Reason::ShutdownDeadline));
        let in_flight = std::mem::take(&mut self.in_flight);
        let in_flight = in_flight.values().map(|it| (it.spooled, it.items, Reason::AnswerUnknown));
        for (spooled, items, reason) in waiting.chain(in_flight) {
            match &mut self.report.spool {
                Some(spool) if spooled => spool.kept += items,
                _ => add(&mut self.report.dropped, reason, items),
            }
        }
        self.report.queued = 0;
        self.bytes = 0;
        self.items = 0;
        self.leave_spool();
    }

    /// The next process may have it once nobody here is left to write to it.
    fn leave_spool(&mut self) {
        if self.requests == 0 {
            self.spool = None;
        }
    }

    fn enqueue(&mut self, payload: Payload, size: usize, key: Option<u64>, in_memory: bool) {
        self.report.offered += payload.items;
        self.report.queued += payload.items;
        if in_memory {
            self.bytes += size;
            self.items += payload.items;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.waiting.insert(number, Entry { number, payload, size, key, in_memory, alone: false });
    }

    /// On disk before anything else happens to it, so that a process that is killed has lost nothing that it took.
    fn keep(&mut self, payload: &Payload) -> Option<u64> {
        let kept = self.spool.as_mut()?.append(&payload.body, payload.items);
        let problem = kept.as_ref().err().map(ToString::to_string);
        self.tell_spool(problem);
        kept.ok().flatten()
    }

    /// Reads what is on disk only. What can't be read is lost.
    fn load(&mut self, entry: &mut Entry) -> bool {
        if entry.in_memory {
            return true;
        }
        let (Some(spool), Some(key)) = (&mut self.spool, entry.key) else { return false };
        match spool.read(key) {
            Ok(body) => {
                entry.payload.body = body;
                true
            }
            Err(error) => {
                let items = entry.payload.items;
                self.forget(entry);
                self.report.queued -= items;
                self.report.offered -= items; // `lose` counts them again
                self.lose(items, Reason::SpoolDamaged);
                self.tell_spool(Some(error.to_string()));
                false
            }
        }
    }

    /// It has left the queue: it takes no more room.
    fn forget(&mut self, entry: &Entry) {
        if entry.in_memory {
            self.bytes -= entry.size;
            self.items -= entry.payload.items;
        }
        self.forget_spooled(entry);
    }

    fn forget_spooled(&mut self, entry: &Entry) {
        if let (Some(spool), Some(key)) = (&mut self.spool, entry.key)
            && let Err(error) = spool.done(key)
        {
            self.tell_spool(Some(error.to_string()));
        }
    }

    /// Once, until it works again.
    fn tell_spool(&mut self, problem: Option<String>) {
        let Some(told) = &mut self.report.spool else { return };
        if let (None, Some(problem)) = (&told.problem, &problem) {
            self.notices.push(Notice::Unspooled { problem: problem.clone() });
        }
        told.problem = problem;
    }

    /// The oldest payload and, while the receiver is well, its successors up to the size of one request.
    fn take(&mut self, failing: bool) -> Vec<Entry> {
        let mut taken = Vec::new();
        let (mut bytes, mut items) = (0, 0);
        while let Some(first) = self.waiting.first_entry() {
            let entry = first.get();
            let fits =
                bytes + entry.size <= MAX_REQUEST_BYTES && items + entry.payload.items <= MAX_REQUEST_ITEMS;
            if !taken.is_empty() && (failing || !self.limits.joinable || entry.alone || !fits) {
                break;
            }
            let mut entry = first.remove();
            if !self.load(&mut entry) {
                continue;
            }
            bytes += entry.size;
            items += entry.payload.items;
            let alone = entry.alone;
            taken.push(entry);
            if alone {
                break;
            }
        }
        taken
    }

    fn put_back(&mut self, attempt: Attempt, alone: bool) {
        for mut entry in attempt.entries {
            entry.alone |= alone;
            if !entry.in_memory {
                entry.payload.body = Bytes::new();
            }
            self.waiting.insert(entry.number, entry);
        }
    }

    fn leave(&mut self, attempt: &Attempt) {
        self.report.queued -= attempt.items();
        for entry in &attempt.entries {
            self.forget(entry);
        }
    }

    fn refuse(&mut self, items: u64, reason: Reason, problem: &str) {
        if !self.report.refused.contains_key(&reason) {
            // Once per reason; the counters tell the rest.
            self.notices.push(Notice::Refused { reason, items, problem: problem.to_owned() });
        }
        add(&mut self.report.refused, reason, items);
        self.report.last_problem = Some(format!("{reason}: {problem}"));
    }

    fn recovered(&mut self) {
        if self.report.failures > 0 {
            self.notices.push(Notice::Back { queued: self.report.queued });
        }
        self.report.failures = 0;
        self.backoff_until = None;
    }

    fn failed(&mut self, epoch: u64, after: Option<Duration>, problem: String, now: Instant) {
        if self.report.failures == 0 {
            self.notices.push(Notice::Failing { problem: problem.clone() });
        }
        self.report.last_problem = Some(problem);
        if epoch == self.epoch {
            self.epoch += 1;
            self.report.failures = self.report.failures.saturating_add(1);
        }
        match after {
            Some(after) => self.asked_until = self.asked_until.max(Some(now + after.min(MAX_RETRY_AFTER))),
            None => self.backoff_until = self.backoff_until.max(Some(now + self.backoff())),
        }
    }

    /// Exponential, with the upper half left to chance, so that the processes of a fleet do not come back in step.
    fn backoff(&mut self) -> Duration {
        let doublings = self.report.failures.saturating_sub(1).min(16);
        let longest = if self.flushing > 0 { FLUSH_BACKOFF } else { MAX_BACKOFF };
        let full = FIRST_BACKOFF.saturating_mul(1 << doublings).min(longest);
        full.mul_f64(self.jitter.random_range(0.5..=1.0))
    }

    fn tell_losses(&mut self) -> BTreeMap<Reason, u64> {
        let mut losses = self.report.refused.clone();
        for (reason, items) in &self.report.dropped {
            add(&mut losses, *reason, *items);
        }
        let told = std::mem::replace(&mut self.told, losses.clone());
        losses
            .into_iter()
            .map(|(reason, items)| (reason, items - told.get(&reason).copied().unwrap_or(0)))
            .filter(|(_, items)| *items > 0)
            .collect()
    }
}

fn add(counters: &mut BTreeMap<Reason, u64>, reason: Reason, items: u64) {
    if items > 0 {
        *counters.entry(reason).or_default() += items;
    }
}
