//! The outbox in a world of its own: a clock that jumps, senders without threads, and a receiver with a plan of faults.
//! One seed is one run; a seed that failed once can be run again.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use throughline_delivery::{Answer, Attempt, Flushed, Limits, Next, Outbox, Payload, Reason, Report};

/// What the receiver does during a phase.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weather {
    Well,
    /// 429, 502, 503, 504.
    Busy {
        retry_after: Option<Duration>,
    },
    /// The connection is refused at once.
    Away,
    /// The request gets lost; the sender's timeout ends it.
    Silent,
    /// The request is stored and its answer is lost.
    AnswerLost,
    /// 200 that takes one item back.
    Partial,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) round_trip: Duration,
    /// From each moment on; well before the first one.
    pub(crate) weather: Vec<(Duration, Weather)>,
    /// The receiver refuses (400) any request that holds one of these payloads.
    pub(crate) poisoned: BTreeSet<u64>,
    /// ... and (413) any request above this size.
    pub(crate) max_request_bytes: usize,
}

/// The sender's request timeout in this world.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct World {
    pub(crate) outbox: Outbox,
    pub(crate) plan: Plan,
    start: Instant,
    now: Instant,
    events: BinaryHeap<Event>,
    sequence: u64,
    offered: u64,
    random: StdRng,
    pub(crate) seen: Seen,
    flushes: Vec<Flush>,
    limits: Limits,
    patient: bool,
    told: u64,
    stopped: bool,
}

/// What the receiver, which cannot err, has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Payload -> how often it was stored, and how often one of its answers was lost.
    pub(crate) stored: BTreeMap<u64, u32>,
    pub(crate) answers_lost: BTreeMap<u64, u32>,
    pub(crate) order: Vec<u64>,
    pub(crate) refused: BTreeSet<u64>,
    pub(crate) accepted_items: u64,
    pub(crate) rejected_items: u64,
    pub(crate) refused_items: u64,
    pub(crate) requests: u64,
    /// Offers that the queue did not take.
    pub(crate) turned_away: BTreeSet<u64>,
    pub(crate) turned_away_items: u64,
    /// Left behind by a shutdown.
    pub(crate) given_up_items: u64,
    pub(crate) most_queued: u64,
    asked_to_wait_until: Option<Instant>,
}

struct Flush {
    upto: u64,
    /// Everything with a smaller id was offered before the call.
    offered: u64,
    deadline: Instant,
}

struct Event {
    at: Instant,
    sequence: u64,
    what: What,
}

enum What {
    Offer {
        items: u64,
        bytes: usize,
    },
    Answer(Attempt, Answer),
    Flush(Duration),
    Stop,
    /// Time for somebody to look again.
    Look,
}

impl World {
    pub(crate) fn new(seed: u64, limits: Limits, plan: Plan) -> Self {
        let start = Instant::now();
        Self {
            outbox: Outbox::new("simulated", limits, seed),
            plan,
            start,
            now: start,
            events: BinaryHeap::new(),
            sequence: 0,
            offered: 0,
            random: StdRng::seed_from_u64(seed ^ 0x5eed),
            seen: Seen::default(),
            flushes: Vec::new(),
            limits,
            patient: true,
            told: 0,
            stopped: false,
        }
    }

    /// For a receiver whose wish is beyond the bound: it is not obeyed to the end.
    pub(crate) fn without_patience(mut self) -> Self {
        self.patient = false;
        self
    }

    pub(crate) fn offer_at(&mut self, at: Duration, items: u64, bytes: usize) {
        self.schedule(self.start + at, What::Offer { items, bytes });
    }

    pub(crate) fn flush_at(&mut self, at: Duration, deadline: Duration) {
        self.schedule(self.start + at, What::Flush(deadline));
    }

    pub(crate) fn stop_at(&mut self, at: Duration) {
        self.schedule(self.start + at, What::Stop);
    }

