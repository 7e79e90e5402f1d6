//! Reading beside the writer. Nothing here holds a connection while a client reads, so that a slow one keeps no
//! transaction open and the write-ahead log stays short.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, ToSql, params};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use xray::id::{SpanId, TraceId};

use super::attributes;
use super::xray::{StoredDocument, documents};
use crate::wire::{Kind, Source, Status, Summary};

/// Queries at a time; more wait. SQLite reads do not block one another, but cores are few.
const CONNECTIONS: usize = 4;

/// Clones share the connections.
#[derive(Clone)]
pub(crate) struct Reader {
    pool: Arc<Pool>,
}

struct Pool {
    path: PathBuf,
    turns: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

/// Which traces of the list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) service: Option<String>,
    pub(crate) min_duration_nano: Option<i64>,
    pub(crate) error: Option<bool>,
}

/// A part of the list, newest first.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) traces: Vec<Summary>,
    pub(crate) next: Option<Cursor>,
}

/// The last row of a page: `listed`, `id`.
pub(crate) type Cursor = (i64, i64);

/// What is known of a trace before its spans are read.
#[derive(Debug)]
pub(crate) enum TraceHead {
    Found(Found),
    /// When.
    Pruned(i64),
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) start: i64,
    pub(crate) duration: i64,
    /// When earlier spans were pruned.
    pub(crate) pruned: Option<i64>,
    /// The row of the trace and of its spans, in order of start, for [`Reader::spans`].
    pub(crate) trace: i64,
    pub(crate) rows: Vec<i64>,
    /// Bits of [`super::sources`], of all its spans together.
    pub(crate) sources: i64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("reading the store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the process is ending")]
    Ending,
}

/// [`crate::wire::Span`] without taking its JSON apart.
#[derive(Serialize)]
struct SpanJson<'a> {
    trace_id: &'a str,
    span_id: String,
    parent_span_id: Option<String>,
    name: &'a str,
    kind: Kind,
    service: &'a str,
    start_unix_nano: i64,
    duration_nano: i64,
    status: Status,
    status_message: Option<&'a str>,
    attributes: &'a RawValue,
    resource: &'a RawValue,
    scope: &'a RawValue,
    events: &'a RawValue,
    links: &'a RawValue,
    source: Source,
    sources: &'static [Source],
}

impl Filter {
    /// The same choice as the query below makes, for news.
    pub(crate) fn admits(&self, trace: &Summary) -> bool {
        self.service.as_ref().is_none_or(|service| trace.services.contains(service))
            && self.min_duration_nano.is_none_or(|least| trace.duration_nano >= least)
            && self.error.is_none_or(|error| (trace.error_count > 0) == error)
    }
}

