//! The trace of the work that runs now.
//!
//! Everything here reads `opentelemetry::Context`, never `tracing::Span::current()`: unsampled and spawned work has
//! a Context but no tracing span.

use std::cell::{OnceCell, RefCell};
use std::error::Error;
use std::rc::Rc;

use actix_web::dev::ResourceMap;
use opentelemetry::trace::{SpanContext, SpanId, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue, Value};

use crate::attributes::{APP_USER_ID, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE};
use crate::errors::{Asked, Faults};
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
    set_user(id, None);
}

/// The same, with the name that the person goes by. It is no attribute of any span: an error's item tells it, if the
/// operator asks for it (`ROLLBAR_PERSON`).
pub fn set_user(id: &str, name: Option<&str>) {
    SERVER.with_borrow(|server| {
        let Some(server) = server else { return set_attribute(APP_USER_ID, id.to_owned()) };
        let innermost = Context::map_current(|cx| cx.span().span_context().span_id());
        if innermost != server.context.span().span_context().span_id() {
            set_attribute(APP_USER_ID, id.to_owned());
        }
        let user = User { id: id.to_owned(), name: name.map(str::to_owned) };
        // The SDK keeps an attribute that is set twice twice, and a request may verify its token more than once.
        if server.user.replace(Some(user)).is_none() {
            server.context.span().set_attribute(KeyValue::new(APP_USER_ID, id.to_owned()));
        }
    });
}

/// An answer of 5xx whose cause another service has told of: it makes no second item in Rollbar.
pub fn cause_is_told() {
    SERVER.with_borrow(|server| {
        if let Some(server) = server {
            server.faults.set_told();
        }
    });
}

/// Marks the innermost span as failed, and records `error` as its exception event.
///
/// Call it where the error is handled, once. An error that came out of a traced statement or call has its exception
/// event there already, on the span where it arose, and gets no second one here.
pub fn record_error(error: &dyn Error) {
    Context::map_current(|cx| {
        let span = cx.span();
        if span.is_recording() {
            if !is_told(error) {
                span.add_event("exception", exception(error));
            }
            span.set_status(Status::error(error.to_string()));
        }
    });
}

/// Remembers for the request that a span of its work holds this exception.
pub(crate) fn tell(message: &str) {
    SERVER.with_borrow(|server| {
        if let Some(server) = server {
            server.told.replace(message.to_owned());
        }
    });
}

/// Whether the last exception told of is this error or one that it came from. Wrappers add to the text they wrap.
fn is_told(error: &dyn Error) -> bool {
    SERVER.with_borrow(|server| {
        let Some(server) = server else { return false };
        let told = server.told.borrow();
        let mut next = Some(error);
        while let (Some(error), false) = (next, told.is_empty()) {
            if error.to_string().contains(told.as_str()) {
                return true;
            }
            next = error.source();
        }
        false
    })
}

/// The error, and the chain of what it came from in place of a stack.
pub(crate) fn exception(error: &dyn Error) -> Vec<KeyValue> {
    let mut attributes = vec![KeyValue::new(EXCEPTION_MESSAGE, error.to_string())];
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(format!("caused by: {cause}"));
        next = cause.source();
    }
    if !causes.is_empty() {
        attributes.push(KeyValue::new(EXCEPTION_STACKTRACE, causes.join("\n")));
    }
    attributes
}

/// A request, sampled or not.
pub(crate) struct Server {
    /// The SERVER span's; of an unsampled request the caller's.
    pub(crate) context: Context,
    /// The span id that the answer's `traceresponse` names: who reports a failure can tell it, sampled or not.
    pub(crate) request_id: SpanId,
    place: Place,
    /// Kept where errors are collected, for a request that ends without an answer.
    pub(crate) asked: Option<Asked>,
    pub(crate) user: RefCell<Option<User>>,
    /// The message of the last exception that a statement or a call recorded on its own span.
    pub(crate) told: RefCell<String>,
    pub(crate) faults: Faults,
}

/// Who is signed in.
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
}

impl Server {
    pub(crate) fn new(context: Context, request_id: SpanId, place: Place, asked: Option<Asked>) -> Self {
        Self {
            context,
            request_id,
            place,
            asked,
            user: RefCell::default(),
            told: RefCell::default(),
            faults: Faults::default(),
        }
    }

    /// The pattern that the path matches.
    pub(crate) fn route(&self) -> Option<&str> {
        self.place.route()
    }
}

/// Where a request goes. actix tells its route to the handler only, so it is looked up by the first who asks, and a request that
/// logs nothing does not pay for it.
pub(crate) struct Place {
    path: String,
    routes: Rc<ResourceMap>,
    route: OnceCell<Option<String>>,
}

impl Place {
    pub(crate) fn new(path: &str, routes: &Rc<ResourceMap>) -> Self {
        Self { path: path.to_owned(), routes: Rc::clone(routes), route: OnceCell::new() }
    }

    fn route(&self) -> Option<&str> {
        self.route.get_or_init(|| self.routes.match_pattern(&self.path)).as_deref()
    }
}

thread_local! {
    /// The request that is being polled on this thread.
    static SERVER: RefCell<Option<Rc<Server>>> = const { RefCell::new(None) };
}

/// Puts `server` in place for the time of one poll; the caller puts back what this returns.
pub(crate) fn swap_server(server: Option<Rc<Server>>) -> Option<Rc<Server>> {
    SERVER.replace(server)
}

/// The request that is being polled on this thread, if any.
pub(crate) fn with_server<T>(f: impl FnOnce(Option<&Server>) -> T) -> T {
    SERVER.with_borrow(|server| f(server.as_deref()))
}

fn with_span_context<T>(f: impl FnOnce(&SpanContext) -> T) -> Option<T> {
    Context::map_current(|cx| {
        let span = cx.span();
        let context = span.span_context();
        context.is_valid().then(|| f(context))
    })
}
