//! The trace of the work that runs now.
//!
//! Everything here reads `opentelemetry::Context`, never `tracing::Span::current()`: unsampled and spawned work has
//! a Context but no tracing span.

use std::cell::RefCell;
use std::error::Error;

use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry::{Context, KeyValue, Value};

use crate::attributes::{APP_USER_ID, ERROR_TYPE};
use crate::propagation;

/// 32 hex digits.
pub fn trace_id() -> Option<String> {
    with_span_context(|span| span.trace_id().to_string())
}

/// The W3C header that a call made now would carry.
pub fn traceparent() -> Option<String> {
    with_span_context(|span| propagation::traceparent::Traceparent::from(span).to_string())
}

/// The same trace id as X-Ray spells it: `1-<8 hex>-<24 hex>`.
pub fn xray_trace_id() -> Option<String> {
    with_span_context(|span| xray::TraceId::from_bytes(span.trace_id().to_bytes()))?.map(|id| id.to_string())
}

pub fn is_sampled() -> bool {
    with_span_context(SpanContext::is_sampled).unwrap_or(false)
}

/// Sets an attribute on the innermost active span; nothing happens when the trace is not sampled.
pub fn set_attribute(key: &'static str, value: impl Into<Value>) {
    Context::map_current(|cx| {
        let span = cx.span();
        if span.is_recording() {
            span.set_attribute(KeyValue::new(key, value));
        }
    });
}

/// Sets `app.user_id` on the innermost span and on the request's SERVER span, where people group by it.
pub fn set_user_id(id: &str) {
    set_attribute(APP_USER_ID, id.to_owned());
    SERVER.with_borrow(|server| {
        let Some(server) = server else { return };
        let same = Context::map_current(|cx| cx.span().span_context() == server.span().span_context());
        if !same && server.span().is_recording() {
            server.span().set_attribute(KeyValue::new(APP_USER_ID, id.to_owned()));
        }
    });
}

/// Records `error` as the exception event of the innermost span and marks that span as failed.
///
/// Call it where the error is handled, once; an error that is passed on is recorded by whoever ends it.
pub fn record_error(error: &dyn Error) {
    Context::map_current(|cx| {
        let span = cx.span();
        if span.is_recording() {
            span.record_error(error);
            span.set_status(opentelemetry::trace::Status::error(error.to_string()));
            span.set_attribute(KeyValue::new(ERROR_TYPE, "_OTHER"));
        }
    });
}

thread_local! {
    /// The Context of the SERVER span whose request is being polled on this thread.
    static SERVER: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// Puts `server` in place for the time of one poll; the caller puts back what this returns.
pub(crate) fn swap_server(server: Option<Context>) -> Option<Context> {
    SERVER.replace(server)
}

fn with_span_context<T>(f: impl FnOnce(&SpanContext) -> T) -> Option<T> {
    Context::map_current(|cx| {
        let span = cx.span();
        let context = span.span_context();
        context.is_valid().then(|| f(context))
    })
}
