//! Deletes what expired. Readers do not depend on it: an expired post is hidden at once, and only takes room.

use std::time::Duration;

use chrono::Utc;
use telemetry::attributes::APP_RESULT_LENGTH;
use telemetry::current;
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use crate::store::{Store, StoreError};

/// Small enough that no statement holds its locks for long.
const BATCH: i64 = 500;

/// Sweeps every `interval`, at once at first, until the other end of `stop` is dropped. A sweep that has begun ends.
pub(crate) async fn run(store: Store, interval: Duration, mut stop: oneshot::Receiver<()>) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = &mut stop => return,
            _ = ticks.tick() => telemetry::background_root("sweep expired posts", sweep(&store)).await,
        }
    }
}

async fn sweep(store: &Store) {
    match delete_expired(store).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "expired posts were deleted"),
        Err(error) => {
            tracing::warn!(%error, "expired posts stay until the next sweep");
            current::record_error(&error);
        }
    }
}

async fn delete_expired(store: &Store) -> Result<u64, StoreError> {
    let now = Utc::now();
    let mut count = 0;
    loop {
        let deleted = store.sweep_expired(now, BATCH).await?;
        count += deleted;
        if deleted < BATCH as u64 {
            current::set_attribute(APP_RESULT_LENGTH, count as i64);
            return Ok(count);
        }
    }
}
