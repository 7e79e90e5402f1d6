//! What is counted while it runs, and said at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::client::Reply;
use super::schedule::Action;

/// Three digits of any latency up to a minute and a half.
const MAX_MICROS: u64 = 100_000_000;
const DIGITS: u8 = 3;

pub(super) struct Report {
    slowest: usize,
    state: Mutex<State>,
}

struct State {
    all: Numbers,
    by_action: BTreeMap<Action, Numbers>,
    /// The status, or why there was none.
    by_status: BTreeMap<String, u64>,
    /// Slowest first.
    slow: Vec<Slow>,
    /// At the last line of progress.
    told: u64,
}

struct Numbers {
    latency: Histogram<u64>,
    /// 5xx and no answer at all; a 404 of a post that has just expired is an answer.
    errors: u64,
}

struct Slow {
    took: Duration,
    action: Action,
    status: u16,
    trace_id: Option<String>,
}

impl Report {
    pub(super) fn new(slowest: usize) -> Self {
        let state = State {
            all: Numbers::default(),
            by_action: BTreeMap::new(),
            by_status: BTreeMap::new(),
            slow: Vec::new(),
            told: 0,
        };
        Self { slowest, state: Mutex::new(state) }
    }

    pub(super) fn record(&self, action: Action, reply: &Reply, took: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_error = reply.status == 0 || reply.status >= 500;
        state.all.record(took, is_error);
        state.by_action.entry(action).or_default().record(took, is_error);
        let status = reply.problem.clone().unwrap_or_else(|| reply.status.to_string());
        *state.by_status.entry(status).or_default() += 1;
        let place = state.slow.partition_point(|it| it.took >= took);
        if place < self.slowest {
            let trace_id = reply.trace_id.clone();
            state.slow.insert(place, Slow { took, action, status: reply.status, trace_id });
            state.slow.truncate(self.slowest);
        }
    }

    /// How far it is.
    pub(super) fn line(&self, of: usize) -> String {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = state.all.latency.len();
        let since = done - std::mem::replace(&mut state.told, done);
        let [p50, p95, p99] = state.all.quantiles();
        format!(
            "{done}/{of} requests, {since} in the last second, p50 {p50} ms, p95 {p95} ms, p99 {p99} ms, {} errors",
            state.all.errors
        )
    }

    /// For people, and for programs.
    pub(super) fn summary(&self, elapsed: Duration, scheduled: usize, late: u64) -> (String, Value) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = state.all.latency.len();
        let rate = done as f64 / elapsed.as_secs_f64().max(f64::EPSILON);
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{done} of {scheduled} requests in {:.1} s, {rate:.1} a second, {} errors",
            elapsed.as_secs_f64(),
            state.all.errors
        );
        if late > 0 {
            let _ = writeln!(
                text,
                "{late} began late for want of a free worker (--concurrency); their wait is in the latencies"
            );
        }
        let _ = writeln!(
            text,
            "\n{:14} {:>8} {:>7} {:>9} {:>9} {:>9} {:>9}",
            "", "requests", "errors", "p50 ms", "p95 ms", "p99 ms", "max ms"
        );
        let rows = state.by_action.iter().map(|(action, numbers)| (action.name(), numbers));
        for (name, numbers) in rows.chain([("all", &state.all)]) {
            let [p50, p95, p99] = numbers.quantiles();
            let max = millis(numbers.latency.max());
            let _ = writeln!(
                text,
                "{name:14} {:>8} {:>7} {p50:>9} {p95:>9} {p99:>9} {max:>9}",
                numbers.latency.len(),
                numbers.errors
            );
        }
        text.push_str("\nanswers:");
        for (status, count) in &state.by_status {
            let _ = write!(text, " {status} x {count},");
        }
        text.pop();
        text.push_str("\n\nthe slowest, for `throughline trace ID`:\n");
        for slow in &state.slow {
            let id = slow.trace_id.as_deref().unwrap_or("(no trace)");
            let _ = writeln!(
                text,
                "{:>9} ms  {:14} {:3}  {id}",
                millis(slow.took.as_micros() as u64),
                slow.action.name(),
                slow.status
            );
        }
        let actions: serde_json::Map<_, _> =
            state.by_action.iter().map(|(action, it)| (action.name().to_owned(), it.to_json())).collect();
        let slow: Vec<_> = state.slow.iter().map(Slow::to_json).collect();
        let json = json!({
            "scheduled": scheduled, "elapsed_s": elapsed.as_secs_f64(), "rate": rate, "late": late,
            "all": state.all.to_json(), "actions": actions, "answers": state.by_status, "slowest": slow,
        });
        (text, json)
    }
}

impl Default for Numbers {
    fn default() -> Self {
        let latency = Histogram::new_with_max(MAX_MICROS, DIGITS).expect("the bounds are in order");
        Self { latency, errors: 0 }
    }
}

impl Numbers {
    fn record(&mut self, took: Duration, is_error: bool) {
        self.latency.saturating_record(took.as_micros() as u64);
        self.errors += u64::from(is_error);
    }

    fn quantiles(&self) -> [String; 3] {
        [0.5, 0.95, 0.99].map(|q| millis(self.latency.value_at_quantile(q)))
    }

    fn to_json(&self) -> Value {
        let at = |q| self.latency.value_at_quantile(q) as f64 / 1e3;
        json!({
            "requests": self.latency.len(), "errors": self.errors,
            "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "max_ms": self.latency.max() as f64 / 1e3,
        })
    }
}

impl Slow {
    fn to_json(&self) -> Value {
        json!({
            "ms": self.took.as_secs_f64() * 1e3, "action": self.action.name(), "status": self.status, "trace_id": self.trace_id,
        })
    }
}

fn millis(micros: u64) -> String {
    format!("{:.1}", micros as f64 / 1e3)
}
