//! The thread that keeps the columns what the store is.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use query::{Code, ColumnId, Table, Value};
use rusqlite::{Connection, OpenFlags, Row};
use tokio::sync::watch;

use super::row::{self, Cells, SpanCells};
use crate::store::{Changes, Pending, attributes};

/// Rows that are read, then taken in at once: some milliseconds in which no question is answered.
const BATCH: usize = 1_000;
/// Resources and scopes whose cells are remembered.
const KNOWN_ORIGINS: usize = 4_096;

/// Kinds and statuses whose cells are remembered; senders may make up numbers.
const KNOWN_COMMON: usize = 256;

const SPANS: &str =
    "SELECT id, trace, span_id, parent_span_id, origin, name, kind, status, status_message, start, duration,
    attributes, events, links, shape FROM spans";

/// Columns with their codes.
type Codes = Vec<(ColumnId, Code)>;

pub(super) struct Follower {
    connection: Connection,
    table: Arc<RwLock<Table>>,
    max_bytes: usize,
    /// The last row that was taken in.
    last: i64,
    /// Codes of a resource and its scope, by the row of `origins`, for one generation of the table.
    origins: HashMap<i64, Codes>,
    /// The same of a kind and a status.
    common: HashMap<(i32, i32), Codes>,
    generation: u64,
    /// By the row of `shapes`, none of which ever changes; the store bounds their number and length.
    shapes: HashMap<i64, Vec<String>>,
}

