//! What stands before every handler: the `Host` check, and a timer and a cap on the request's body.

use std::cell::RefCell;
use std::io;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};
use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, Stream};
use tokio::time::Sleep;

use super::Settings;
use super::json::payload_problem;
use crate::Problem;

/// Names besides the loopback's under which a server may be asked: `ALLOWED_HOSTS=gateway,.example.org,*`.
///
/// A name of the attacker's that resolves to 127.0.0.1 (DNS rebinding) makes a browser treat our port as that page's
/// own origin; the `Host` header gives it away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    /// Exact names, `.suffix`es, or `*`.
    names: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("has {0:?}, which is no host name")]
pub struct AllowedHostsError(String);

impl AllowedHosts {
    /// `host` is the value of a `Host` header, with or without a port.
    pub fn allow(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else { return false };
        let name = name.to_ascii_lowercase();
        matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]")
            || self.names.iter().any(|allowed| match allowed.as_str() {
                "*" => true,
                suffix if suffix.starts_with('.') => name.ends_with(suffix) && name.len() > suffix.len(),
                exact => name == exact,
            })
    }
}

impl FromStr for AllowedHosts {
    type Err = AllowedHostsError;

    fn from_str(text: &str) -> Result<Self, AllowedHostsError> {
        let names: Vec<String> = text
            .split(',')
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty())
            .collect();
        match names.iter().find(|name| name.contains('/') || name.contains(char::is_whitespace)) {
            Some(bad) => Err(AllowedHostsError(bad.clone())),
            None => Ok(Self { names }),
        }
    }
}

/// The middleware. Refusals are answers, not errors, so that the trace around it sees them like any other.
pub(super) async fn guard<B: MessageBody + 'static>(
    settings: web::Data<Settings>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let body = RequestBody::take(request.parts_mut().1);
    if let Err(problem) = admit(&settings, request.headers()) {
        let response = request.into_response(problem.error_response()).map_into_right_body();
        return Ok(finish(response, &settings, body));
    }
    if let Some(body) = &body {
        let bounded = BoundedBody {
            body: Rc::clone(body),
            left: settings.max_body,
            after: settings.body_deadline,
            deadline: None,
        };
        *request.parts_mut().1 = Payload::Stream { payload: Box::pin(bounded) };
    }
    // A panic would close the connection without an answer; this way the caller learns the trace id.
    let called = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let response = called.unwrap_or_else(|payload| Err(Problem::panicked(&*payload).into()))?;
    // actix answers a wrong method with an empty body.
    let response = if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && matches!(response.response().body().size(), BodySize::None | BodySize::Sized(0))
        && !response.headers().contains_key(CONTENT_TYPE)
    {
        let problem = Problem::method_not_allowed(response.headers().get(ALLOW).cloned());
        response.into_response(problem.error_response()).map_into_right_body()
    } else {
        response.map_into_left_body()
    };
    Ok(finish(response, &settings, body))
}

