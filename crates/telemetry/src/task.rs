//! Work beside the request: it carries the Context, and only the Context.
//!
//! `.instrument(Span::current())` would keep the SERVER span open until the task ends (measured: a detached task of
//! 400 ms stretched it from 776 to 1157 ms). A long task opens a span of its own inside.

use std::future::Future;

use actix_web::error::BlockingError;
use actix_web::rt::task::JoinHandle;
use opentelemetry::Context;
use opentelemetry::trace::FutureExt;
use tracing::Instrument;

/// `actix_web::rt::spawn`, in the trace of the caller.
#[allow(clippy::disallowed_methods, reason = "the one place that wraps it")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    actix_web::rt::spawn(future.with_context(Context::current()))
}

/// `actix_web::web::block`, in the trace of the caller.
#[allow(clippy::disallowed_methods, reason = "the one place that wraps it")]
pub fn block<F, R>(f: F) -> impl Future<Output = Result<R, BlockingError>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let cx = Context::current();
    actix_web::web::block(move || {
        let _guard = cx.attach();
        f()
    })
}

/// Runs a job in a trace of its own, for work that no request asked for. The root sampler decides.
pub async fn background_root<F: Future>(name: &'static str, future: F) -> F::Output {
    let span = {
        let _no_parent = Context::new().attach();
        tracing::info_span!(parent: None, "background", otel.name = name)
    };
    async { future.instrument(span).await }.with_context(Context::new()).await
}

/// Runs `future` without spans: calls that would only tell about ourselves, such as fetching signing keys.
pub async fn untraced<F: Future>(future: F) -> F::Output {
    future.with_context(Context::new().with_telemetry_suppressed()).await
}
