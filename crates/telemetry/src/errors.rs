//! Errors on their way to Rollbar: ERROR lines, answers of 5xx that no ERROR line explains, and panics.
//!
//! A cause is an item once. It is collected where the line is written, where the ids and the stack are at hand, and leaves
//! when the request is answered, which is when its route, its user and its headers are.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::panic::{self, PanicHookInfo};

use actix_web::HttpRequest;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, Uri};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceId};
use serde_json::{Map, Value};
use sinks::rollbar::{Cause, Item, Level, Person, Request, Rollbar};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

use crate::current::{Server, with_server};
use crate::http::text;
use crate::init::state;

/// A log line of this target becomes an item whatever its level: `tracing::warn!(target: telemetry::ROLLBAR, "..")`.
pub const ROLLBAR: &str = "rollbar";
const PANIC: &str = "panic";
/// They tell of items that did not arrive; as items they would tell of themselves.
const DELIVERY: [&str; 2] = ["throughline_delivery", "throughline_sinks"];
/// Of one request. More are sent at once, without what is known at its end.
const MAX_KEPT: usize = 8;

pub(crate) type Asked = (Method, Uri);

/// What went wrong in one request so far.
#[derive(Default)]
pub(crate) struct Faults {
    admitted: RefCell<Vec<Item>>,
    /// The last WARN line: it explains a 5xx that no ERROR line does, such as a 502.
    warning: RefCell<Option<Item>>,
    /// The cause is an item already, here or in another service, or the rate limit counted it.
    told: Cell<bool>,
}

impl Faults {
    pub(crate) fn set_told(&self) {
        self.told.set(true);
    }
}

/// Takes what a log line says, if it is of interest. The ids are the line's.
pub(crate) fn line(
    event: &Event<'_>,
    metadata: &Metadata<'_>,
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
) {
    let Some(rollbar) = &state().rollbar else { return };
    let target = metadata.target();
    let level = match *metadata.level() {
        tracing::Level::ERROR if target == PANIC => Level::Critical,
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warning,
        _ if target == ROLLBAR => Level::Warning,
        _ => return,
    };
    if DELIVERY.iter().any(|own| target.starts_with(own)) {
        return;
    }
    let wanted = level >= rollbar.level() || target == ROLLBAR;
    if !wanted && with_server(|server| server.is_none()) {
        return;
    }
    let mut item = Item::new(level, target, "");
    (item.trace_id, item.span_id) = (trace_id.map(|id| id.to_string()), span_id.map(|id| id.to_string()));
    event.record(&mut Fields(&mut item));
    if wanted {
        report(rollbar, item);
    } else {
        with_server(|server| server.map(|server| server.faults.warning.replace(Some(item))));
    }
}

/// The request has its answer: what was collected in it leaves.
pub(crate) fn answered<B>(server: &Server, response: &ServiceResponse<B>) {
    let Some(rollbar) = &state().rollbar else { return };
    let (status, request) = (response.status(), response.request());
    if status.is_server_error() && !server.faults.told.get() {
        let unexplained = server.faults.warning.take().unwrap_or_else(|| answer(server, status));
        server
            .faults
            .admitted
            .borrow_mut()
            .extend(rollbar.admit(Item { level: Level::Error, ..unexplained }));
    }
    for item in server.faults.admitted.take() {
        rollbar.send(Item {
            route: Some(route(request)),
            request: Some(Request { status: Some(status.as_u16()), ..told(request) }),
            person: person(server),
            ..item
        });
    }
}

/// What is known of a request before it is routed, in two counted references; `None` when nobody wants to know.
pub(crate) fn asked(request: &ServiceRequest) -> Option<Asked> {
    state().rollbar.as_ref().map(|_| (request.method().clone(), request.uri().clone()))
}

/// The request ended without an answer, or with one that no handler gave (a panic).
pub(crate) fn left(server: &Server) {
    let Some(rollbar) = &state().rollbar else { return };
    for item in server.faults.admitted.take() {
        let request = server.asked.as_ref().map(|(method, uri)| Request {
            method: method.to_string(),
            url: uri.to_string(),
            ..Request::default()
        });
        let route = server.asked.as_ref().zip(server.route());
        let route = route.map(|((method, _), route)| [method.as_str(), " ", route].concat());
        rollbar.send(Item { route, request, person: person(server), ..item });
    }
}

/// A panic becomes a log line with the ids of its trace, and so an item; then what was there before runs, which by default
/// prints to standard error.
pub(crate) fn hook_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // A panic within the telling of a panic would end the process.
        if !TELLING.replace(true) {
            tell(info);
            TELLING.set(false);
        }
        before(info);
    }));
}

thread_local! {
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

fn tell(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic without a text");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(target: PANIC, place, thread = thread.name().unwrap_or_default(), "{message}");
}

/// To the request that runs here, which sends it with its answer; else at once.
fn report(rollbar: &Rollbar, item: Item) {
    with_server(|server| server.map(|server| server.faults.set_told()));
    let Some(mut item) = rollbar.admit(item) else { return };
    item.backtrace = match item.level {
        Level::Warning => None,
        Level::Error => rollbar.stack(),
        // Whoever panics has the time to wait.
        Level::Critical => Some(Backtrace::force_capture()),
    };
    let homeless = with_server(|server| match server.map(|server| server.faults.admitted.borrow_mut()) {
        Some(mut kept) if kept.len() < MAX_KEPT => {
            kept.push(item);
            None
        }
        _ => Some(item),
    });
    if let Some(item) = homeless {
        rollbar.send(item);
    }
}

/// A 5xx that nobody said anything of.
fn answer(server: &Server, status: StatusCode) -> Item {
    let mut item = Item::new(Level::Error, "http", status.to_string());
    let span = server.context.span();
    (item.trace_id, item.span_id) = ids(span.span_context());
    item
}

fn ids(span: &SpanContext) -> (Option<String>, Option<String>) {
    let ours = span.is_valid() && span.is_sampled() && !span.is_remote();
    (span.is_valid().then(|| span.trace_id().to_string()), ours.then(|| span.span_id().to_string()))
}

/// `GET /api/activities/@{handle}`: the pattern, so that all its requests are one context.
fn route(request: &HttpRequest) -> String {
    let pattern = request.match_pattern().unwrap_or_else(|| "(no route)".to_owned());
    [request.method().as_str(), " ", &pattern].concat()
}

fn told(request: &HttpRequest) -> Request {
    let host = text(request.headers(), &actix_web::http::header::HOST).unwrap_or("localhost");
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let headers = request.headers().iter();
    Request {
        method: request.method().to_string(),
        url: ["http://", host, target].concat(),
        headers: headers
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect(),
        peer: request.peer_addr().map(|peer| peer.ip().to_string()),
        status: None,
    }
}

fn person(server: &Server) -> Option<Person> {
    let user = server.user.borrow();
    user.as_ref().map(|user| Person { id: user.id.clone(), username: user.name.clone(), email: None })
}

/// The line's message, its error with all that it came from, and the rest as it is.
struct Fields<'a>(&'a mut Item);

impl Fields<'_> {
    fn insert(&mut self, field: &Field, value: Value) {
        if !field.name().starts_with("log.") {
            self.fields().insert(field.name().to_owned(), value);
        }
    }

    fn fields(&mut self) -> &mut Map<String, Value> {
        &mut self.0.fields
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" { self.0.message = text } else { self.insert(field, text.into()) }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0.message);
        } else {
            self.insert(field, value.into());
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if self.0.causes.is_empty() {
            self.0.causes = Cause::chain(value);
        } else {
            self.insert(field, value.to_string().into());
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }
}