fn finish<B: MessageBody + 'static>(
    mut response: ServiceResponse<EitherBody<B>>,
    settings: &Settings,
    body: Option<Rc<RefCell<RequestBody>>>,
) -> ServiceResponse<EitherBody<B>> {
    for (name, value) in &settings.response_headers {
        if !response.headers().contains_key(name) {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    close_if_unread(response, body)
}

/// Reads a whole body, for handlers that take bytes; its failures are problems.
pub async fn read_body(payload: web::Payload, limit: usize) -> Result<Bytes, Problem> {
    let mut payload = payload;
    let mut body = BytesMut::new();
    while let Some(chunk) = futures::StreamExt::next(&mut payload).await {
        let chunk = chunk.map_err(|error| payload_problem(&error, limit))?;
        if body.len() + chunk.len() > limit {
            return Err(Problem::too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

pub(super) fn body_too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the body took too long to arrive")
}

fn admit(settings: &Settings, headers: &HeaderMap) -> Result<(), Problem> {
    // actix-http refuses HTTP/1.1 requests without a Host or with two.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !settings.allowed_hosts.allow(host) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "unknown-host",
            "this server does not answer to that Host; ALLOWED_HOSTS adds names",
        ));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > settings.max_body as u64) {
        return Err(Problem::too_large(settings.max_body));
    }
    let encoded = headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    if encoded && !settings.encoded_bodies {
        return Err(Problem::unsupported_media_type("bodies must come without Content-Encoding"));
    }
    Ok(())
}

/// `localhost` of `localhost:3000`, `[::1]` of `[::1]:3000`; `None` for what is no authority.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(_) => host.split_at(host.find(']')? + 1),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = if port.is_empty() { Some("") } else { port.strip_prefix(':') }?;
    (!name.is_empty() && port.bytes().all(|b| b.is_ascii_digit())).then_some(name)
}

/// What the client sends, held by whoever reads it and by the answer.
struct RequestBody {
    payload: Payload,
    ended: bool,
}

impl RequestBody {
    /// `None` for a request without a body.
    fn take(payload: &mut Payload) -> Option<Rc<RefCell<Self>>> {
        match mem::replace(payload, Payload::None) {
            Payload::None => None,
            payload => Some(Rc::new(RefCell::new(Self { payload, ended: false }))),
        }
    }
}

/// A body that ends with an error when it is too long or too slow. The clock starts when a handler first waits.
struct BoundedBody {
    body: Rc<RefCell<RequestBody>>,
    left: usize,
    after: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Stream for BoundedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.body.borrow_mut().payload).poll_next(cx);
        match polled {
            Poll::Ready(Some(Ok(chunk))) => match self.left.checked_sub(chunk.len()) {
                Some(left) => {
                    self.left = left;
                    Poll::Ready(Some(Ok(chunk)))
                }
                None => Poll::Ready(Some(Err(PayloadError::Overflow))),
            },
            Poll::Pending => {
                // Most bodies arrive with the head and never need a timer.
                let after = self.after;
                let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(after)));
                deadline
                    .as_mut()
                    .poll(cx)
                    .map(|()| Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into()))))
            }
            Poll::Ready(end) => {
                self.body.borrow_mut().ended = true;
                Poll::Ready(end)
            }
        }
    }
}

/// An answer that came before the whole body did ends the connection. actix-http does so too, but for chunked bodies
/// that nobody holds any more it waits for the rest without a limit (3.20, `should_close_for_unread_payload`); so the
/// answer holds the body until it is sent.
fn close_if_unread<B: MessageBody + 'static>(
    response: ServiceResponse<EitherBody<B>>,
    body: Option<Rc<RefCell<RequestBody>>>,
) -> ServiceResponse<EitherBody<B>> {
    match body {
        Some(unread) if !unread.borrow().ended => response.map_body(|_, answer| {
            EitherBody::right(HoldingBody { answer: answer.boxed(), _unread: Rc::clone(&unread) }.boxed())
        }),
        _ => response,
    }
}

struct HoldingBody {
    answer: BoxBody,
    _unread: Rc<RefCell<RequestBody>>,
}

impl MessageBody for HoldingBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allowed: &str, host: &str, expect: bool) {
        let hosts: AllowedHosts = allowed.parse().unwrap();
        assert_eq!(hosts.allow(host), expect, "{host:?} among {allowed:?}");
    }

    #[test]
    fn the_loopback_and_what_was_named() {
        check("", "localhost", true);
        check("", "LOCALHOST:3000", true);
        check("", "127.0.0.1:4567", true);
        check("", "[::1]:4567", true);
        check("", "", false);
        check("", "evil.example", false);
        check("", "localhost.evil.example", false);
        check("", "127.0.0.1.evil.example:80", false);
        check("", "localhost:80@evil.example", false);
        check("", "[::1", false);
        check("", "[::1]evil", false);
        check("gateway, users", "gateway:4567", true);
        check("gateway,users", "USERS", true);
        check("gateway", "gateway.evil.example", false);
        check(".example.org", "a.example.org:443", true);
        check(".example.org", ".example.org", false);
        check(".example.org", "evilexample.org", false);
        check("*", "anything:1", true);
        check("*", "", false);
    }

    #[test]
    fn a_url_is_no_host_name() {
        assert!("http://gateway".parse::<AllowedHosts>().is_err());
        assert!("a b".parse::<AllowedHosts>().is_err());
    }
}
