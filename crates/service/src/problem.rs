//! Errors as callers see them: RFC 9457 problem details, with the trace id that leads to the cause.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use serde::{Deserialize, Serialize};

pub const CONTENT_TYPE: &str = "application/problem+json";

/// Stands before the kind of a problem in its `type`: `urn:throughline:problem:not-found`.
const TYPE_PREFIX: &str = "urn:throughline:problem:";

/// An answer that is not a success. It holds nothing that a stranger must not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {kind}: {detail}", status.as_u16())]
pub struct Problem {
    status: StatusCode,
    kind: Cow<'static, str>,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The body of a problem on the wire.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    r#type: Cow<'a, str>,
    #[serde(default)]
    title: Cow<'a, str>,
    status: u16,
    #[serde(default)]
    detail: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<Cow<'a, str>>,
}

impl Problem {
    /// `kind` is a slug that programs may rely on, `detail` a sentence for people.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind: kind.into(), detail: detail.into(), headers: Vec::new() }
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// Well-formed input that breaks a rule: too long a post, a handle with a blank.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub fn method_not_allowed(allow: Option<HeaderValue>) -> Self {
        let problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "this path does not take that method",
        );
        match allow {
            Some(allow) => problem.with_header(ALLOW, allow),
            None => problem,
        }
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    pub fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            format!("the body is larger than {limit} bytes"),
        )
    }

    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    }

    pub fn too_many_requests(retry_after_seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "slow down")
            .with_header(RETRY_AFTER, HeaderValue::from(retry_after_seconds))
    }

    /// Our own failure. The cause is logged here, once, and recorded on the request's span; the caller gets the trace id.
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = cause, "request failed");
        telemetry::current::record_error(cause);
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something broke on our side")
    }

    /// A handler panicked: the log line and its stack are told by the hook (`telemetry::init`), the span is marked here.
    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        #[derive(Debug, thiserror::Error)]
        #[error("panicked: {0}")]
        struct Panicked<'a>(&'a str);
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a text");
        telemetry::current::record_error(&Panicked(text));
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something broke on our side")
    }

    /// We cannot serve for a moment, for instance since the database is away.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The same, when the cause has not been logged yet: here, once.
    pub fn unavailable_because(cause: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = cause, "request failed for now");
        telemetry::current::record_error(cause);
        Self::unavailable(cause.to_string())
    }

    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Whether this body of a 5xx is a problem of a service like this one, which has logged its cause.
    pub fn is_told(body: &[u8]) -> bool {
        serde_json::from_slice::<Wire>(body).is_ok_and(|wire| wire.trace_id.is_some())
    }

    /// Another service's problem, to be handed on: `None` where the body is none.
    pub(crate) fn from_upstream(status: StatusCode, body: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(body).ok()?;
        let kind = wire.r#type.strip_prefix(TYPE_PREFIX).unwrap_or("upstream").to_owned();
        Some(Self { status, kind: kind.into(), detail: wire.detail.into_owned(), headers: Vec::new() })
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        response.content_type(CONTENT_TYPE).body(
            serde_json::to_vec(&Wire {
                r#type: format!("{TYPE_PREFIX}{}", self.kind).into(),
                title: self.status.canonical_reason().unwrap_or("Error").into(),
                status: self.status.as_u16(),
                detail: self.detail.as_str().into(),
                trace_id: telemetry::current::trace_id().map(Cow::Owned),
            })
            .expect("strings and numbers are always JSON"),
        )
    }
}

/// So that a handler may answer with nothing but a problem.
impl Responder for Problem {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.error_response()
    }
}
