//! Hashing: argon2id with the parameters of OWASP's Password Storage Cheat Sheet (19 MiB, 2 passes, 1 lane).

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;
use crate::password::Password;

/// Hashes that run at the same time: each takes 19 MiB and a core.
const PERMITS: usize = 2;
/// How long a request waits for a permit before it gets 503.
const PATIENCE: Duration = Duration::from_secs(2);

/// The one place that hashes, shared by all workers.
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    /// What an unknown handle's password is compared with, so that it costs the same as a known one's.
    decoy: String,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        let decoy = hash(b"nobody's password").expect("argon2 hashes a short password");
        Self { permits: Arc::new(Semaphore::new(PERMITS)), decoy }
    }

    /// A PHC string with a salt of its own.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Error> {
        self.work("hash password", move || hash(password.as_bytes())).await
    }

    /// Whether `password` belongs to `stored`. Without a stored hash the answer is no, after the same work.
    pub(crate) async fn matches(&self, password: Password, stored: Option<String>) -> Result<bool, Error> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.clone());
        let matches = self.work("verify password", move || verify(password.as_bytes(), &stored)).await?;
        Ok(matches && known)
    }

    /// Off the async workers, behind a permit, in a span of its own.
    async fn work<R: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> Result<R, HashError> + Send + 'static,
    ) -> Result<R, Error> {
        let permit = self.permit().await?;
        telemetry::block(move || {
            // The permit goes with the work: a caller who hangs up does not free it early.
            let _permit = permit;
            tracing::info_span!("argon2id", otel.name = name).in_scope(work)
        })
        .await
        .map_err(|_| Error::Busy)?
        .map_err(Error::Hash)
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        match tokio::time::timeout(PATIENCE, self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Error::Busy),
        }
    }
}

pub(crate) fn hash(password: &[u8]) -> Result<String, HashError> {
    Ok(Argon2::default().hash_password(password)?.to_string())
}

fn verify(password: &[u8], stored: &str) -> Result<bool, HashError> {
    let stored = PasswordHash::new(stored)?;
    match Argon2::default().verify_password(password, &stored) {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(error) => Err(error),
    }
}
