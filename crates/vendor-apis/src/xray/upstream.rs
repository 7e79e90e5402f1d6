//! X-Ray itself behind this daemon, as it is behind the real one.

use actix_web::web::Bytes;
use futures::future::BoxFuture;

/// Where documents go on to, and where the rules of sampling come from.
pub trait Upstream: Send + Sync {
    /// One document, as it came. Never waits; what cannot be kept is counted there.
    fn document(&self, text: &str);

    /// A call passed on: status and body of the answer, or why there is none.
    fn call(&self, path: &'static str, body: Bytes) -> BoxFuture<'_, Result<(u16, Bytes), String>>;
}