impl Follower {
    pub(super) fn open(path: &Path, table: Arc<RwLock<Table>>, max_bytes: usize) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.execute_batch("PRAGMA cache_size = -4096;")?;
        Ok(Self {
            connection,
            table,
            max_bytes,
            last: 0,
            origins: HashMap::new(),
            common: HashMap::new(),
            generation: 0,
            shapes: HashMap::new(),
        })
    }

    /// Until the changes are closed.
    pub(super) fn run(mut self, changes: &Changes, tell: &watch::Sender<u64>) {
        // What is there already counts as version 0, so that a question before the first commit waits for nothing.
        let mut pending = Pending { version: changes.version(), ..Pending::default() };
        loop {
            let version = pending.version;
            if let Err(error) = self.apply(pending, changes) {
                tracing::error!(%error, "the columns of the query builder are made anew");
                self.start_anew();
                if let Err(error) = self.take_new(changes) {
                    tracing::error!(%error, "the columns of the query builder stay behind");
                }
            }
            tell.send_replace(version);
            pending = changes.wait(version);
            if pending.is_closed {
                return;
            }
        }
    }

    fn apply(&mut self, pending: Pending, changes: &Changes) -> rusqlite::Result<()> {
        let Pending { pruned, mut replaced, is_too_much, .. } = pending;
        if is_too_much {
            self.start_anew();
        }
        for prune in pruned {
            self.write().prune(prune.trace, prune.last);
            self.last = self.last.min(prune.last);
            // Their rows may be others now.
            self.origins.clear();
        }
        // Later ones are yet to be read.
        replaced.retain(|id| *id <= self.last);
        if !replaced.is_empty() {
            self.origins.clear();
            self.replace(&replaced)?;
        }
        self.take_new(changes)
    }

    fn take_new(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        loop {
            let mut spans = Vec::with_capacity(BATCH);
            self.read(&format!("{SPANS} WHERE id > ?1 ORDER BY id LIMIT {BATCH}"), self.last, &mut spans)?;
            self.append(&spans)?;
            let Some(last) = spans.last() else { return Ok(()) };
            self.last = last.head.id;
            if changes.is_closed() {
                return Ok(());
            }
        }
    }

    fn replace(&mut self, ids: &HashSet<i64>) -> rusqlite::Result<()> {
        let mut spans = Vec::with_capacity(ids.len());
        for id in ids {
            self.read(&format!("{SPANS} WHERE id = ?1"), *id, &mut spans)?;
        }
        self.write().remove(ids);
        self.append(&spans)
    }

    /// Appends the spans of a SELECT.
    fn read(&mut self, sql: &str, number: i64, into: &mut Vec<SpanCells>) -> rusqlite::Result<()> {
        let Self { connection, shapes, .. } = self;
        let mut spans = connection.prepare_cached(sql)?;
        // While rows are read, SQLite sees one state of the store: what they name is there.
        let mut trace_id = connection.prepare_cached("SELECT trace_id FROM traces WHERE id = ?")?;
        let mut traces: HashMap<i64, [u8; 16]> = HashMap::new();
        let mut rows = spans.query([number])?;
        while let Some(row) = rows.next()? {
            let trace = row.get(1)?;
            let trace_id = match traces.entry(trace) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => *new.insert(trace_id.query_row([trace], |row| row.get(0))?),
            };
            let span = span(row, trace, trace_id)?;
            if let Some(Entry::Vacant(new)) = span.shape.map(|shape| shapes.entry(shape)) {
                let mut keys = connection.prepare_cached("SELECT keys FROM shapes WHERE id = ?")?;
                new.insert(
                    keys.query_row([span.shape], |row| Ok(attributes::keys(row.get_ref(0)?.as_str()?)))?,
                );
            }
            into.push(span);
        }
        Ok(())
    }

    fn append(&mut self, spans: &[SpanCells]) -> rusqlite::Result<()> {
        let mut origins: HashMap<i64, Cells> = HashMap::new();
        for span in spans {
            if !self.origins.contains_key(&span.origin) && !origins.contains_key(&span.origin) {
                origins.insert(span.origin, self.origin(span.origin)?);
            }
        }
        let table = self.table.clone();
        let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
        for span in spans {
            table.append(&span.head);
            if self.generation != table.generation() || self.origins.len() > KNOWN_ORIGINS {
                self.generation = table.generation();
                // Codes are others now; the cells are read again below.
                self.origins.clear();
                self.common.clear();
            }
            let origin = if let Some(origin) = self.origins.get(&span.origin) {
                origin
            } else {
                let cells = if let Some(cells) = origins.get(&span.origin) {
                    cells
                } else {
                    let cells = self.origin(span.origin)?;
                    origins.entry(span.origin).or_insert(cells)
                };
                let codes = codes(&mut table, cells);
                self.origins.entry(span.origin).or_insert(codes)
            };
            if self.common.len() > KNOWN_COMMON {
                self.common.clear();
            }
            let common = self
                .common
                .entry((span.kind, span.status))
                .or_insert_with(|| codes(&mut table, &row::common(span.kind, span.status)));
            let keys = span.shape.and_then(|shape| self.shapes.get(&shape)).map(Vec::as_slice);
            row::set(&mut table, span, common, origin, keys);
        }
        Ok(())
    }

    /// What all spans of one resource and scope have.
    fn origin(&self, id: i64) -> rusqlite::Result<Cells> {
        let mut statement =
            self.connection.prepare_cached("SELECT service, resource, scope FROM origins WHERE id = ?")?;
        let mut rows = statement.query([id])?;
        let Some(row) = rows.next()? else { return Ok(Cells::new()) };
        Ok(row::origin(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?))
    }

    fn start_anew(&mut self) {
        *self.write() = Table::new(self.max_bytes);
        self.last = 0;
        self.generation = 0;
        self.origins.clear();
        self.common.clear();
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn codes(table: &mut Table, cells: &Cells) -> Codes {
    let code = |(name, value): &(String, Value)| {
        let column = table.column(name)?;
        Some((column, table.code(column, value.as_ref())))
    };
    cells.iter().filter_map(code).collect()
}

fn span(row: &Row<'_>, trace: i64, trace_id: [u8; 16]) -> rusqlite::Result<SpanCells> {
    let span_id: [u8; 8] = row.get(2)?;
    let parent: Option<[u8; 8]> = row.get(3)?;
    Ok(SpanCells {
        head: query::Head {
            id: row.get(0)?,
            trace,
            trace_id,
            span_id: u64::from_be_bytes(span_id),
            parent_id: parent.map_or(0, u64::from_be_bytes),
            time: row.get(9)?,
            duration: row.get(10)?,
        },
        origin: row.get(4)?,
        name: row.get(5)?,
        kind: row.get(6)?,
        status: row.get(7)?,
        status_message: row.get(8)?,
        attributes: row.get(11)?,
        events: row.get(12)?,
        links: row.get(13)?,
        shape: row.get(14)?,
    })
}
