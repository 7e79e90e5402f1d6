//! What the list of traces shows, kept up to date span by span.

use rusqlite::{OptionalExtension, Transaction, params};
use xray::id::TraceId;

use super::sources;
use crate::ingest::decode::SpanRow;
use crate::wire::Summary;

/// Services that a summary names; a trace of more shows the first ones.
const LISTED_SERVICES: usize = 100;

/// A row of `traces`, kept in memory for the length of a transaction.
pub(super) struct TraceRow {
    pub(super) id: i64,
    listed: i64,
    start: i64,
    finish: i64,
    pub(super) span_count: u64,
    error_count: u64,
    root: bool,
    head_start: i64,
    name: String,
    service: String,
    services: Vec<String>,
    /// A span has another service than before: the list may name one that has none any more.
    is_renamed: bool,
}

/// What a summary counted of a span that is replaced.
pub(super) struct Before {
    pub(super) id: i64,
    pub(super) status: i64,
    pub(super) start: i64,
    pub(super) service: String,
}

impl TraceRow {
    /// The row, and whether it is new. A new one has no span yet.
    pub(super) fn load_or_insert(
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
                    is_renamed: false,
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
            is_renamed: false,
        };
        Ok((row, true))
    }

    /// A span whose data are others from now on.
    pub(super) fn replace(&mut self, before: &Before, span: &SpanRow, service: &str) {
        let was_head = before.start == self.head_start;
        self.span_count -= 1;
        self.error_count -= u64::from(before.status == 2);
        self.is_renamed |= before.service != service;
        self.add(span, service);
        if was_head && span.parent_span_id.is_none() == self.root {
            self.head_start = span.start;
            self.name.clone_from(&span.name);
            service.clone_into(&mut self.service);
        }
    }

    pub(super) fn add(&mut self, span: &SpanRow, service: &str) {
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

    /// Services that are known only now, by their segments.
    pub(super) fn add_services(&mut self, found: Vec<String>) {
        self.services.extend(found);
        self.services.sort_unstable();
        self.services.dedup();
        self.services.truncate(LISTED_SERVICES);
    }

    pub(super) fn save(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        if std::mem::take(&mut self.is_renamed) {
            // Subsegments that wait for their parent have none yet.
            self.services = transaction
                .prepare_cached(
                    "SELECT DISTINCT o.service FROM spans s JOIN origins o ON o.id = s.origin
                     WHERE s.trace = ? AND s.sources < 8 ORDER BY o.service LIMIT ?",
                )?
                .query_map(params![self.id, LISTED_SERVICES], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
        }
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

    pub(super) fn summary(&self, id: TraceId) -> Summary {
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
