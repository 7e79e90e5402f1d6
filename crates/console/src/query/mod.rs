//! The spans once more, as columns: what the query builder asks. They follow the store, and are made anew at start.

mod follow;
mod row;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use query::Table;
use tokio::sync::watch;

use crate::store::Changes;

/// How long a question waits for spans that were acknowledged before it. At start, with much to read, it is answered
/// without them, and says so.
const CATCH_UP: Duration = Duration::from_millis(500);

/// Clones share the columns.
#[derive(Clone)]
pub(crate) struct Columns {
    table: Arc<RwLock<Table>>,
    changes: Arc<Changes>,
    /// The commit up to which they are.
    followed: watch::Receiver<u64>,
    _end: Arc<End>,
}

/// Ends the thread with the last clone.
struct End {
    changes: Arc<Changes>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Columns {
    /// Follows the store in `path`, from its first row on, on a thread of its own.
    pub(crate) fn follow(path: &Path, changes: Arc<Changes>, max_bytes: usize) -> rusqlite::Result<Self> {
        let table = Arc::new(RwLock::new(Table::new(max_bytes)));
        let (tell, followed) = watch::channel(0);
        let follower = follow::Follower::open(path, table.clone(), max_bytes)?;
        let thread = {
            let changes = changes.clone();
            thread::Builder::new()
                .name("columns".to_owned())
                .spawn(move || follower.run(&changes, &tell))
                .expect("a process that just started can start a thread")
        };
        let end = End { changes: changes.clone(), thread: Some(thread) };
        Ok(Self { table, changes, followed, _end: Arc::new(end) })
    }

    /// Everything that was committed before, if it is not too much.
    pub(crate) async fn caught_up(&self) {
        let version = self.changes.version();
        let mut followed = self.followed.clone();
        let _ = tokio::time::timeout(CATCH_UP, followed.wait_for(|followed| *followed >= version)).await;
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.changes.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
