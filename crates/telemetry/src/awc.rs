//! The HTTP client of a service: a CLIENT span for every call, and both dialects in its headers.

use std::time::{Duration, Instant};

use ::awc::Client;
use ::awc::error::SendRequestError;
use ::awc::http::header::HeaderMap;
use ::awc::middleware::Transform;
use ::awc::{ConnectRequest, ConnectResponse};
use actix_http::{RequestHead, RequestHeadType};
use actix_web::dev::{Service, forward_ready};
use futures::future::LocalBoxFuture;
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tracing::Instrument;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::attributes::{
    ERROR_TYPE, HTTP_REQUEST_METHOD, HTTP_REQUEST_METHOD_ORIGINAL, HTTP_RESPONSE_STATUS_CODE, SERVER_ADDRESS,
    SERVER_PORT, URL_FULL,
};
use crate::current::{self, exception};
use crate::init::state;
use crate::propagation::inject;
use crate::propagation::traceparent::Traceparent;
use crate::sampling::new_span_id;
use crate::{http, sanitize};

/// A traced client. Make one per worker, in the `App` factory: it owns the worker's pool of connections.
///
/// `timeout` covers the time up to the response head. Redirects are not followed: services call services.
pub fn client(timeout: Duration) -> Client {
    Client::builder().timeout(timeout).disable_redirects().wrap(TraceClient { timeout }).finish()
}

/// The middleware in [`client`], for a client of your own.
#[derive(Clone, Copy, Debug)]
pub struct TraceClient {
    /// The client's own time limit. awc enforces it outside of its middleware, by dropping the call; the span then
    /// says `timeout`, and `cancelled` when the call was dropped before.
    pub timeout: Duration,
}

/// The service that [`TraceClient`] makes.
pub struct TraceClientService<S> {
    inner: S,
    timeout: Duration,
}

/// A caller whose own deadline equals the client's timeout started its clock a little earlier.
const TIMER_SLACK: Duration = Duration::from_millis(20);

impl<S> Transform<S, ConnectRequest> for TraceClient
where
    S: Service<ConnectRequest, Response = ConnectResponse, Error = SendRequestError>,
    S::Future: 'static,
{
    type Transform = TraceClientService<S>;

    fn new_transform(self, inner: S) -> Self::Transform {
        TraceClientService { inner, timeout: self.timeout }
    }
}

impl<S> Service<ConnectRequest> for TraceClientService<S>
where
    S: Service<ConnectRequest, Response = ConnectResponse, Error = SendRequestError>,
    S::Future: 'static,
{
    type Response = ConnectResponse;
    type Error = SendRequestError;
    type Future = LocalBoxFuture<'static, Result<ConnectResponse, SendRequestError>>;

    forward_ready!(inner);

    fn call(&self, mut request: ConnectRequest) -> Self::Future {
        let span = tracing::info_span!(
            "HTTP",
            otel.kind = "client",
            a = Empty,
            b = Empty,
            c = Empty,
            d = Empty,
            e = Empty,
            f = Empty
        );
        let own = span.context();
        let live = own.has_active_span();
        // Without a span of our own `own` is empty; the work's Context still has the ids to pass on.
        let cx = if live { own } else { Context::current() };
        if live {
            let head = head(&request);
            cx.span().update_name(http::method(&head.method).0);
            cx.span().set_attributes(request_attributes(head));
        }
        let active = cx.span().span_context().clone();
        if active.is_valid() {
            // An unsampled call gets a fresh span id, as W3C asks. A sampled one without a span passes its parent's
            // on: a fresh id would leave an orphan at the receiver.
            let span_id = if live || active.is_sampled() { active.span_id() } else { new_span_id() };
            let own = Traceparent { span_id, ..Traceparent::from(&active) };
            inject(&cx, own, &state().baggage_allowed, headers_mut(&mut request));
        }
        let response = span.in_scope(|| self.inner.call(request));
        if !live {
            return Box::pin(response);
        }
        let expires = Instant::now() + self.timeout.saturating_sub(TIMER_SLACK);
        let call = async move {
            let mut outcome = Outcome { span: Some(cx), expires };
            let response = response.await;
            outcome.record(&response);
            response
        };
        Box::pin(call.instrument(span))
    }
}

/// Ends the story of a CLIENT span, also when the caller's time limit drops the call in the middle.
struct Outcome {
    span: Option<Context>,
    expires: Instant,
}

impl Outcome {
    fn record(&mut self, response: &Result<ConnectResponse, SendRequestError>) {
        let Some(cx) = self.span.take() else { return };
        let span = cx.span();
        let status = match response {
            Ok(ConnectResponse::Client(response)) => response.status(),
            Ok(ConnectResponse::Tunnel(head, _)) => head.status,
            Err(error) => {
                span.add_event("exception", exception(error));
                current::tell(&error.to_string());
                span.set_status(Status::error(error.to_string()));
                span.set_attribute(KeyValue::new(ERROR_TYPE, error_type(error)));
                return;
            }
        };
        span.set_attribute(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())));
        // For the one who asked, a 4xx is an error as well (HTTP semantic conventions, "Status").
        if status.is_client_error() || status.is_server_error() {
            span.set_status(Status::error(""));
            span.set_attribute(KeyValue::new(ERROR_TYPE, http::status_text(status)));
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if let Some(cx) = self.span.take() {
            let (kind, message) = if Instant::now() >= self.expires {
                ("timeout", "no response in time")
            } else {
                ("cancelled", "dropped before the response came")
            };
            cx.span().set_status(Status::error(message));
            cx.span().set_attribute(KeyValue::new(ERROR_TYPE, kind));
        }
    }
}

fn error_type(error: &SendRequestError) -> &'static str {
    match error {
        SendRequestError::Url(_) => "invalid_url",
        SendRequestError::Connect(_) => "connect",
        SendRequestError::Send(_) => "send",
        SendRequestError::Response(_) => "response",
        SendRequestError::Timeout => "timeout",
        SendRequestError::TunnelNotSupported => "tunnel_not_supported",
        SendRequestError::Body(_) => "body",
        _ => "_OTHER",
    }
}

fn head(request: &ConnectRequest) -> &RequestHead {
    match request {
        ConnectRequest::Client(head, ..) => head.as_ref(),
        ConnectRequest::Tunnel(head, _) => head,
    }
}

/// Where headers can be added: a frozen request shares its own and has room for extra ones.
fn headers_mut(request: &mut ConnectRequest) -> &mut HeaderMap {
    match request {
        ConnectRequest::Client(RequestHeadType::Owned(head), ..) | ConnectRequest::Tunnel(head, _) => {
            &mut head.headers
        }
        ConnectRequest::Client(RequestHeadType::Rc(_, extra), ..) => extra.get_or_insert_with(HeaderMap::new),
    }
}

fn request_attributes(head: &RequestHead) -> impl IntoIterator<Item = KeyValue> {
    let (name, original) = http::method(&head.method);
    let port = head.uri.port_u16().or_else(|| match head.uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    });
    [
        Some(KeyValue::new(HTTP_REQUEST_METHOD, if original.is_some() { "_OTHER" } else { name })),
        original.map(|original| KeyValue::new(HTTP_REQUEST_METHOD_ORIGINAL, original)),
        Some(KeyValue::new(URL_FULL, sanitize::url(&head.uri))),
        head.uri.host().map(|host| KeyValue::new(SERVER_ADDRESS, host.to_owned())),
        port.map(|port| KeyValue::new(SERVER_PORT, i64::from(port))),
    ]
    .into_iter()
    .flatten()
}
