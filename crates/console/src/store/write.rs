//! The one writer: a bounded queue of requests, and as many of them in one transaction as have piled up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::insert::{Inserted, Known, insert, prepare};
use super::prune::{Pruned, prune_oldest, sweep};
use super::summary::TraceRow;
use super::xray::{self as documents, DocumentOutcome};
use super::{Changes, MAX_SPANS_PER_TRACE, News, now, sources};
use crate::ingest::budget::Share;
use crate::ingest::decode::Batch;
use crate::stats::Stats;

/// Requests that wait for the writer. When it is full the sender is told to come back (503).
const QUEUE: usize = 256;
/// Spans and other rows after which a transaction is closed though more wait: some 10 MB of WAL, and a bounded wait for
/// the first.
const COMMIT_ROWS: usize = 10_000;
/// Pruning stops this far below the cap, so that it is not due again at once.
const PRUNE_SLACK: u64 = 64;
/// How often it is looked for events that nobody sees any more.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// The way in. Clones share the queue.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Request>,
    size: Arc<Size>,
}

/// What the store holds now.
#[derive(Debug, Default)]
struct Size {
    spans: AtomicU64,
    traces: AtomicU64,
    bytes: AtomicU64,
}

/// What became of a request's spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) stored: u64,
    pub(crate) duplicates: u64,
    pub(crate) trace_too_large: u64,
    pub(crate) documents: DocumentOutcome,
}

/// The queue is full or the disk refuses: the sender shall try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overloaded;

enum Request {
    Spans {
        batch: Batch,
        answer: oneshot::Sender<Outcome>,
        /// The request's share of memory, given back once it is written.
        share: Option<Share>,
    },
    Other {
        weight: usize,
        work: Work,
    },
}

/// What else is written, within the transaction; the time is that of arrival. It returns what is done after the commit.
type Work = Box<dyn FnOnce(&Transaction<'_>, i64) -> rusqlite::Result<Committed> + Send>;
type Committed = Box<dyn FnOnce() + Send>;

struct Thread {
    connection: Connection,
    known: Known,
    max_bytes: u64,
    page_size: u64,
    stats: Arc<Stats>,
    size: Arc<Size>,
    news: broadcast::Sender<News>,
    changes: Arc<Changes>,
    is_failing: bool,
    /// When nothing was left that nobody sees.
    swept: Option<Instant>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        max_bytes: u64,
        stats: Arc<Stats>,
        news: broadcast::Sender<News>,
        changes: Arc<Changes>,
    ) -> rusqlite::Result<Self> {
        let size = Arc::new(Size::default());
        let (traces, spans) = counts(&connection)?;
        size.traces.store(traces, Relaxed);
        size.spans.store(spans, Relaxed);
        let page_size = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let thread = Thread {
            connection,
            known: Known::default(),
            max_bytes,
            page_size,
            stats,
            size: size.clone(),
            news,
            changes,
            is_failing: false,
            swept: None,
        };
        thread.measure()?;
        let (queue, requests) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || thread.run(requests))
            .expect("a process that just started can start a thread");
        Ok(Self { queue, size })
    }

    /// Returns after the spans are committed.
    pub(crate) async fn write(&self, batch: Batch, share: Share) -> Result<Outcome, Overloaded> {
        self.request(batch, Some(share)).await
    }

    /// The same for X-Ray documents, whose number and size their ways in bound.
    pub(crate) async fn write_documents(&self, batch: Batch) -> Result<Outcome, Overloaded> {
        self.request(batch, None).await
    }

    pub(crate) async fn set(&self, name: &'static str, value: String) -> Result<(), Overloaded> {
        let set = move |transaction: &Transaction<'_>, _| {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)")?
                .execute([name, &value])
                .map(drop)
        };
        self.run(1, set, |()| ()).await
    }

    /// Anything else, in the same transactions. `weight` is how many rows it writes, about; `committed` runs after the
    /// commit, whether or not somebody still waits for the answer.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        weight: usize,
        work: impl FnOnce(&Transaction<'_>, i64) -> rusqlite::Result<T> + Send + 'static,
        committed: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (answer, outcome) = oneshot::channel();
        let work: Work = Box::new(move |transaction, arrival| {
            let done = work(transaction, arrival)?;
            Ok(Box::new(move || {
                committed(&done);
                let _ = answer.send(done);
            }))
        });
        self.queue.try_send(Request::Other { weight, work }).map_err(|_| Overloaded)?;
        outcome.await.map_err(|_| Overloaded)
    }

    async fn request(&self, batch: Batch, share: Option<Share>) -> Result<Outcome, Overloaded> {
        let (answer, outcome) = oneshot::channel();
        self.queue.try_send(Request::Spans { batch, answer, share }).map_err(|_| Overloaded)?;
        outcome.await.map_err(|_| Overloaded)
    }

    /// Spans, traces and bytes that the store holds now.
    pub(crate) fn size(&self) -> (u64, u64, u64) {
        let Size { spans, traces, bytes } = &*self.size;
        (spans.load(Relaxed), traces.load(Relaxed), bytes.load(Relaxed))
    }
}

