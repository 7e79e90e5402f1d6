//! What Postgres says while a statement runs, as spans below the statement's.
//!
//! sqlx makes a `tracing` event of each message, inside the poll that reads it from the socket. So a [`Slot`] is in
//! place on the thread while the statement's future is polled, and what arrives then is this statement's. (It cannot
//! be a value of the Context: sqlx's streams enter the `tracing` span again that they were made in, whose Context
//! does not have it.) Reading a plan is left to a thread of its own: no request waits for it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{self, Poll};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use futures::Stream;
use opentelemetry::trace::{Span as _, SpanContext, SpanKind, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use pg_plan::{MAX_MESSAGE, MAX_RECORDS, PlanSpan, Value};
use pin_project_lite::pin_project;
use serde::Serialize;
use sqlx::SqlStr;
use tracing::Event;
use tracing::field::{Field, Visit};

use super::lock::Holder;
use super::span::tracer;
use crate::attributes::{DB_SYSTEM_NAME, THROUGHLINE_SYNTHETIC};

/// Statements whose messages wait to be read, and their bytes. A plan has 1 to 10 KB: both are some seconds of work
/// for the thread. When one of them is full a statement keeps its span and gets no plan, which is counted.
const MAX_WAITING: usize = 4_096;
const MAX_WAITING_BYTES: usize = 32 << 20;

/// What the server has said of one statement so far. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Slot(Arc<Mutex<Heard>>);

#[derive(Debug)]
struct Heard {
    began: Instant,
    bytes: usize,
    messages: Vec<(Duration, Box<str>)>,
    /// The server's, if it has said that it waits for a lock.
    process: Option<i32>,
    holder: Option<Holder>,
}

/// One statement, when it is over.
pub(super) struct Report {
    pub(super) parent: SpanContext,
    pub(super) began: SystemTime,
    pub(super) took: Duration,
    pub(super) sql: SqlStr,
    pub(super) slot: Slot,
}

/// `statements = read + dropped + waiting`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct PlanReport {
    /// Sampled statements of which the server said something.
    statements: u64,
    read: u64,
    /// There was no room in the queue.
    dropped: u64,
    waiting: u64,
    /// Messages that should have been plans and could not be read.
    unreadable: u64,
    /// Spans made of them.
    spans: u64,
    /// Sampled statements that found no free connection of those that ask for plans ([`super::Mode::Transactions`]).
    unasked: u64,
}

impl Slot {
    pub(super) fn new(began: Instant) -> Self {
        let heard = Heard { began, bytes: 0, messages: Vec::new(), process: None, holder: None };
        Self(Arc::new(Mutex::new(heard)))
    }

    /// The first one that was found, unless a later one is known by its trace.
    pub(super) fn held_by(&self, holder: Holder) {
        let mut heard = self.lock();
        if heard.holder.as_ref().is_none_or(|known| known.span.is_none()) {
            heard.holder = Some(holder);
        }
    }

    pub(super) fn holder(&self) -> Option<Holder> {
        self.lock().holder.clone()
    }

    pub(super) fn process(&self) -> Option<i32> {
        self.lock().process
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, message: &str) {
        // Other notices are the application's own (`RAISE NOTICE`), and none of a trace's business.
        let waits = message.strip_prefix("process ");
        if waits.is_none() && !message.starts_with("duration: ") {
            return;
        }
        let mut heard = self.lock();
        if let Some((process, _)) = waits.and_then(|waits| waits.split_once(' ')) {
            heard.process = process.parse().ok();
        }
        // More than pg-plan would keep. The statement's own plan comes last: it replaces the one before it.
        if heard.messages.len() == MAX_RECORDS || heard.bytes + message.len() > MAX_MESSAGE {
            let last = heard.messages.pop();
            heard.bytes -= last.map_or(0, |(_, message)| message.len());
        }
        let at = heard.began.elapsed();
        heard.bytes += message.len();
        heard.messages.push((at, message.into()));
    }
}

thread_local! {
    /// Whose statement is being polled on this thread.
    static HEARING: RefCell<Option<Slot>> = const { RefCell::new(None) };
}

pin_project! {
    /// A statement's future or stream: what the server says while it is polled goes into the slot.
    pub(super) struct Hearing<T> {
        #[pin]
        inner: T,
        slot: Option<Slot>,
    }
}

impl<T> Hearing<T> {
    pub(super) fn new(inner: T, slot: Option<Slot>) -> Self {
        Self { inner, slot }
    }
}

impl<T: Future> Future for Hearing<T> {
    type Output = T::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<T::Output> {
        let this = self.project();
        let _placed = Placed::new(this.slot.as_ref());
        this.inner.poll(cx)
    }
}

impl<T: Stream> Stream for Hearing<T> {
    type Item = T::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<T::Item>> {
        let this = self.project();
        let _placed = Placed::new(this.slot.as_ref());
        this.inner.poll_next(cx)
    }
}

/// Gives the thread back what it had, on a panic as well.
struct Placed(Option<Slot>);

impl Placed {
    fn new(slot: Option<&Slot>) -> Self {
        Self(HEARING.replace(slot.cloned()))
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        HEARING.set(self.0.take());
    }
}

