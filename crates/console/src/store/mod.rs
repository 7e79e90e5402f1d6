//! Spans on disk: SQLite in WAL mode, one thread that writes, a few connections that read.

pub(crate) mod attributes;
mod brief;
mod changes;
mod errors;
mod insert;
mod logs;
mod prune;
mod read;
mod search;
mod summary;
mod write;
mod xray;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{broadcast, watch};

use crate::stats::Stats;
use crate::wire::Summary;

pub(crate) use changes::{Changes, Pending};
pub(crate) use errors::{ErrorFilter, Errors};
pub(crate) use logs::Logs;
pub(crate) use read::{Cursor, Filter, Found, Page, ReadError, Reader, TraceHead};
pub(crate) use search::{LogFilter, Place, Term, Text, Words};
pub(crate) use write::{Overloaded, Writer};
pub(crate) use xray::{DocumentRow, Documents, plain_span};

/// A single trace keeps no more spans; it still opens in a browser, and its list of row ids takes 4 MB.
pub(crate) const MAX_SPANS_PER_TRACE: u64 = 250_000;

/// News that a slow reader may lag behind by before it is told to ask again.
const NEWS_CAPACITY: usize = 64;

/// The schema that this build reads and writes. Another one is refused, never guessed at.
const SCHEMA_VERSION: i64 = 4;

/// `spans.sources`: bits. A span that came both ways is one span, with the data that OTLP brought.
pub(crate) mod sources {
    pub(crate) const OTLP: i64 = 1;
    pub(crate) const XRAY: i64 = 2;
    /// The X-Ray document was in progress; a later one replaces what it brought.
    pub(crate) const OPEN: i64 = 4;
    /// A subsegment that waits for its parent to learn its service.
    pub(crate) const OF_PARENT: i64 = 8;
}

/// The summaries that one commit changed.
pub(crate) type News = Arc<Vec<Summary>>;

/// The whole store; dropping it stops the writer after its queue is empty.
pub(crate) struct Store {
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
    pub(crate) news: broadcast::Sender<News>,
    pub(crate) errors: Errors,
    pub(crate) logs: Logs,
    pub(crate) changes: Arc<Changes>,
    /// The database.
    pub(crate) path: PathBuf,
    /// Held until the process ends, so that no second console writes here.
    _lock: File,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("{path}: {source}")]
    Directory { path: PathBuf, source: std::io::Error },
    #[error("{0} is used by another console; give this one a CONSOLE_DATA_DIR of its own")]
    Locked(PathBuf),
    #[error(
        "{path} has schema {found}, this console reads {SCHEMA_VERSION}; give it another CONSOLE_DATA_DIR"
    )]
    Schema { path: PathBuf, found: i64 },
    #[error("{path}: {source}")]
    Sqlite { path: PathBuf, source: rusqlite::Error },
}

impl Store {
    /// Opens `dir`, or begins there. A file that is no database is put aside, so that the console starts.
    pub(crate) fn open(dir: &Path, max_bytes: u64, stats: Arc<Stats>) -> Result<Self, OpenError> {
        let directory = |source| OpenError::Directory { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(directory)?;
        let lock = File::create(dir.join("lock")).map_err(directory)?;
        lock.try_lock().map_err(|_| OpenError::Locked(dir.to_owned()))?;

        let path = dir.join("traces.db");
        let sqlite = |source| OpenError::Sqlite { path: path.clone(), source };
        let connection = match connect(&path) {
            Err(error) if is_no_database(&error) => {
                let aside = dir.join(format!("traces.db.broken-{}", now().unsigned_abs() / 1_000_000_000));
                tracing::error!(path = %path.display(), aside = %aside.display(), "not a database: put aside, starting empty");
                fs::rename(&path, &aside).map_err(directory)?;
                for beside in ["traces.db-wal", "traces.db-shm"] {
                    let _ = fs::remove_file(dir.join(beside));
                }
                connect(&path)
            }
            other => other,
        };
        let connection = connection.map_err(sqlite)?;
        let version =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)?;
        let steps: &[&str] = match version {
            0 => &[include_str!("schema.sql"), include_str!("schema-3.sql"), include_str!("schema-4.sql")],
            1 => &[include_str!("schema-2.sql"), include_str!("schema-3.sql"), include_str!("schema-4.sql")],
            2 => &[include_str!("schema-3.sql"), include_str!("schema-4.sql")],
            3 => &[include_str!("schema-4.sql")],
            SCHEMA_VERSION => &[],
            found => return Err(OpenError::Schema { path, found }),
        };
        if !steps.is_empty() {
            let steps = steps.concat();
            connection
                .execute_batch(&format!("BEGIN;{steps}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;"))
                .map_err(sqlite)?;
        }
        let (news, _) = broadcast::channel(NEWS_CAPACITY);
        let changes = Arc::new(Changes::default());
        let reader = Reader::open(&path).map_err(sqlite)?;
        let writer = Writer::start(connection, max_bytes, stats.clone(), news.clone(), changes.clone())
            .map_err(sqlite)?;
        let errors = Errors { writer: writer.clone(), counters: Arc::default(), stats };
        let logs = Logs {
            writer: writer.clone(),
            reader: reader.clone(),
            counters: Arc::default(),
            news: watch::Sender::new(0),
        };
        Ok(Self { errors, logs, writer, reader, news, changes, path, _lock: lock })
    }
}

/// `NORMAL`: a commit survives the death of the process, but maybe not of the machine; `FULL` would cost an fsync each.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -8192;
         PRAGMA temp_store = MEMORY;",
    )?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn is_no_database(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos() as i64)
}