impl Request {
    fn weight(&self) -> usize {
        match self {
            Self::Spans { batch, .. } => batch.spans.len(),
            Self::Other { weight, .. } => *weight,
        }
    }
}

impl Thread {
    fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let mut rows = first.weight();
            let mut group = vec![first];
            while rows < COMMIT_ROWS
                && let Ok(next) = requests.try_recv()
            {
                rows += next.weight();
                group.push(next);
            }
            // A failed transaction answers nobody: the dropped senders read as `Overloaded`.
            match self.write(group) {
                Ok(()) if std::mem::take(&mut self.is_failing) => {
                    tracing::info!("the store takes data again");
                }
                Ok(()) => {}
                Err(error) => {
                    // Once, since senders that try again would fill a full disk with this line.
                    if !std::mem::replace(&mut self.is_failing, true) {
                        tracing::error!(%error, "nothing is stored; its senders are asked to send it again");
                    }
                    // Rows of the transaction are gone.
                    self.known.forget();
                }
            }
            if let Err(error) = self.prune() {
                tracing::error!(%error, "old data not pruned");
            }
            if let Err(error) = self.sweep(&requests) {
                tracing::error!(%error, "expired log events not removed");
            }
        }
    }

    fn write(&mut self, group: Vec<Request>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let arrival = now();
        let mut traces = HashMap::new();
        let (mut new_traces, mut new_spans) = (0, 0);
        let mut replaced = Vec::new();
        let (mut outcomes, mut others) = (Vec::with_capacity(group.len()), Vec::new());
        let mut prepared = prepare(&transaction)?;
        for request in group {
            let (batch, answer, share) = match request {
                Request::Spans { batch, answer, share } => (batch, answer, share),
                Request::Other { work, .. } => {
                    others.push(work(&transaction, arrival)?);
                    continue;
                }
            };
            let mut outcome = Outcome::default();
            let mut origins = vec![None; batch.origins.len()];
            for span in &batch.spans {
                let trace = match traces.entry(span.trace_id) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => {
                        let (trace, is_new) = TraceRow::load_or_insert(&transaction, span, arrival)?;
                        new_traces += u64::from(is_new);
                        entry.insert(trace)
                    }
                };
                let is_otlp = span.sources == sources::OTLP;
                if trace.span_count >= MAX_SPANS_PER_TRACE {
                    outcome.trace_too_large += u64::from(is_otlp);
                    continue;
                }
                let origin = &batch.origins[span.origin];
                let origin_id = match origins[span.origin] {
                    Some((id, last_trace)) if last_trace >= trace.id => id,
                    Some((id, _)) => {
                        self.known.is_of(id, trace.id);
                        origins[span.origin] = Some((id, trace.id));
                        id
                    }
                    None => {
                        let id = self.known.origin(&transaction, origin, trace.id)?;
                        origins[span.origin] = Some((id, trace.id));
                        id
                    }
                };
                match insert(&transaction, &mut prepared, &mut self.known, trace.id, origin_id, span)? {
                    Inserted::New => {
                        trace.add(span, &origin.service);
                        new_spans += 1;
                        outcome.stored += u64::from(is_otlp);
                    }
                    Inserted::Merged(before) => {
                        if let Some(before) = before {
                            replaced.push(before.id);
                            trace.replace(&before, span, &origin.service);
                        }
                        outcome.stored += u64::from(is_otlp);
                    }
                    Inserted::Known => outcome.duplicates += u64::from(is_otlp),
                }
            }
            outcome.documents = documents::insert(&transaction, &batch.documents, arrival, |id| {
                traces.get(&id).filter(|trace| trace.span_count < MAX_SPANS_PER_TRACE).map(|trace| trace.id)
            })?;
            outcomes.push((outcome, answer, share));
        }
        drop(prepared);
        let is_waited = documents::is_waited(&transaction)?;
        for trace in traces.values_mut() {
            if is_waited {
                let found = documents::find_services(&transaction, trace.id)?;
                if !found.is_empty() {
                    replaced.extend(documents::rows(&transaction, trace.id)?);
                }
                trace.add_services(found);
            }
            trace.save(&transaction)?;
        }
        self.known.save(&transaction)?;
        if new_spans > 0 {
            let (traces, spans) = (self.size.traces.load(Relaxed), self.size.spans.load(Relaxed));
            save_counts(&transaction, traces + new_traces, spans + new_spans)?;
        }
        transaction.commit()?;

        self.changes.stored(replaced);
        self.size.traces.fetch_add(new_traces, Relaxed);
        self.size.spans.fetch_add(new_spans, Relaxed);
        for (outcome, answer, _share) in outcomes {
            self.stats.stored.add(outcome.stored);
            self.stats.duplicates.add(outcome.duplicates);
            self.stats.trace_too_large.add(outcome.trace_too_large);
            // A sender that went away sends it again, as a duplicate.
            let _ = answer.send(outcome);
        }
        for committed in others {
            committed();
        }
        if self.news.receiver_count() > 0 {
            let news = traces.iter().map(|(id, trace)| trace.summary(*id)).collect();
            let _ = self.news.send(Arc::new(news));
        }
        self.measure()
    }

    fn measure(&self) -> rusqlite::Result<()> {
        let pages = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
        let used = pages("page_count")? - pages("freelist_count")?;
        self.size.bytes.store(used * self.page_size, Relaxed);
        Ok(())
    }

    /// Until the store is a bit below its cap.
    fn prune(&mut self) -> rusqlite::Result<()> {
        if self.size.bytes.load(Relaxed) <= self.max_bytes {
            return Ok(());
        }
        let target = self.max_bytes - self.max_bytes / PRUNE_SLACK;
        while self.size.bytes.load(Relaxed) > target {
            if self.remove(prune_oldest)? == Pruned::default() {
                break;
            }
        }
        Ok(())
    }

    /// As long as nobody waits.
    fn sweep(&mut self, requests: &mpsc::Receiver<Request>) -> rusqlite::Result<()> {
        while self.swept.is_none_or(|last| last.elapsed() > SWEEP_EVERY) {
            if self.remove(sweep)? == Pruned::default() {
                self.swept = Some(Instant::now());
            }
            if !requests.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn remove(&mut self, step: fn(&Transaction<'_>) -> rusqlite::Result<Pruned>) -> rusqlite::Result<Pruned> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let pruned = step(&transaction)?;
        let Pruned { traces, spans, logs, occurrences } = pruned;
        if traces > 0 {
            let (all_traces, all_spans) = (self.size.traces.load(Relaxed), self.size.spans.load(Relaxed));
            save_counts(&transaction, all_traces.saturating_sub(traces), all_spans.saturating_sub(spans))?;
        }
        transaction.commit()?;
        self.size.traces.fetch_sub(traces, Relaxed);
        self.size.spans.fetch_sub(spans, Relaxed);
        self.stats.pruned_traces.add(traces);
        self.stats.pruned_spans.add(spans);
        self.stats.pruned_logs.add(logs);
        self.stats.pruned_occurrences.add(occurrences);
        if traces > 0 {
            // Their rows may be gone with the last trace that used them.
            self.known.forget();
            self.changes.pruned(&self.connection)?;
        }
        self.measure()?;
        Ok(pruned)
    }
}

/// Traces and spans: as they were saved, if nobody has written since without saving them, else counted, which takes a
/// quarter of a second for 5 million spans.
fn counts(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    let both = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let saved = connection
        .query_row(
            "SELECT value ->> 0, value ->> 1 FROM settings WHERE name = 'counts'
             AND value ->> 2 IS (SELECT max(id) FROM traces) AND value ->> 3 IS (SELECT max(id) FROM spans)",
            [],
            both,
        )
        .optional()?;
    match saved {
        Some(counts) => Ok(counts),
        None => connection.query_row("SELECT count(*), coalesce(sum(span_count), 0) FROM traces", [], both),
    }
}

fn save_counts(transaction: &Transaction<'_>, traces: u64, spans: u64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO settings (name, value) SELECT 'counts',
             json_array(?, ?, (SELECT max(id) FROM traces), (SELECT max(id) FROM spans))",
        )?
        .execute([traces, spans])
        .map(drop)
}