    /// Runs until nothing is left to happen, checking the invariants at every step. Gives the time it took.
    pub(crate) fn run(&mut self) -> Duration {
        while let Some(event) = self.events.pop() {
            self.now = event.at;
            match event.what {
                What::Offer { items, bytes } => self.offer(items, bytes),
                What::Answer(attempt, answer) => {
                    if let Answer::Retry { after: Some(after), .. } = &answer {
                        let until = self.now + *after;
                        self.seen.asked_to_wait_until = self.seen.asked_to_wait_until.max(Some(until));
                    }
                    if !self.stopped {
                        self.learn(&attempt, &answer);
                    }
                    self.outbox.settle(attempt, answer, self.now);
                }
                What::Flush(deadline) => {
                    let upto = self.outbox.flush_begin();
                    let deadline = self.now + deadline;
                    self.flushes.push(Flush { upto, offered: self.offered, deadline });
                    self.schedule(deadline, What::Look);
                }
                What::Stop => {
                    let left = self.report().queued;
                    self.outbox.stop();
                    self.stopped = true;
                    self.seen.given_up_items = left;
                }
                What::Look => {}
            }
            self.end_flushes();
            self.send();
            let report = self.outbox.report();
            assert!(report.is_balanced(), "{report:?}");
            self.seen.most_queued = self.seen.most_queued.max(report.queued);
        }
        self.check_the_end();
        self.now - self.start
    }

    pub(crate) fn report(&self) -> Report {
        self.outbox.report()
    }

    fn offer(&mut self, items: u64, bytes: usize) {
        let id = self.offered;
        self.offered += 1;
        let mut body = vec![0; bytes.max(8)];
        body[..8].copy_from_slice(&id.to_be_bytes());
        let expected = self.outbox.report();
        match self.outbox.offer(Payload::new(body, items)) {
            Ok(()) => {}
            Err(reason) => {
                let full = expected.queued + items > self.limits.items
                    || expected.queued_bytes as usize + bytes.max(8) > self.limits.bytes;
                let right = if self.stopped {
                    reason == Reason::ShutDown
                } else {
                    reason == Reason::QueueFull && full
                };
                assert!(right, "{reason} with {expected:?}");
                self.seen.turned_away.insert(id);
                self.seen.turned_away_items += items;
            }
        }
    }

    fn send(&mut self) {
        loop {
            match self.outbox.next(self.now) {
                Next::Send(attempt) => {
                    if let Some(until) = self.seen.asked_to_wait_until {
                        assert!(self.now >= until || !self.patient, "sent before the receiver's Retry-After");
                    }
                    let (took, answer) = self.receive(&attempt);
                    self.schedule(self.now + took, What::Answer(attempt, answer));
                }
                Next::WaitUntil(at) => {
                    assert!(at > self.now);
                    return self.schedule(at, What::Look);
                }
                Next::Idle => return,
                Next::Stop => {
                    assert!(self.stopped);
                    return;
                }
            }
        }
    }

    /// The receiver's side of one request: how long until the sender knows, and what it will know.
    fn receive(&mut self, attempt: &Attempt) -> (Duration, Answer) {
        self.seen.requests += 1;
        let ids: Vec<u64> = attempt.payloads().map(id).collect();
        assert!(self.limits.joinable || ids.len() == 1);
        let took = self.plan.round_trip.mul_f64(self.random.random_range(1.0..1.5));
        let retry = |after| Answer::Retry { after, problem: "a fault of the plan".to_owned() };
        match self.weather() {
            Weather::Away => (Duration::from_millis(1), retry(None)),
            Weather::Silent => (TIMEOUT, retry(None)),
            Weather::Busy { retry_after } => (took, retry(retry_after)),
            weather => {
                if attempt.bytes() > self.plan.max_request_bytes {
                    return (took, self.refuse(&ids, Reason::TooLarge));
                }
                if ids.iter().any(|id| self.plan.poisoned.contains(id)) {
                    return (took, self.refuse(&ids, Reason::BadRequest));
                }
                for id in &ids {
                    let times = self.seen.stored.entry(*id).or_default();
                    *times += 1;
                    if *times == 1 {
                        self.seen.order.push(*id);
                    }
                }
                match weather {
                    Weather::AnswerLost => {
                        for id in &ids {
                            *self.seen.answers_lost.entry(*id).or_default() += 1;
                        }
                        (TIMEOUT, retry(None))
                    }
                    Weather::Partial => {
                        (took, Answer::Delivered { rejected: 1, message: Some("one is bad".to_owned()) })
                    }
                    _ => (took, Answer::Delivered { rejected: 0, message: None }),
                }
            }
        }
    }

