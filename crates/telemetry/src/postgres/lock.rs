//! Who holds the lock that a statement waits for.
//!
//! A waiting statement cannot ask, so somebody beside it does: `pg_blocking_pids` names the session in its way, and
//! that session's `application_name` is the traceparent of its transaction, if that is sampled as well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use opentelemetry::trace::{FutureExt as _, SpanContext, TraceState};
use opentelemetry::{Context, SpanId};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Row as _};
use tokio::sync::Notify;

use super::plan::Slot;
use crate::propagation::traceparent::Traceparent;

/// After this time a statement is asked about; again when twice the time has passed, since it may wait only then.
/// Deadlocks are found by Postgres after `deadlock_timeout`, by default a second: the holder is known by then.
const ASKED_AFTER: Duration = Duration::from_millis(100);
/// Statements in one question. More at once wait for the same few locks.
const MAX_ASKED: usize = 100;
/// The question's own connection closes when nobody has waited for so long.
const IDLE: Duration = Duration::from_secs(30);
/// An answer that takes longer is of no use.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Postgres tells a role about the sessions of the same role; of others it knows that they are there.
const HOLDERS: &str = "
    select waiter.application_name as session, waiter.wait_event as object, holder.pid,
        holder.application_name as name, holder.state
    from pg_stat_activity as waiter
    cross join lateral unnest(pg_blocking_pids(waiter.pid)) as blocking (pid)
    inner join pg_stat_activity as holder on holder.pid = blocking.pid
    where waiter.application_name = any($1) and waiter.wait_event_type = 'Lock'";

/// The sampled statements that run now.
#[derive(Debug)]
pub(super) struct Watch {
    running: Mutex<HashMap<SpanId, Running>>,
    /// Somebody runs, or the pool is gone.
    changed: Arc<Notify>,
    /// One connection of its own: those of the pool may all be waiting.
    pool: PgPool,
}

#[derive(Debug)]
struct Running {
    began: Instant,
    ask_after: Duration,
    session: SpanContext,
    slot: Slot,
}

/// A statement is watched as long as this lives.
#[derive(Debug)]
pub(super) struct Watched {
    watch: Arc<Watch>,
    session: SpanId,
}

/// What was found in the way.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    /// `transaction`, `tuple`, `relation`, `advisory lock`.
    pub(super) object: String,
    pub(super) pid: i32,
    /// `active`, `idle in transaction`; unknown of another role's session.
    pub(super) state: Option<String>,
    /// Its transaction's span, if it is sampled.
    pub(super) span: Option<SpanContext>,
}

impl Watch {
    pub(super) fn start(options: PgConnectOptions) -> Arc<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(IDLE)
            .acquire_timeout(ANSWER_TIMEOUT)
            .connect_lazy_with(options);
        let watch = Arc::new(Self { running: Mutex::default(), changed: Arc::default(), pool });
        let work = work(Arc::downgrade(&watch), Arc::clone(&watch.changed));
        // It belongs to no request, and ends with the last `Db`.
        tokio::spawn(work.with_context(Context::new()));
        watch
    }

    /// `session`: what the server knows as `application_name` while the statement runs.
    pub(super) fn watch(self: &Arc<Self>, began: Instant, session: &SpanContext, slot: Slot) -> Watched {
        let id = session.span_id();
        let running = Running { began, ask_after: ASKED_AFTER, session: session.clone(), slot };
        let first = {
            let mut all = self.lock();
            all.insert(id, running);
            all.len() == 1
        };
        if first {
            self.changed.notify_one();
        }
        Watched { watch: Arc::clone(self), session: id }
    }

    /// Whose turn it is to be asked about; none at all when nobody runs.
    fn overdue(&self) -> Option<Vec<String>> {
        let mut all = self.lock();
        if all.is_empty() {
            return None;
        }
        let late = all.values_mut().filter(|running| running.began.elapsed() >= running.ask_after);
        let sessions = late.take(MAX_ASKED).map(|running| {
            running.ask_after *= 2;
            Traceparent::from(&running.session).to_string()
        });
        Some(sessions.collect())
    }

    async fn ask(&self, sessions: &[String]) -> Result<(), sqlx::Error> {
        for row in sqlx::query(HOLDERS).bind(sessions).fetch_all(&self.pool).await? {
            let Some(session) = parse(row.try_get("session")?) else { continue };
            let holder = Holder {
                object: object(row.try_get("object")?),
                pid: row.try_get("pid")?,
                state: row.try_get("state")?,
                span: row.try_get::<Option<&str>, _>("name")?.and_then(parse),
            };
            if let Some(running) = self.lock().get(&session.span_id()) {
                running.slot.held_by(holder);
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SpanId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn work(watch: Weak<Watch>, changed: Arc<Notify>) {
    loop {
        changed.notified().await;
        loop {
            tokio::time::sleep(ASKED_AFTER / 2).await;
            let Some(watch) = watch.upgrade() else { return };
            let Some(sessions) = watch.overdue() else { break };
            if !sessions.is_empty() {
                // No answer is no harm: the wait stays, without a name.
                let _ = tokio::time::timeout(ANSWER_TIMEOUT, watch.ask(&sessions)).await;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.lock().remove(&self.session);
    }
}

/// The `application_name` of a sampled transaction; of others it may be anything.
fn parse(name: &str) -> Option<SpanContext> {
    let Traceparent { trace_id, span_id, flags } = Traceparent::parse(name.as_bytes())?;
    Some(SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE))
}

/// In the words of the server's own messages, where `pg_stat_activity` has others.
fn object(wait_event: Option<&str>) -> String {
    match wait_event.unwrap_or("unknown") {
        "transactionid" => "transaction".to_owned(),
        "advisory" => "advisory lock".to_owned(),
        other => other.to_owned(),
    }
}
