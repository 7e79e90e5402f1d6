//! The SERVER span, as lean as the ordered crates allow.
//!
//! Attributes go straight to the SDK's span: as `tracing` fields they cost 3,200 instructions more per request.
//! Name and route come after routing; asked before, actix runs the routes' expressions twice (9,600 instructions).

use std::cell::RefCell;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::{Error, HttpMessage};
use opentelemetry::trace::{SpanContext, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tracing::Span;
use tracing::field::Empty;
use tracing_actix_web::RootSpanBuilder;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::attributes::{
    CLIENT_ADDRESS, ERROR_TYPE, HTTP_REQUEST_METHOD, HTTP_REQUEST_METHOD_ORIGINAL, HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE, NETWORK_PROTOCOL_VERSION, SERVER_ADDRESS, SERVER_PORT, URL_PATH, URL_QUERY, URL_SCHEME,
    USER_AGENT_ORIGINAL,
};
use crate::current::{Server, with_server};
use crate::http::{address, host_and_port, method, status_text, text, version};
use crate::init::state;
use crate::sampling::{Chosen, wanted};
use crate::sanitize;

pub struct ServerSpan;

impl RootSpanBuilder for ServerSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        if !state().recording || !wanted() {
            return Span::none();
        }
        // The empty fields reserve room for the attributes that follow.
        let span = tracing::info_span!(
            "HTTP",
            otel.kind = "server",
            a = Empty,
            b = Empty,
            c = Empty,
            d = Empty,
            e = Empty,
            f = Empty,
            g = Empty,
            h = Empty,
            i = Empty,
            j = Empty,
            k = Empty,
            l = Empty
        );
        // This builds the SDK's span: the id generator and the sampler look at the chosen id here and nowhere else.
        let context = span.context();
        Chosen::clear();
        {
            let server = context.span();
            if let Some(Stranger(stranger)) = request.extensions_mut().remove::<Stranger>() {
                server.add_link(stranger, Vec::new());
            }
            server.update_name(method(request.method()).0);
            server.set_attributes(request_attributes(request));
        }
        STARTED.set(context.has_active_span().then_some(context));
        span
    }

    /// Runs inside the span: the current Context is the SERVER span's.
    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        if span.is_disabled() {
            return;
        }
        let (status, route) = match outcome {
            Ok(response) => (response.status(), response.request().match_pattern()),
            Err(error) => (error.as_response_error().status_code(), None),
        };
        if outcome.is_err() {
            with_server(|server| server.map(name_unanswered));
        }
        Context::map_current(|cx| {
            let server = cx.span();
            server.set_attribute(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())));
            if let (Some(route), Ok(response)) = (route, outcome) {
                server.update_name([method(response.request().method()).0, " ", &route].concat());
                server.set_attribute(KeyValue::new(HTTP_ROUTE, route));
            }
            // A client's mistake is not the server's error (HTTP semantic conventions, "Status").
            if status.is_server_error() {
                server.set_status(Status::error(""));
                server.set_attribute(KeyValue::new(ERROR_TYPE, status_text(status)));
            }
        });
    }
}

/// An error that passed the handlers (a panic) took the request along; its route is looked up by the path.
fn name_unanswered(server: &Server) {
    let Some(route) = server.route() else { return };
    let span = server.context.span();
    if let Some((asked, _)) = &server.asked {
        span.update_name([method(asked).0, " ", route].concat());
    }
    span.set_attribute(KeyValue::new(HTTP_ROUTE, route.to_owned()));
}

thread_local! {
    /// From `on_request_start` to the middleware around it, within one call.
    static STARTED: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// The other way, with the request: the trace of a stranger, which the SERVER span links to.
pub(super) struct Stranger(pub(super) SpanContext);

pub(super) fn take_started() -> Option<Context> {
    STARTED.take()
}

fn request_attributes(request: &ServiceRequest) -> impl IntoIterator<Item = KeyValue> {
    let (name, original) = method(request.method());
    let uri = request.uri();
    let header = |name| text(request.headers(), name);
    let (host, port) = header(&header::HOST).map_or((None, None), host_and_port);
    let scheme = if request.app_config().secure() { "https" } else { "http" };
    [
        Some(KeyValue::new(HTTP_REQUEST_METHOD, if original.is_some() { "_OTHER" } else { name })),
        original.map(|original| KeyValue::new(HTTP_REQUEST_METHOD_ORIGINAL, original)),
        Some(KeyValue::new(URL_PATH, uri.path().to_owned())),
        Some(KeyValue::new(URL_SCHEME, scheme)),
        uri.query().map(|query| KeyValue::new(URL_QUERY, sanitize::query(query).into_owned())),
        host.map(|host| KeyValue::new(SERVER_ADDRESS, host.to_owned())),
        port.map(|port| KeyValue::new(SERVER_PORT, i64::from(port))),
        request.peer_addr().map(|peer| KeyValue::new(CLIENT_ADDRESS, address(peer.ip()))),
        header(&header::USER_AGENT).map(|agent| KeyValue::new(USER_AGENT_ORIGINAL, agent.to_owned())),
        Some(KeyValue::new(NETWORK_PROTOCOL_VERSION, version(request.version()))),
    ]
    .into_iter()
    .flatten()
}
