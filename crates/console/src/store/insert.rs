//! One span into its row, or into the one it already has.

use std::borrow::Cow;
use std::collections::HashMap;

use rusqlite::{CachedStatement, Transaction, params};

use super::sources;
use super::summary::Before;
use crate::ingest::decode::{Origin, SpanRow};

/// Origins whose row ids are remembered. A sender with a new resource for every span costs look-ups, not memory.
const KNOWN_ORIGINS: usize = 1_024;
/// Lists of keys that are stored apart from their values, and the longest such list: 8 MB at most, all of it remembered.
/// A sender with new keys for every span gets its keys stored with each.
const MAX_SHAPES: usize = 2_048;
const MAX_SHAPE_BYTES: usize = 4_096;

/// What became of one span.
pub(super) enum Inserted {
    New,
    /// Sent again.
    Known,
    /// Known before by the other format, or in progress; the row before, if its data are replaced.
    Merged(Option<Before>),
}

/// Row ids of what many spans share.
#[derive(Default)]
pub(super) struct Known {
    origins: HashMap<Origin, i64>,
    /// The newest trace of each origin that had a span in this transaction.
    last_traces: HashMap<i64, i64>,
    /// All of them, once one was asked for.
    shapes: Option<HashMap<String, i64>>,
}

impl Known {
    /// Rows may be gone: pruned, or with a transaction that failed.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The row of an origin that `trace` has a span of.
    pub(super) fn origin(
        &mut self,
        transaction: &Transaction<'_>,
        origin: &Origin,
        trace: i64,
    ) -> rusqlite::Result<i64> {
        if let Some(id) = self.origins.get(origin).copied() {
            self.is_of(id, trace);
            return Ok(id);
        }
        let id = transaction
            .prepare_cached(
                "INSERT INTO origins (service, resource, scope, last_trace) VALUES (?, ?, ?, ?)
                 ON CONFLICT (resource, scope) DO UPDATE SET last_trace = max(last_trace, excluded.last_trace)
                 RETURNING id",
            )?
            .query_row(params![origin.service, origin.resource, origin.scope, trace], |row| row.get(0))?;
        if self.origins.len() >= KNOWN_ORIGINS {
            self.origins.clear();
        }
        self.origins.insert(origin.clone(), id);
        Ok(id)
    }

    /// `trace` has a span of this origin, too.
    pub(super) fn is_of(&mut self, origin: i64, trace: i64) {
        let last = self.last_traces.entry(origin).or_insert(trace);
        *last = trace.max(*last);
    }

    /// Before the transaction is committed.
    pub(super) fn save(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut save = transaction
            .prepare_cached("UPDATE origins SET last_trace = ?2 WHERE id = ?1 AND last_trace < ?2")?;
        for (id, trace) in self.last_traces.drain() {
            save.execute([id, trace])?;
        }
        Ok(())
    }

    /// The columns `shape` and `attributes`.
    fn attributes<'a>(
        &mut self,
        transaction: &Transaction<'_>,
        span: &'a SpanRow,
    ) -> rusqlite::Result<(Option<i64>, Option<Cow<'a, str>>)> {
        let Some(attributes) = &span.attributes else { return Ok((None, None)) };
        Ok(match self.shape(transaction, &attributes.keys)? {
            Some(shape) => (Some(shape), Some(Cow::Borrowed(&attributes.values))),
            None => (None, Some(Cow::Owned(attributes.to_object()))),
        })
    }

    fn shape(&mut self, transaction: &Transaction<'_>, keys: &str) -> rusqlite::Result<Option<i64>> {
        let shapes = match &mut self.shapes {
            Some(shapes) => shapes,
            none => none.insert(
                transaction
                    .prepare_cached("SELECT keys, id FROM shapes")?
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect::<Result<_, _>>()?,
            ),
        };
        if let Some(id) = shapes.get(keys) {
            return Ok(Some(*id));
        }
        if shapes.len() >= MAX_SHAPES || keys.len() > MAX_SHAPE_BYTES {
            return Ok(None);
        }
        transaction.prepare_cached("INSERT INTO shapes (keys) VALUES (?)")?.execute([keys])?;
        let id = transaction.last_insert_rowid();
        shapes.insert(keys.to_owned(), id);
        Ok(Some(id))
    }
}

/// The statement of [`insert`], prepared once for a transaction.
pub(super) fn prepare<'t>(transaction: &'t Transaction<'_>) -> rusqlite::Result<CachedStatement<'t>> {
    transaction.prepare_cached(
        "INSERT OR IGNORE INTO spans (trace, span_id, parent_span_id, origin, name, kind, status,
             status_message, start, duration, attributes, events, links, sources, shape)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
}

/// A span is one row whichever way it came. What OTLP brings wins, since a translation loses; of X-Ray's documents a
/// complete one replaces one in progress, and the first complete one stays.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    prepared: &mut CachedStatement<'_>,
    known: &mut Known,
    trace: i64,
    origin: i64,
    span: &SpanRow,
) -> rusqlite::Result<Inserted> {
    let (shape, attributes) = known.attributes(transaction, span)?;
    let is_new = prepared.execute(params![
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
        attributes,
        span.events,
        span.links,
        span.sources,
        shape,
    ])?;
    if is_new == 1 {
        return Ok(Inserted::New);
    }
    let (id, known, before) = transaction
        .prepare_cached(
            "SELECT s.id, s.sources, s.status, s.start, o.service FROM spans s JOIN origins o ON o.id = s.origin
             WHERE s.trace = ? AND s.span_id = ?",
        )?
        .query_row(params![trace, span.span_id.to_bytes()], |row| {
            let before =
                Before { id: row.get(0)?, status: row.get(2)?, start: row.get(3)?, service: row.get(4)? };
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
                 start = ?, duration = ?, attributes = ?, events = ?, links = ?, sources = ?,
                 shape = ?
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
            attributes,
            span.events,
            span.links,
            merged,
            shape,
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
