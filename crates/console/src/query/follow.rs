//! The thread that keeps the columns what the store is.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use query::{Code, ColumnId, Table};
use rusqlite::{Connection, OpenFlags, Row};
use tokio::sync::watch;

use super::row::{self, Cells, SpanCells};
use crate::store::{Changes, Pending};

/// Rows that are read, then taken in at once: some milliseconds in which no question is answered.
const BATCH: usize = 1_000;
/// Resources and scopes whose cells are remembered.
const KNOWN_ORIGINS: usize = 4_096;

const SPANS: &str =
    "SELECT s.id, s.trace, t.trace_id, s.span_id, s.parent_span_id, s.origin, s.name, s.kind, s.status,
    s.status_message, s.start, s.duration, s.attributes, s.events, s.links, k.keys
    FROM spans s JOIN traces t ON t.id = s.trace LEFT JOIN shapes k ON k.id = s.shape";

pub(super) struct Follower {
    connection: Connection,
    table: Arc<RwLock<Table>>,
    max_bytes: usize,
    /// The last row that was taken in.
    last: i64,
    /// Codes of a resource and its scope, by the row of `origins`, for one generation of the table.
    origins: HashMap<i64, Vec<(ColumnId, Code)>>,
    generation: u64,
}

impl Follower {
    pub(super) fn open(path: &Path, table: Arc<RwLock<Table>>, max_bytes: usize) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.execute_batch("PRAGMA cache_size = -4096;")?;
        Ok(Self { connection, table, max_bytes, last: 0, origins: HashMap::new(), generation: 0 })
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
            let sql = format!("{SPANS} WHERE s.id > ?1 ORDER BY s.id LIMIT {BATCH}");
            let spans: Vec<SpanCells> = self
                .connection
                .prepare_cached(&sql)?
                .query_map([self.last], read)?
                .collect::<Result<_, _>>()?;
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
        {
            let mut statement = self.connection.prepare_cached(&format!("{SPANS} WHERE s.id = ?1"))?;
            for id in ids {
                let mut rows = statement.query([id])?;
                if let Some(row) = rows.next()? {
                    spans.push(read(row)?);
                }
            }
        }
        self.write().remove(ids);
        self.append(&spans)
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
                let codes = cells
                    .iter()
                    .filter_map(|(name, value)| {
                        let column = table.column(name)?;
                        Some((column, table.code(column, value.as_ref())))
                    })
                    .collect();
                self.origins.entry(span.origin).or_insert(codes)
            };
            row::set(&mut table, span, origin);
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
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<SpanCells> {
    let span_id: [u8; 8] = row.get(3)?;
    let parent: Option<[u8; 8]> = row.get(4)?;
    Ok(SpanCells {
        head: query::Head {
            id: row.get(0)?,
            trace: row.get(1)?,
            trace_id: row.get(2)?,
            span_id: u64::from_be_bytes(span_id),
            parent_id: parent.map_or(0, u64::from_be_bytes),
            time: row.get(10)?,
            duration: row.get(11)?,
        },
        origin: row.get(5)?,
        name: row.get(6)?,
        kind: row.get(7)?,
        status: row.get(8)?,
        status_message: row.get(9)?,
        attributes: row.get(12)?,
        events: row.get(13)?,
        links: row.get(14)?,
        keys: row.get(15)?,
    })
}
