//! What the writer tells those who keep a copy of the spans: that there are new ones, which rows have other data now,
//! and what was pruned. Told after the commit, taken all at once.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

/// Replaced rows that are told one by one; beyond it the copy is made anew. 8 MB.
const MAX_REPLACED: usize = 500_000;

#[derive(Debug, Default)]
pub(crate) struct Changes {
    pending: Mutex<Pending>,
    arrived: Condvar,
}

/// Since it was last taken.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Counts the commits.
    pub(crate) version: u64,
    /// Rows of `spans` whose data are others now.
    pub(crate) replaced: HashSet<i64>,
    /// Too many rows were replaced to tell.
    pub(crate) is_too_much: bool,
    pub(crate) pruned: Vec<Prune>,
    pub(crate) is_closed: bool,
}

/// After it was pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prune {
    /// Traces up to this row are gone.
    pub(crate) trace: i64,
    /// The last row of `spans`; SQLite may give later numbers again.
    pub(crate) last: i64,
}

impl Changes {
    pub(super) fn stored(&self, replaced: Vec<i64>) {
        self.tell(|pending| {
            if pending.replaced.len() + replaced.len() > MAX_REPLACED {
                pending.is_too_much = true;
                pending.replaced.clear();
            } else {
                pending.replaced.extend(replaced);
            }
        });
    }

    pub(super) fn pruned(&self, connection: &Connection) -> rusqlite::Result<()> {
        let number = |sql| connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, Option<i64>>(0));
        let trace = number("SELECT min(id) FROM traces")?.map_or(i64::MAX, |first| first - 1);
        let last = number("SELECT max(id) FROM spans")?.unwrap_or(0);
        self.tell(|pending| pending.pruned.push(Prune { trace, last }));
        Ok(())
    }

    /// Ends whoever waits.
    pub(crate) fn close(&self) {
        self.tell(|pending| pending.is_closed = true);
    }

    /// The number of the last commit.
    pub(crate) fn version(&self) -> u64 {
        self.lock().version
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Waits for a commit after `version`, and takes what it changed.
    pub(crate) fn wait(&self, version: u64) -> Pending {
        let nothing_new = |pending: &mut Pending| pending.version == version && !pending.is_closed;
        let mut pending =
            self.arrived.wait_while(self.lock(), nothing_new).unwrap_or_else(PoisonError::into_inner);
        let (version, is_closed) = (pending.version, pending.is_closed);
        let taken = std::mem::take(&mut *pending);
        pending.version = version;
        pending.is_closed = is_closed;
        Pending { version, is_closed, ..taken }
    }

    fn tell(&self, change: impl FnOnce(&mut Pending)) {
        let mut pending = self.lock();
        change(&mut pending);
        pending.version += 1;
        drop(pending);
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