    fn refuse(&mut self, ids: &[u64], reason: Reason) -> Answer {
        if let [only] = ids {
            self.seen.refused.insert(*only);
        }
        Answer::Refused { reason, problem: "a fault of the plan".to_owned() }
    }

    /// What the sender may know, once an answer has come back to it.
    fn learn(&mut self, attempt: &Attempt, answer: &Answer) {
        match answer {
            Answer::Delivered { rejected, .. } => {
                self.seen.rejected_items += rejected;
                self.seen.accepted_items += attempt.items() - rejected;
            }
            Answer::Refused { .. } if attempt.payloads().len() == 1 => {
                self.seen.refused_items += attempt.items();
            }
            _ => {}
        }
    }

    fn weather(&self) -> Weather {
        let elapsed = self.now - self.start;
        let phase = self.plan.weather.iter().rev().find(|(from, _)| *from <= elapsed);
        phase.map_or(Weather::Well, |(_, weather)| *weather)
    }

    fn end_flushes(&mut self) {
        let now = self.now;
        let (done, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.flushes)
            .into_iter()
            .partition(|f| f.deadline <= now || self.outbox.is_settled(f.upto));
        self.flushes = open;
        for flush in done {
            let flushed = self.outbox.flush_end(flush.upto);
            self.check_flush(&flush, &flushed);
        }
    }

    /// A flush says complete only when the receiver has it all, and incomplete only when it has not.
    fn check_flush(&mut self, flush: &Flush, flushed: &Flushed) {
        let missing = (0..flush.offered)
            .filter(|id| !self.seen.turned_away.contains(id) && !self.seen.refused.contains(id))
            .filter(|id| !self.seen.stored.contains_key(id))
            .count();
        assert!(
            missing == 0 || flushed.pending > 0 || self.stopped,
            "{missing} payloads missing, yet {flushed:?}"
        );
        let losses = self.seen.given_up_items
            + self.seen.turned_away_items
            + self.seen.refused_items
            + self.seen.rejected_items;
        assert!(losses > 0 || flushed.lost.is_empty(), "nothing was lost, yet {flushed:?}");
        // Each loss is told once: all of them together by now.
        let told: u64 = flushed.lost.values().sum();
        self.told += told;
        let report = self.report();
        assert_eq!(self.told, report.refused_total() + report.dropped_total());
        let settled = self.outbox.is_settled(flush.upto);
        assert_eq!(settled, flushed.pending == 0);
    }

    fn check_the_end(&self) {
        let (report, seen) = (self.report(), &self.seen);
        assert_eq!(report.queued, 0, "everything has an end: {report:?}");
        assert_eq!(report.queued_bytes, 0);
        assert_eq!(report.delivered, seen.accepted_items);
        assert_eq!(report.refused_total(), seen.refused_items + seen.rejected_items);
        assert_eq!(report.dropped_total(), seen.turned_away_items + seen.given_up_items);
        for id in 0..self.offered {
            let times = seen.stored.get(&id).copied().unwrap_or(0);
            let lost = seen.answers_lost.get(&id).copied().unwrap_or(0);
            let gone = seen.turned_away.contains(&id) || seen.refused.contains(&id);
            assert!(times > 0 || gone || self.stopped, "payload {id} is lost without a word");
            assert!(times <= 1 + lost, "payload {id} was stored {times} times with {lost} lost answers");
            assert!(
                !seen.refused.contains(&id)
                    || self.plan.poisoned.contains(&id)
                    || self.plan.max_request_bytes < 1024,
                "payload {id} was refused for its neighbour"
            );
        }
        if self.limits.in_flight == 1 {
            assert!(seen.order.is_sorted(), "one request at a time keeps the order");
        }
    }

    fn schedule(&mut self, at: Instant, what: What) {
        self.sequence += 1;
        self.events.push(Event { at, sequence: self.sequence, what });
    }
}

fn id(payload: &Payload) -> u64 {
    u64::from_be_bytes(payload.body[..8].try_into().unwrap())
}

// The heap gives the greatest first: the earliest, and of equals the one that was planned first.
impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Event {}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