/// Whether a statement is polled here that wants to hear of the server. For `Gate`: nothing is formatted for those
/// that do not.
pub(crate) fn listens() -> bool {
    HEARING.with_borrow(Option::is_some)
}

/// Takes a message of the server to the statement that is being polled.
pub(crate) fn notice(event: &Event<'_>) {
    struct Message<'a>(&'a Slot);

    impl Visit for Message<'_> {
        fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}

        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == "message" {
                self.0.hear(value);
            }
        }
    }

    HEARING.with_borrow(|slot| {
        if let Some(slot) = slot {
            event.record(&mut Message(slot));
        }
    });
}

/// Whether some connection also asks for messages of the level LOG, which sqlx passes on as TRACE.
pub(crate) fn wants_logs() -> bool {
    WANTS_LOGS.load(Ordering::Relaxed)
}

static WANTS_LOGS: AtomicBool = AtomicBool::new(false);

/// From now on; `tracing` asks every callsite again.
pub(super) fn want_logs() {
    if !WANTS_LOGS.swap(true, Ordering::Relaxed) {
        tracing::callsite::rebuild_interest_cache();
    }
}

/// Hands a finished statement to the thread. Never waits.
pub(super) fn submit(report: Report) {
    let bytes = report.slot.lock().bytes;
    if bytes == 0 {
        return;
    }
    let queue = queue();
    let mut state = queue.lock();
    state.report.statements += 1;
    if state.waiting.len() >= MAX_WAITING || state.bytes + bytes > MAX_WAITING_BYTES {
        state.report.dropped += 1;
        if state.report.dropped == 1 {
            drop(state);
            tracing::warn!(MAX_WAITING, "query plans are dropped; the counters tell how many");
        }
        return;
    }
    state.bytes += bytes;
    state.waiting.push_back(report);
    drop(state);
    queue.changed.notify_all();
}

/// Counts a statement that ran without being asked for its plan.
pub(super) fn unasked() {
    queue().lock().report.unasked += 1;
}

/// Waits until what was submitted before has become spans.
pub(crate) fn flush(deadline: Duration) {
    let Some(queue) = QUEUE.get() else { return };
    let end = Instant::now() + deadline;
    let mut state = queue.lock();
    let wanted = state.report.statements - state.report.dropped;
    while state.report.read < wanted {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        state = queue.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

pub(crate) fn report() -> PlanReport {
    let Some(queue) = QUEUE.get() else { return PlanReport::default() };
    let state = queue.lock();
    let PlanReport { statements, read, dropped, .. } = state.report;
    PlanReport { waiting: statements - read - dropped, ..state.report.clone() }
}

static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Report>,
    bytes: usize,
    report: PlanReport,
}

fn queue() -> &'static Arc<Queue> {
    QUEUE.get_or_init(|| {
        let queue = Arc::new(Queue::default());
        let work = Arc::clone(&queue);
        // Without its thread the queue fills, and all that comes later is dropped and counted.
        if let Err(error) = thread::Builder::new().name("plans".to_owned()).spawn(move || work.work()) {
            tracing::error!(%error, "query plans are not read");
        }
        queue
    })
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        loop {
            let mut state = self.lock();
            let report = loop {
                match state.waiting.pop_front() {
                    Some(report) => break report,
                    None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(state);
            let bytes = report.slot.lock().bytes;
            let (spans, unreadable) = tell(&report);
            let mut state = self.lock();
            state.bytes -= bytes;
            state.report.read += 1;
            state.report.spans += spans;
            state.report.unreadable += unreadable;
            drop(state);
            self.changed.notify_all();
        }
    }
}

/// Ends the spans of one statement; tells how many, and how many messages could not be read.
fn tell(report: &Report) -> (u64, u64) {
    let mut statement = pg_plan::Statement::new(report.sql.as_str());
    let mut unreadable = 0;
    for (at, message) in &report.slot.lock().messages {
        unreadable += u64::from(statement.add(*at, message).is_err());
    }
    (below(&report.parent, report.began, statement.spans(report.took)), unreadable)
}

/// Ends the spans below one that began then; tells how many.
pub(crate) fn below(above: &SpanContext, began: SystemTime, spans: Vec<PlanSpan>) -> u64 {
    let tracer = tracer();
    let mut contexts: Vec<SpanContext> = Vec::new();
    for PlanSpan { parent, name, start, end, synthetic, attributes } in spans {
        let parent = parent.map_or(above, |at| &contexts[at]);
        let attributes = attributes.into_iter().map(|(key, value)| KeyValue::new(key, plain(value)));
        let builder = tracer
            .span_builder(name)
            .with_kind(SpanKind::Internal)
            .with_start_time(began + start)
            .with_attributes(
                [
                    KeyValue::new(DB_SYSTEM_NAME, "postgresql"),
                    KeyValue::new(THROUGHLINE_SYNTHETIC, synthetic),
                ]
                .into_iter()
                .chain(attributes),
            );
        let cx = Context::new().with_remote_span_context(parent.clone());
        let mut span = tracer.build_with_context(builder, &cx);
        contexts.push(span.span_context().clone());
        span.end_with_timestamp(began + end);
    }
    contexts.len() as u64
}

pub(crate) fn plain(value: Value) -> opentelemetry::Value {
    match value {
        Value::Bool(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::Float(value) => value.into(),
        Value::Text(value) => value.into(),
    }
}
