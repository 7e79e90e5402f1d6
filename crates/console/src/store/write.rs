//! The one writer: a bounded queue of requests, and as many of them in one transaction as have piled up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::{broadcast, mpsc, oneshot};
use xray::id::TraceId;

use super::prune::{Pruned, prune_oldest, sweep};
use super::xray::{self as documents, DocumentOutcome};
use super::{Changes, MAX_SPANS_PER_TRACE, News, now, sources};
use crate::ingest::budget::Share;
use crate::ingest::decode::{Batch, Origin, SpanRow};
use crate::stats::Stats;
use crate::wire::Summary;

/// Requests that wait for the writer. When it is full the sender is told to come back (503).
const QUEUE: usize = 256;
/// Spans and other rows after which a transaction is closed though more wait: some 10 MB of WAL, and a bounded wait for
/// the first.
const COMMIT_ROWS: usize = 10_000;
/// Origins whose row ids are remembered. A sender with a new resource for every span costs look-ups, not memory.
const KNOWN_ORIGINS: usize = 1_024;
/// Pruning stops this far below the cap, so that it is not due again at once.
const PRUNE_SLACK: u64 = 64;
/// How often it is looked for events that nobody sees any more.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// Services that a summary names; a trace of more shows the first ones.
const LISTED_SERVICES: usize = 100;

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

/// What became of one span.
enum Inserted {
    New,
    /// Sent again.
    Known,
    /// Known before by the other format, or in progress; the row before, if its data are replaced.
    Merged(Option<Before>),
}

/// What a summary counted of a span that is replaced.
struct Before {
    id: i64,
    status: i64,
    start: i64,
}

