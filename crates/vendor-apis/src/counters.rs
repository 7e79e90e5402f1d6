//! What became of everything that was received, in counters that add up: `received = stored + duplicates + dropped`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Of one source, since the process started.
#[derive(Debug, Default)]
pub struct Counters {
    stored: AtomicU64,
    duplicates: AtomicU64,
    /// By reason.
    dropped: Mutex<BTreeMap<&'static str, u64>>,
    /// Requests, by reason: what was in them is not known, or will be sent again.
    refused_requests: Mutex<BTreeMap<&'static str, u64>>,
}

/// A moment's counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub stored: u64,
    pub duplicates: u64,
    pub dropped: BTreeMap<&'static str, u64>,
    pub refused_requests: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// Called by the store, after the commit.
    pub fn stored(&self, count: u64) {
        self.stored.fetch_add(count, Relaxed);
    }

    pub fn duplicates(&self, count: u64) {
        self.duplicates.fetch_add(count, Relaxed);
    }

    pub(crate) fn dropped(&self, reason: &'static str, count: u64) {
        if count > 0 {
            *self.dropped.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += count;
        }
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        *self.refused_requests.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    pub fn totals(&self) -> Totals {
        Totals {
            stored: self.stored.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            dropped: self.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            refused_requests: self.refused_requests.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl Totals {
    pub fn received(&self) -> u64 {
        self.stored + self.duplicates + self.dropped.values().sum::<u64>()
    }
}
