//! X-Ray documents on disk, and the store as `vendor-apis` asks it.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::{Map, Value};
use vendor_apis::xray::span::{Event, Link, Origin as SpanOrigin, Span, Status, of_document, service};
use vendor_apis::xray::store::{Cursor, Listed, Outcome, Received, Store, Trace, Unavailable, Window};
use xray::span::Kind;
use xray::{SpanId, TraceId};

use super::attributes::{self, Attributes};
use super::read::Reader;
use super::sources;
use super::write::Writer;
use crate::ingest::decode::{Batch, Origin, SpanRow};
use crate::wire::Scope;

/// Where groups and rules are kept.
const SETTINGS: &str = "xray";
/// Documents and spans of one trace that are given at once. X-Ray itself keeps 500 KB of a trace.
const MAX_PER_TRACE: usize = 10_000;

/// As it goes into `documents`.
#[derive(Debug)]
pub(crate) struct DocumentRow {
    trace_id: TraceId,
    segment_id: SpanId,
    is_in_progress: bool,
    text: String,
}

/// A document as `GET /api/xray/traces/{trace_id}` shows it.
#[derive(Debug)]
pub(crate) struct StoredDocument {
    pub(crate) segment_id: SpanId,
    pub(crate) received: i64,
    pub(crate) is_in_progress: bool,
    pub(crate) text: String,
}

/// What became of a request's documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DocumentOutcome {
    pub(crate) stored: u64,
    pub(crate) duplicates: u64,
    pub(crate) trace_too_large: u64,
}

/// The way of `vendor-apis` to the store.
pub(crate) struct Documents {
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
}

impl Store for Documents {
    fn put(&self, documents: Vec<Received>) -> BoxFuture<'_, Result<Outcome, Unavailable>> {
        async move {
            let outcome = self.writer.write_documents(batch(documents)).await.map_err(|_| Unavailable)?;
            let DocumentOutcome { stored, duplicates, trace_too_large } = outcome.documents;
            Ok(Outcome { stored, duplicates, trace_too_large })
        }
        .boxed()
    }

    fn list(
        &self,
        window: Window,
        after: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Listed>, Unavailable>> {
        self.read(move |connection| list(connection, window, after, limit))
    }

    fn trace(&self, id: TraceId) -> BoxFuture<'_, Result<Option<Trace>, Unavailable>> {
        self.read(move |connection| trace(connection, id))
    }

    fn settings(&self) -> BoxFuture<'_, Result<Option<String>, Unavailable>> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT value FROM settings WHERE name = ?")?
                .query_row([SETTINGS], |row| row.get(0))
                .optional()
        })
    }

    fn save_settings(&self, settings: String) -> BoxFuture<'_, Result<(), Unavailable>> {
        async move { self.writer.set(SETTINGS, settings).await.map_err(|_| Unavailable) }.boxed()
    }
}

impl Documents {
    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, Unavailable>> {
        async move {
            self.reader.read(query).await.map_err(|error| {
                tracing::error!(%error, "query failed");
                Unavailable
            })
        }
        .boxed()
    }
}

/// Documents and the spans that they mean.
fn batch(documents: Vec<Received>) -> Batch {
    let mut batch = Batch::default();
    for Received { text, document } in documents {
        let (Some(trace_id), Some(segment_id)) = (document.trace_id, document.id) else { continue };
        for span in of_document(&document) {
            let origin = origin(&span.origin);
            if batch.origins.last() != Some(&origin) {
                batch.origins.push(origin);
            }
            batch.spans.push(row(span, batch.origins.len() - 1));
        }
        let is_in_progress = document.end_time.is_none();
        batch.documents.push(DocumentRow { trace_id, segment_id, is_in_progress, text });
    }
    batch
}

fn origin(origin: &SpanOrigin) -> Origin {
    let unknown = "unknown_service";
    match origin {
        SpanOrigin::Known { resource, scope } => Origin {
            service: service(resource).unwrap_or(unknown).to_owned(),
            resource: to_json(resource),
            scope: to_json(
                &scope.as_ref().map(|(name, version)| Scope { name: name.clone(), version: version.clone() }),
            ),
        },
        SpanOrigin::OfParent => {
            Origin { service: unknown.to_owned(), resource: "{}".to_owned(), scope: "null".to_owned() }
        }
    }
}

