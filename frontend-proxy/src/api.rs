//! `/api/*`, streamed to the gateway and back.
//!
//! awc passes a request's body on whenever its buffer is full, and reads the answer once the request has gone out; a
//! gateway that refuses in the middle of a body is heard at its end.

use std::collections::HashSet;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::error::PayloadError;
use actix_web::http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use awc::error::SendRequestError;
use service::Problem;
use service::server::payload_problem;
use service::upstream::send_problem;

/// The gateway, seen from one worker.
pub(crate) struct Gateway {
    base: String,
    client: awc::Client,
}

impl Gateway {
    pub(crate) fn new(base: &str, timeout: Duration) -> Self {
        Self { base: base.to_owned(), client: telemetry::awc::client(timeout) }
    }
}

/// Meant for one connection and not for what lies beyond it (RFC 9110 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// A stranger's trace context ends here; the client span puts ours in its place.
const TRACE: [HeaderName; 4] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-amzn-trace-id"),
    HeaderName::from_static("baggage"),
];
/// What the gateway says of its own span; ours says it to the browser.
const TRACE_ANSWER: [HeaderName; 3] = [
    HeaderName::from_static("traceresponse"),
    HeaderName::from_static("server-timing"),
    HeaderName::from_static("x-amzn-trace-id"),
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");

pub(crate) async fn forward(
    request: HttpRequest,
    body: Payload,
    gateway: Data<Gateway>,
    settings: Data<service::server::Settings>,
) -> Result<HttpResponse, Problem> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut call = gateway.client.request(request.method().clone(), format!("{}{target}", gateway.base));
    *call.headers_mut() = request_headers(&request);

    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let sent = match length {
        Some(0) => call.send().await,
        Some(length) => call.send_body(SizedStream::new(length, body)).await,
        None if request.headers().contains_key(TRANSFER_ENCODING) => call.send_stream(body).await,
        None => call.send().await,
    };
    let answer = sent.map_err(|error| match error {
        // The browser's own doing: too much, too slow, gone.
        SendRequestError::Body(error) => match error.downcast::<PayloadError>() {
            Ok(error) => payload_problem(&error, settings.max_body),
            Err(error) => send_problem("gateway", SendRequestError::Body(error)),
        },
        error => send_problem("gateway", error),
    })?;

    if answer.status().is_server_error() {
        // The gateway, or the service behind it, has told of the cause.
        telemetry::current::cause_is_told();
    }
    let mut response = HttpResponse::build(answer.status());
    for (name, value) in end_to_end(answer.headers()) {
        if !TRACE_ANSWER.contains(name) {
            response.append_header((name.clone(), value.clone()));
        }
    }
    let length = answer.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    Ok(match length {
        Some(length) => response.no_chunking(length).streaming(answer),
        None => response.streaming(answer),
    })
}

fn request_headers(request: &HttpRequest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in end_to_end(request.headers()) {
        let ours = TRACE.contains(name) || [HOST, FORWARDED_HOST, FORWARDED_PROTO, FORWARDED].contains(name);
        if !ours {
            headers.append(name.clone(), value.clone());
        }
    }
    // Appended, as every proxy does; nobody behind this door believes what came before the last entry.
    if let Some(peer) =
        request.peer_addr().and_then(|peer| HeaderValue::from_str(&peer.ip().to_string()).ok())
    {
        headers.append(FORWARDED_FOR, peer);
    }
    // The gateway compares `Origin` with it (CSRF). The guard has checked it against ALLOWED_HOSTS.
    if let Some(host) = request.headers().get(HOST) {
        headers.insert(FORWARDED_HOST, host.clone());
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers
}

/// All headers but those of this one connection, among them the ones that `Connection` names.
fn end_to_end(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let named: HashSet<String> = headers
        .get_all(CONNECTION)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    headers.iter().filter(move |(name, _)| {
        !HOP_BY_HOP.contains(name) && **name != CONTENT_LENGTH && !named.contains(name.as_str())
    })
}
