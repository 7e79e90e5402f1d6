//! Request bodies, bounded: of one request as sent and as unpacked, and of all together.

use std::io::Read;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::{Bytes, BytesMut, Payload};
use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of all bodies together that one [`Bodies`] holds. Requests beyond wait for their turn, unread.
const TOTAL_BYTES: usize = 64 << 20;
/// Accounting is in steps, so that a small request takes one atomic operation.
const STEP: usize = 16 << 10;

/// How bodies are read. Clones share the memory.
#[derive(Clone)]
pub(crate) struct Bodies {
    limit: usize,
    turns: Arc<Semaphore>,
}

/// A body, and its share of the memory until it is dropped.
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than {0} bytes, as sent or unpacked")]
    TooLarge(usize),
    #[error("the body took too long to arrive")]
    TooSlow,
    #[error("the body did not arrive whole")]
    Incomplete,
    #[error("the body is not in the Content-Encoding that it names")]
    Encoding,
    #[error("Content-Encoding must be gzip or none")]
    UnknownEncoding,
}

impl Bodies {
    /// Each at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, turns: Arc::new(Semaphore::new(TOTAL_BYTES / STEP)) }
    }

    pub(crate) async fn read(&self, request: &HttpRequest, payload: Payload) -> Result<Body, BodyError> {
        let is_gzip = is_gzip(request)?;
        let length =
            request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > self.limit) {
            return Err(BodyError::TooLarge(self.limit));
        }
        // What a packed body unpacks to is not known before.
        let expected = match length {
            Some(length) if !is_gzip => length,
            _ => 2 * self.limit,
        };
        let steps = expected.div_ceil(STEP).max(1);
        let share = self.turns.clone().acquire_many_owned(u32::try_from(steps).unwrap_or(u32::MAX)).await;
        let share = share.map_err(|_| BodyError::Incomplete)?;
        let sent = self.receive(payload).await?;
        let bytes = if is_gzip { self.unpack(MultiGzDecoder::new(&sent[..]))? } else { sent };
        Ok(Body { bytes, _share: share })
    }

    async fn receive(&self, mut payload: Payload) -> Result<Bytes, BodyError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| match error {
                PayloadError::Overflow => BodyError::TooLarge(self.limit),
                PayloadError::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => BodyError::TooSlow,
                _ => BodyError::Incomplete,
            })?;
            if body.len() + chunk.len() > self.limit {
                return Err(BodyError::TooLarge(self.limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// At most one byte more than the limit is ever unpacked.
    fn unpack(&self, packed: impl Read) -> Result<Bytes, BodyError> {
        let mut body = Vec::new();
        packed.take(self.limit as u64 + 1).read_to_end(&mut body).map_err(|_| BodyError::Encoding)?;
        if body.len() > self.limit { Err(BodyError::TooLarge(self.limit)) } else { Ok(body.into()) }
    }
}

fn is_gzip(request: &HttpRequest) -> Result<bool, BodyError> {
    let Some(name) = request.headers().get(CONTENT_ENCODING) else { return Ok(false) };
    match name.to_str().unwrap_or("?").trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        _ => Err(BodyError::UnknownEncoding),
    }
}