impl Reader {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let pool = Pool {
            path: path.to_owned(),
            turns: Semaphore::new(CONNECTIONS),
            idle: Mutex::new(vec![connect(path)?]),
        };
        Ok(Self { pool: Arc::new(pool) })
    }

    pub(crate) async fn traces(
        &self,
        filter: Filter,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        self.read(move |connection| traces(connection, &filter, before, limit)).await
    }

    pub(crate) async fn trace(&self, id: TraceId) -> Result<TraceHead, ReadError> {
        self.read(move |connection| trace(connection, id)).await
    }

    /// Spans by their rows as JSON, with a comma before each but the `first`. Rows that were pruned since are left out.
    pub(crate) async fn spans(
        &self,
        id: TraceId,
        trace: i64,
        rows: Vec<i64>,
        mut first: bool,
    ) -> Result<Vec<u8>, ReadError> {
        self.read(move |connection| {
            let trace_id = id.to_w3c();
            let mut json = Vec::with_capacity(rows.len() * 1024);
            let mut statement =
                connection.prepare_cached(&format!("{SPAN} WHERE s.id = ?1 AND s.trace = ?2"))?;
            for id in rows {
                let mut found = statement.query([id, trace])?;
                if let Some(row) = found.next()? {
                    if !std::mem::replace(&mut first, false) {
                        json.push(b',');
                    }
                    write_span(row, &trace_id, &mut json)?;
                }
            }
            Ok(json)
        })
        .await
    }

    pub(crate) async fn span(
        &self,
        trace_id: TraceId,
        span_id: SpanId,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        self.read(move |connection| {
            let of = "WHERE s.trace = (SELECT id FROM traces WHERE trace_id = ?1) AND s.span_id = ?2";
            let mut statement = connection.prepare_cached(&format!("{SPAN} {of}"))?;
            let mut found = statement.query(params![trace_id.to_bytes(), span_id.to_bytes()])?;
            let Some(row) = found.next()? else { return Ok(None) };
            let mut json = Vec::new();
            write_span(row, &trace_id.to_w3c(), &mut json)?;
            Ok(Some(json))
        })
        .await
    }

    /// The X-Ray documents of a trace as received; `None` when nothing of it has arrived.
    pub(crate) async fn documents(&self, id: TraceId) -> Result<Option<Vec<StoredDocument>>, ReadError> {
        self.read(move |connection| {
            let trace: Option<i64> = connection
                .prepare_cached("SELECT id FROM traces WHERE trace_id = ?")?
                .query_row([id.to_bytes()], |row| row.get(0))
                .optional()?;
            trace.map(|trace| documents(connection, trace)).transpose()
        })
        .await
    }

    /// Whether the store answers.
    pub(crate) async fn ping(&self) -> Result<(), ReadError> {
        self.read(|connection| connection.query_row("SELECT 1", [], |_| Ok(()))).await
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let _turn = self.pool.turns.acquire().await.map_err(|_| ReadError::Ending)?;
        let pool = self.pool.clone();
        let result = spawn_blocking(move || {
            let connection = match pool.take() {
                Some(connection) => connection,
                None => connect(&pool.path)?,
            };
            let result = query(&connection);
            pool.give(connection);
            result
        });
        Ok(result.await.map_err(|_| ReadError::Ending)??)
    }
}

impl Pool {
    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.execute_batch("PRAGMA cache_size = -4096;")?;
    Ok(connection)
}

fn traces(
    connection: &Connection,
    filter: &Filter,
    before: Option<Cursor>,
    limit: usize,
) -> rusqlite::Result<Page> {
    let mut sql =
        "SELECT id, listed, trace_id, name, service, start, finish, span_count, error_count, services, root
                   FROM traces WHERE (listed, id) < (?, ?)"
            .to_owned();
    let (listed, id) = before.unwrap_or((i64::MAX, i64::MAX));
    let mut arguments: Vec<Box<dyn ToSql>> = vec![Box::new(listed), Box::new(id)];
    if let Some(service) = &filter.service {
        sql += " AND EXISTS (SELECT 1 FROM json_each(services) WHERE value = ?)";
        arguments.push(Box::new(service.clone()));
    }
    if let Some(least) = filter.min_duration_nano {
        sql += " AND finish - start >= ?";
        arguments.push(Box::new(least));
    }
    match filter.error {
        Some(true) => sql += " AND error_count > 0",
        Some(false) => sql += " AND error_count = 0",
        None => {}
    }
    sql += " ORDER BY listed DESC, id DESC LIMIT ?";
    arguments.push(Box::new(limit));

    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(arguments))?;
    let mut traces = Vec::with_capacity(limit.min(64));
    let mut last = None;
    while let Some(row) = rows.next()? {
        last = Some((row.get(1)?, row.get(0)?));
        traces.push(summary(row)?);
    }
    Ok(Page { next: last.filter(|_| traces.len() == limit), traces })
}