struct Thread {
    connection: Connection,
    origins: HashMap<Origin, i64>,
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

/// A row of `traces`, kept in memory for the length of a transaction.
struct TraceRow {
    id: i64,
    listed: i64,
    start: i64,
    finish: i64,
    span_count: u64,
    error_count: u64,
    root: bool,
    head_start: i64,
    name: String,
    service: String,
    services: Vec<String>,
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
        let (traces, spans): (u64, u64) =
            connection.query_row("SELECT count(*), coalesce(sum(span_count), 0) FROM traces", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        size.traces.store(traces, Relaxed);
        size.spans.store(spans, Relaxed);
        let page_size = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let thread = Thread {
            connection,
            origins: HashMap::new(),
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
                    self.origins.clear();
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
                    _ => {
                        let id = origin_id(&transaction, &mut self.origins, origin, trace.id)?;
                        origins[span.origin] = Some((id, trace.id));
                        id
                    }
                };
                match insert(&transaction, trace.id, origin_id, span)? {
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
        for trace in traces.values_mut() {
            let found = documents::find_services(&transaction, trace.id)?;
            if !found.is_empty() {
                replaced.extend(documents::rows(&transaction, trace.id)?);
            }
            trace.services.extend(found);
            trace.services.sort_unstable();
            trace.services.dedup();
            trace.services.truncate(LISTED_SERVICES);
            trace.save(&transaction)?;
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
        transaction.commit()?;
        let Pruned { traces, spans, logs, occurrences } = pruned;
        self.size.traces.fetch_sub(traces, Relaxed);
        self.size.spans.fetch_sub(spans, Relaxed);
        self.stats.pruned_traces.add(traces);
        self.stats.pruned_spans.add(spans);
        self.stats.pruned_logs.add(logs);
        self.stats.pruned_occurrences.add(occurrences);
        if traces > 0 {
            // Their rows may be gone with the last trace that used them.
            self.origins.clear();
            self.changes.pruned(&self.connection)?;
        }
        self.measure()?;
        Ok(pruned)
    }
}

fn origin_id(
    transaction: &Transaction<'_>,
    known: &mut HashMap<Origin, i64>,
    origin: &Origin,
    trace: i64,
) -> rusqlite::Result<i64> {
    if let Some(id) = known.get(origin) {
        transaction
            .prepare_cached("UPDATE origins SET last_trace = ?2 WHERE id = ?1 AND last_trace < ?2")?
            .execute([*id, trace])?;
        return Ok(*id);
    }
    let id = transaction
        .prepare_cached(
            "INSERT INTO origins (service, resource, scope, last_trace) VALUES (?, ?, ?, ?)
             ON CONFLICT (resource, scope) DO UPDATE SET last_trace = max(last_trace, excluded.last_trace)
             RETURNING id",
        )?
        .query_row(params![origin.service, origin.resource, origin.scope, trace], |row| row.get(0))?;
    if known.len() >= KNOWN_ORIGINS {
        known.clear();
    }
    known.insert(origin.clone(), id);
    Ok(id)
}

/// A span is one row whichever way it came. What OTLP brings wins, since a translation loses; of X-Ray's documents a
/// complete one replaces one in progress, and the first complete one stays.
fn insert(
    transaction: &Transaction<'_>,
    trace: i64,
    origin: i64,
    span: &SpanRow,
) -> rusqlite::Result<Inserted> {
    let is_new = transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO spans (trace, span_id, parent_span_id, origin, name, kind, status,
                 status_message, start, duration, attributes, events, links, sources)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            trace,
            span.span_id.to_bytes(),
            span.parent_span_id.map(xray::id::SpanId::to_bytes),
            origin,
            span.name,
            span.kind,
            span.status,
            span.status_message,
            span.start,
            span.duration,
            span.attributes,
            span.events,
            span.links,
            span.sources,
        ])?;
    if is_new == 1 {
        return Ok(Inserted::New);
    }
    let (id, known, before) = transaction
        .prepare_cached("SELECT id, sources, status, start FROM spans WHERE trace = ? AND span_id = ?")?
        .query_row(params![trace, span.span_id.to_bytes()], |row| {
            let before = Before { id: row.get(0)?, status: row.get(2)?, start: row.get(3)? };
            Ok((before.id, row.get(1)?, before))
        })?;
    let Some((merged, is_replaced)) = merge(known, span.sources) else { return Ok(Inserted::Known) };
    if !is_replaced {
        transaction.prepare_cached("UPDATE spans SET sources = ?2 WHERE id = ?1")?.execute([id, merged])?;
        return Ok(Inserted::Merged(None));
    }
    transaction
        .prepare_cached(
            "UPDATE spans SET parent_span_id = ?, origin = ?, name = ?, kind = ?, status = ?, status_message = ?,
                 start = ?, duration = ?, attributes = ?, events = ?, links = ?, sources = ?
             WHERE id = ?",
        )?
        .execute(params![
            span.parent_span_id.map(xray::id::SpanId::to_bytes),
            origin,
            span.name,
            span.kind,
            span.status,
            span.status_message,
            span.start,
            span.duration,
            span.attributes,
            span.events,
            span.links,
            merged,
            id,
        ])?;
    Ok(Inserted::Merged(Some(before)))
}

/// The sources of a known span once `incoming` is added, and whether the data are the incoming ones from now on.
/// `None`: nothing new.
fn merge(known: i64, incoming: i64) -> Option<(i64, bool)> {
    use sources::{OF_PARENT, OPEN, OTLP, XRAY};
    let has = |bits: i64, bit: i64| bits & bit != 0;
    if has(incoming, OTLP) {
        return (!has(known, OTLP)).then_some((known & !OF_PARENT | OTLP, true));
    }
    match (has(known, XRAY), has(known, OPEN)) {
        (true, false) => None,
        _ if has(known, OTLP) => Some((OTLP | incoming & !OF_PARENT, false)),
        _ => Some((incoming, true)),
    }
}

impl TraceRow {
    /// The row, and whether it is new. A new one has no span yet.
    fn load_or_insert(
        transaction: &Transaction<'_>,
        span: &SpanRow,
        arrival: i64,
    ) -> rusqlite::Result<(Self, bool)> {
        let trace_id = span.trace_id.to_bytes();
        let known = transaction
            .prepare_cached(
                "SELECT id, listed, start, finish, span_count, error_count, root, head_start, name, service, services
                 FROM traces WHERE trace_id = ?",
            )?
            .query_row([trace_id], |row| {
                Ok(Self {
                    id: row.get(0)?,
                    listed: row.get(1)?,
                    start: row.get(2)?,
                    finish: row.get(3)?,
                    span_count: row.get(4)?,
                    error_count: row.get(5)?,
                    root: row.get(6)?,
                    head_start: row.get(7)?,
                    name: row.get(8)?,
                    service: row.get(9)?,
                    services: serde_json::from_str(row.get_ref(10)?.as_str()?).unwrap_or_default(),
                })
            })
            .optional()?;
        if let Some(row) = known {
            return Ok((row, false));
        }
        transaction
            .prepare_cached(
                "INSERT INTO traces (trace_id, listed, start, finish, span_count, error_count, root, head_start,
                     name, service, services)
                 VALUES (?, 0, 0, 0, 0, 0, 0, 0, '', '', '[]')",
            )?
            .execute([trace_id])?;
        let row = Self {
            id: transaction.last_insert_rowid(),
            listed: arrival,
            start: i64::MAX,
            finish: i64::MIN,
            span_count: 0,
            error_count: 0,
            root: false,
            head_start: i64::MAX,
            name: String::new(),
            service: String::new(),
            services: Vec::new(),
        };
        Ok((row, true))
    }

