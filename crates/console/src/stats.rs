//! What happened since the process started, in counters that add up: `received = stored + duplicates + dropped`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Spans, where nothing else is said.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) received: Counter,
    pub(crate) stored: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) invalid_trace_id: Counter,
    pub(crate) invalid_span_id: Counter,
    pub(crate) invalid_parent_span_id: Counter,
    pub(crate) trace_too_large: Counter,
    pub(crate) pruned_traces: Counter,
    pub(crate) pruned_spans: Counter,
    /// Log events, and occurrences of errors.
    pub(crate) pruned_logs: Counter,
    pub(crate) pruned_occurrences: Counter,
    pub(crate) ignored_logs: Counter,
    pub(crate) ignored_metrics: Counter,
    /// Requests, from here on.
    pub(crate) undecodable: Counter,
    pub(crate) too_large: Counter,
    pub(crate) unsupported: Counter,
    pub(crate) timeout: Counter,
    pub(crate) overloaded: Counter,
    pub(crate) host: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