fn summary(row: &Row<'_>) -> rusqlite::Result<Summary> {
    let id = trace_id(row.get(2)?);
    let start = row.get(5)?;
    Ok(Summary {
        trace_id: id.to_w3c(),
        xray_trace_id: id.to_string(),
        name: row.get(3)?,
        service: row.get(4)?,
        start_unix_nano: start,
        duration_nano: row.get::<_, i64>(6)? - start,
        span_count: row.get(7)?,
        error_count: row.get(8)?,
        services: serde_json::from_str(row.get_ref(9)?.as_str()?).unwrap_or_default(),
        root: row.get(10)?,
    })
}

pub(super) fn trace_id(bytes: [u8; 16]) -> TraceId {
    TraceId::from_bytes(bytes).expect("only valid ids are written")
}

fn trace(connection: &Connection, id: TraceId) -> rusqlite::Result<TraceHead> {
    // One transaction, so that the spans are those of the row.
    let connection = connection.unchecked_transaction()?;
    let pruned: Option<i64> = connection
        .prepare_cached("SELECT pruned FROM tombstones WHERE trace_id = ?")?
        .query_row([id.to_bytes()], |row| row.get(0))
        .optional()?;
    let row: Option<(i64, i64, i64)> = connection
        .prepare_cached("SELECT id, start, finish FROM traces WHERE trace_id = ?")?
        .query_row([id.to_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((trace, start, finish)) = row else {
        return Ok(pruned.map_or(TraceHead::Unknown, TraceHead::Pruned));
    };
    let mut spans: Vec<(i64, i64, i64)> = connection
        .prepare_cached("SELECT start, id, sources FROM spans WHERE trace = ?")?
        .query_map([trace], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    spans.sort_unstable();
    let sources = spans.iter().fold(0, |all, (_, _, sources)| all | sources);
    let rows = spans.into_iter().map(|(_, id, _)| id).collect();
    Ok(TraceHead::Found(Found { start, duration: finish - start, pruned, trace, rows, sources }))
}

const SPAN: &str =
    "SELECT s.span_id, s.parent_span_id, s.name, s.kind, o.service, s.start, s.duration, s.status,
    s.status_message, s.attributes, o.resource, o.scope, s.events, s.links, s.sources,
    k.keys
    FROM spans s JOIN origins o ON o.id = s.origin LEFT JOIN shapes k ON k.id = s.shape";

fn write_span(row: &Row<'_>, trace_id: &str, json: &mut Vec<u8>) -> rusqlite::Result<()> {
    let raw = |column: usize, empty: &'static str| -> rusqlite::Result<&RawValue> {
        let text = row.get_ref(column)?.as_str_or_null()?;
        Ok(serde_json::from_str(text.unwrap_or(empty)).expect("only JSON is written"))
    };
    let attributes = attributes::object(
        row.get_ref(15)?.as_str_or_null()?,
        row.get_ref(9)?.as_str_or_null()?.unwrap_or("{}"),
    );
    let sources = Source::of(row.get(14)?);
    let span = SpanJson {
        trace_id,
        span_id: span_id(row.get(0)?).to_string(),
        parent_span_id: row.get::<_, Option<_>>(1)?.map(|bytes| span_id(bytes).to_string()),
        name: row.get_ref(2)?.as_str()?,
        kind: Kind::from_otlp(row.get(3)?),
        service: row.get_ref(4)?.as_str()?,
        start_unix_nano: row.get(5)?,
        duration_nano: row.get(6)?,
        status: Status::from_otlp(row.get(7)?),
        status_message: row.get_ref(8)?.as_str_or_null()?,
        attributes: serde_json::from_str(&attributes).expect("only JSON is written"),
        resource: raw(10, "{}")?,
        scope: raw(11, "null")?,
        events: raw(12, "[]")?,
        links: raw(13, "[]")?,
        source: sources[0],
        sources,
    };
    serde_json::to_writer(json, &span).expect("text keys are always JSON, and a Vec takes all");
    Ok(())
}

pub(super) fn span_id(bytes: [u8; 8]) -> SpanId {
    SpanId::from_bytes(bytes).expect("only valid ids are written")
}