    /// A span whose data are others from now on.
    fn replace(&mut self, before: &Before, span: &SpanRow, service: &str) {
        let was_head = before.start == self.head_start;
        self.span_count -= 1;
        self.error_count -= u64::from(before.status == 2);
        self.add(span, service);
        if was_head && span.parent_span_id.is_none() == self.root {
            self.head_start = span.start;
            self.name.clone_from(&span.name);
            service.clone_into(&mut self.service);
        }
    }

    fn add(&mut self, span: &SpanRow, service: &str) {
        let is_root = span.parent_span_id.is_none();
        let is_head = match (is_root, self.root) {
            (true, false) => true,
            (false, true) => false,
            _ => span.start < self.head_start || self.span_count == 0,
        };
        if is_head {
            self.root = is_root;
            self.head_start = span.start;
            self.name.clone_from(&span.name);
            service.clone_into(&mut self.service);
        }
        self.start = self.start.min(span.start);
        self.finish = self.finish.max(span.start.saturating_add(span.duration));
        self.listed = self.listed.min(span.start);
        self.span_count += 1;
        self.error_count += u64::from(span.status == 2);
        // Not known yet: `find_services` adds it.
        if span.sources & sources::OF_PARENT != 0 {
            return;
        }
        if let Err(place) = self.services.binary_search_by(|known| known.as_str().cmp(service))
            && self.services.len() < LISTED_SERVICES
        {
            self.services.insert(place, service.to_owned());
        }
    }

    fn save(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction
            .prepare_cached(
                "UPDATE traces SET listed = ?, start = ?, finish = ?, span_count = ?, error_count = ?, root = ?,
                     head_start = ?, name = ?, service = ?, services = ?
                 WHERE id = ?",
            )?
            .execute(params![
                self.listed,
                self.start,
                self.finish,
                self.span_count,
                self.error_count,
                self.root,
                self.head_start,
                self.name,
                self.service,
                serde_json::to_string(&self.services).expect("texts are always JSON"),
                self.id,
            ])?;
        Ok(())
    }

    fn summary(&self, id: TraceId) -> Summary {
        Summary {
            trace_id: id.to_w3c(),
            xray_trace_id: id.to_string(),
            name: self.name.clone(),
            service: self.service.clone(),
            start_unix_nano: self.start,
            duration_nano: self.finish - self.start,
            span_count: self.span_count,
            error_count: self.error_count,
            services: self.services.clone(),
            root: self.root,
        }
    }
}
