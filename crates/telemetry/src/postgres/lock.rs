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
    select waiter.application_name as session, waiter.pid as process, waiter.wait_event as object, holder.pid,
        holder.application_name as name, holder.state
    from pg_stat_activity as waiter
    cross join lateral unnest(pg_blocking_pids(waiter.pid)) as blocking (pid)
    inner join pg_stat_activity as holder on holder.pid = blocking.pid
    where (waiter.application_name = any($1) or waiter.pid = any($2)) and waiter.wait_event_type = 'Lock'";

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
    waiter: Waiter,
    slot: Slot,
}

/// How the server knows who waits.
#[derive(Clone, Debug)]
pub(super) enum Waiter {
    /// By the `application_name` of its transaction.
    Session(SpanContext),
    /// By its process, which the server tells when it says that it waits (`log_lock_waits`, after `deadlock_timeout`):
    /// a single statement in [`super::Mode::Transactions`].
    Process,
}

/// Whom to ask about.
#[derive(Debug, Default)]
struct Late {
    sessions: Vec<String>,
    processes: Vec<i32>,
}

/// A statement is watched as long as this lives.
#[derive(Debug)]
pub(super) struct Watched {
    watch: Arc<Watch>,
    id: SpanId,
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

    /// `id`: the transaction's span, or the statement's if it has none.
    pub(super) fn watch(self: &Arc<Self>, began: Instant, id: SpanId, waiter: Waiter, slot: Slot) -> Watched {
        let running = Running { began, ask_after: ASKED_AFTER, waiter, slot };
        let first = {
            let mut all = self.lock();
            all.insert(id, running);
            all.len() == 1
        };
        if first {
            self.changed.notify_one();
        }
        Watched { watch: Arc::clone(self), id }
    }

    /// Whose turn it is to be asked about; none at all when nobody runs.
    fn overdue(&self) -> Option<Late> {
        let mut all = self.lock();
        if all.is_empty() {
            return None;
        }
        let mut late = Late::default();
        let turn = all.values_mut().filter(|running| running.began.elapsed() >= running.ask_after);
        for running in turn.take(MAX_ASKED) {
            match (&running.waiter, running.slot.process()) {
                (Waiter::Session(session), _) => {
                    late.sessions.push(Traceparent::from(session).to_string());
                }
                (Waiter::Process, Some(process)) => late.processes.push(process),
                // It does not wait, or not for long enough.
                (Waiter::Process, None) => continue,
            }
            running.ask_after *= 2;
        }
        Some(late)
    }

    async fn ask(&self, late: &Late) -> Result<(), sqlx::Error> {
        let rows =
            sqlx::query(HOLDERS).bind(&late.sessions).bind(&late.processes).fetch_all(&self.pool).await?;
        for row in rows {
            let session = parse(row.try_get("session")?).map(|session| session.span_id());
            let process: i32 = row.try_get("process")?;
            let holder = Holder {
                object: object(row.try_get("object")?),
                pid: row.try_get("pid")?,
                state: row.try_get("state")?,
                span: row.try_get::<Option<&str>, _>("name")?.and_then(parse),
            };
            for (id, running) in self.lock().iter() {
                let waits = match running.waiter {
                    Waiter::Session(_) => session == Some(*id),
                    Waiter::Process => running.slot.process() == Some(process),
                };
                if waits {
                    running.slot.held_by(holder.clone());
                }
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
            let Some(late) = watch.overdue() else { break };
            if !late.sessions.is_empty() || !late.processes.is_empty() {
                // No answer is no harm: the wait stays, without a name.
                let _ = tokio::time::timeout(ANSWER_TIMEOUT, watch.ask(&late)).await;
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
        self.watch.lock().remove(&self.id);
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