fn row(span: Span, origin: usize) -> SpanRow {
    let (status, status_message) = match span.status {
        Status::Unset => (0, None),
        Status::Ok => (1, None),
        Status::Error(message) => (2, Some(message).filter(|message| !message.is_empty())),
    };
    let open = if span.in_progress { sources::OPEN } else { 0 };
    let of_parent = if span.origin == SpanOrigin::OfParent { sources::OF_PARENT } else { 0 };
    SpanRow {
        origin,
        trace_id: span.trace_id,
        span_id: span.id,
        parent_span_id: span.parent,
        name: span.name,
        kind: match span.kind {
            Kind::Internal => 1,
            Kind::Server => 2,
            Kind::Client => 3,
            Kind::Producer => 4,
            Kind::Consumer => 5,
        },
        status,
        status_message,
        start: span.start,
        duration: span.duration,
        attributes: Attributes::new(span.attributes.iter().map(|(key, value)| (key.as_str(), value))),
        events: (!span.events.is_empty()).then(|| to_json(&span.events)),
        links: (!span.links.is_empty()).then(|| to_json(&span.links)),
        sources: sources::XRAY | open | of_parent,
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("text keys and finite numbers are always JSON")
}

/// A complete document replaces one in progress, and one in progress the one before. `trace` gives the row of a trace
/// that has room.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    documents: &[DocumentRow],
    arrival: i64,
    trace: impl Fn(TraceId) -> Option<i64>,
) -> rusqlite::Result<DocumentOutcome> {
    let mut outcome = DocumentOutcome::default();
    for document in documents {
        let Some(trace) = trace(document.trace_id) else {
            outcome.trace_too_large += 1;
            continue;
        };
        let written = transaction
            .prepare_cached(
                "INSERT INTO documents (trace, segment_id, received, in_progress, document)
                 VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (trace, segment_id) DO UPDATE SET received = excluded.received,
                     in_progress = excluded.in_progress, document = excluded.document
                 WHERE in_progress",
            )?
            .execute(params![
                trace,
                document.segment_id.to_bytes(),
                arrival,
                document.is_in_progress,
                document.text,
            ])?;
        if written == 1 {
            outcome.stored += 1;
        } else {
            outcome.duplicates += 1;
        }
    }
    Ok(outcome)
}

/// Whether any subsegment waits for its segment.
pub(super) fn is_waited(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM spans INDEXED BY spans_of_parent WHERE sources >= 8)")?
        .query_row([], |row| row.get(0))
}

/// Gives subsegments that came before their segment the origin of their parent, generation after generation. Returns
/// the services of the trace, if any changed.
pub(super) fn find_services(transaction: &Transaction<'_>, trace: i64) -> rusqlite::Result<Vec<String>> {
    let mut found = false;
    loop {
        let changed = transaction
            .prepare_cached(
                "UPDATE spans SET origin = parent.origin, sources = spans.sources & 7
                 FROM spans AS parent
                 WHERE spans.trace = ?1 AND spans.sources >= 8
                     AND parent.trace = spans.trace AND parent.span_id = spans.parent_span_id
                     AND parent.sources < 8",
            )?
            .execute([trace])?;
        if changed == 0 {
            break;
        }
        found = true;
    }
    if !found {
        return Ok(Vec::new());
    }
    transaction
        .prepare_cached(
            "SELECT DISTINCT o.service FROM spans s JOIN origins o ON o.id = s.origin
             WHERE s.trace = ? AND s.sources < 8",
        )?
        .query_map([trace], |row| row.get(0))?
        .collect()
}

/// The spans of a trace that X-Ray documents brought.
pub(super) fn rows(transaction: &Transaction<'_>, trace: i64) -> rusqlite::Result<Vec<i64>> {
    transaction
        .prepare_cached("SELECT id FROM spans WHERE trace = ? AND sources & 2")?
        .query_map([trace], |row| row.get(0))?
        .collect()
}

/// As received, in the order of arrival.
pub(super) fn documents(connection: &Connection, trace: i64) -> rusqlite::Result<Vec<StoredDocument>> {
    connection
        .prepare_cached(
            "SELECT segment_id, received, in_progress, document FROM documents WHERE trace = ? ORDER BY id",
        )?
        .query_map([trace], |row| {
            Ok(StoredDocument {
                segment_id: super::read::span_id(row.get(0)?),
                received: row.get(1)?,
                is_in_progress: row.get(2)?,
                text: row.get(3)?,
            })
        })?
        .collect()
}

/// By when they begin, the newest first.
fn list(
    connection: &Connection,
    window: Window,
    after: Option<Cursor>,
    limit: usize,
) -> rusqlite::Result<Vec<Listed>> {
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let Cursor(listed, id) = after.unwrap_or(Cursor(i64::MAX, i64::MAX));
    connection
        .prepare_cached(
            "SELECT trace_id, listed, id, start FROM traces
             WHERE (listed, id) < (?1, ?2) AND listed < ?4 AND listed >= ?3 AND start < ?4
             ORDER BY listed DESC, id DESC LIMIT ?5",
        )?
        .query_map(params![listed, id, nanos(window.start), nanos(window.end), limit], |row| {
            Ok(Listed {
                id: super::read::trace_id(row.get(0)?),
                cursor: Cursor(row.get(1)?, row.get(2)?),
                start: Duration::from_nanos(row.get::<_, i64>(3)?.unsigned_abs()),
            })
        })?
        .collect()
}

