//! How much memory requests may take together, in whatever transport they come.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::Overloaded;

/// Of a request, as sent and as unpacked: what OTLP recommends to servers.
pub(crate) const MAX_REQUEST_BYTES: usize = 64 << 20;

/// Of all requests together: the largest one packed and unpacked. When it is full senders are told to come back.
const TOTAL_BYTES: usize = 2 * MAX_REQUEST_BYTES;

/// Accounting is in steps, so that a small request takes one atomic operation.
const STEP: usize = 16 << 10;

#[derive(Clone)]
pub(crate) struct Budget(Arc<Semaphore>);

/// What one request holds of it until it is dropped.
pub(crate) struct Share {
    budget: Budget,
    permits: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(TOTAL_BYTES / STEP)))
    }

    pub(crate) fn share(&self) -> Share {
        Share { budget: self.clone(), permits: None, bytes: 0 }
    }
}

impl Share {
    /// Accounts for `bytes` more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Overloaded> {
        self.bytes += bytes;
        let held = self.permits.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = self.bytes.div_ceil(STEP).saturating_sub(held);
        if missing > 0 {
            let more =
                self.budget.0.clone().try_acquire_many_owned(missing as u32).map_err(|_| Overloaded)?;
            match &mut self.permits {
                Some(permits) => permits.merge(more),
                none => *none = Some(more),
            }
        }
        Ok(())
    }
}