fn trace(connection: &Connection, id: TraceId) -> rusqlite::Result<Option<Trace>> {
    let connection = connection.unchecked_transaction()?;
    let found: Option<i64> = connection
        .prepare_cached("SELECT id FROM traces WHERE trace_id = ?")?
        .query_row([id.to_bytes()], |row| row.get(0))
        .optional()?;
    let Some(trace) = found else { return Ok(None) };
    let mut documents: Vec<String> = connection
        .prepare_cached("SELECT document FROM documents WHERE trace = ? ORDER BY id LIMIT ?")?
        .query_map(params![trace, MAX_PER_TRACE + 1], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut spans: Vec<Span> = connection
        .prepare_cached(
            "SELECT s.span_id, s.parent_span_id, s.name, s.kind, s.start, s.duration, s.status, s.status_message,
                 s.attributes, s.events, s.links, o.resource, o.scope, k.keys
             FROM spans s JOIN origins o ON o.id = s.origin LEFT JOIN shapes k ON k.id = s.shape
             WHERE s.trace = ? AND s.sources = 1 ORDER BY s.start LIMIT ?",
        )?
        .query_map(params![trace, MAX_PER_TRACE + 1], |row| otlp_span(row, id))?
        .collect::<Result<_, _>>()?;
    let limit_exceeded = documents.len() > MAX_PER_TRACE || spans.len() > MAX_PER_TRACE;
    documents.truncate(MAX_PER_TRACE);
    spans.truncate(MAX_PER_TRACE);
    Ok(Some(Trace { documents, spans, limit_exceeded }))
}

fn otlp_span(row: &Row<'_>, trace_id: TraceId) -> rusqlite::Result<Span> {
    let text = |column: usize| -> rusqlite::Result<Option<String>> { row.get(column) };
    let keys = text(13)?;
    let status = match row.get::<_, i64>(6)? {
        1 => Status::Ok,
        2 => Status::Error(text(7)?.unwrap_or_default()),
        _ => Status::Unset,
    };
    Ok(Span {
        trace_id,
        id: super::read::span_id(row.get(0)?),
        parent: row.get::<_, Option<_>>(1)?.map(super::read::span_id),
        name: row.get(2)?,
        kind: kind(row.get(3)?),
        start: row.get(4)?,
        duration: row.get(5)?,
        in_progress: false,
        status,
        attributes: text(8)?
            .and_then(|stored| serde_json::from_str(&attributes::object(keys.as_deref(), &stored)).ok())
            .unwrap_or_default(),
        events: text(9)?.and_then(|json| serde_json::from_str::<Vec<Event>>(&json).ok()).unwrap_or_default(),
        links: text(10)?.and_then(|json| serde_json::from_str::<Vec<Link>>(&json).ok()).unwrap_or_default(),
        origin: span_origin(&row.get::<_, String>(11)?, &row.get::<_, String>(12)?),
    })
}

/// A received span in plain data, for those who send it on.
pub(crate) fn plain_span(row: &SpanRow, origin: &Origin) -> Span {
    fn parse<T: serde::de::DeserializeOwned + Default>(json: Option<&String>) -> T {
        json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }
    Span {
        trace_id: row.trace_id,
        id: row.span_id,
        parent: row.parent_span_id,
        name: row.name.clone(),
        kind: kind(row.kind.into()),
        start: row.start,
        duration: row.duration,
        in_progress: false,
        status: match row.status {
            1 => Status::Ok,
            2 => Status::Error(row.status_message.clone().unwrap_or_default()),
            _ => Status::Unset,
        },
        attributes: parse(row.attributes.as_ref().map(Attributes::to_object).as_ref()),
        events: parse(row.events.as_ref()),
        links: parse(row.links.as_ref()),
        origin: span_origin(&origin.resource, &origin.scope),
    }
}

fn span_origin(resource: &str, scope: &str) -> SpanOrigin {
    let resource: Map<String, Value> = serde_json::from_str(resource).unwrap_or_default();
    let scope: Option<Scope> = serde_json::from_str(scope).unwrap_or_default();
    SpanOrigin::Known { resource, scope: scope.map(|scope| (scope.name, scope.version)) }
}

fn kind(otlp: i64) -> Kind {
    match otlp {
        2 => Kind::Server,
        3 => Kind::Client,
        4 => Kind::Producer,
        5 => Kind::Consumer,
        _ => Kind::Internal,
    }
}
