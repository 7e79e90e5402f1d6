//! JSON 1.1: every call a POST to `/`, told apart by `X-Amz-Target`.

use std::sync::Arc;

use actix_web::guard;
use actix_web::http::header::{HOST, HeaderMap, ORIGIN};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ApiError;
use super::store::Store;
use crate::Counters;
use crate::body::Bodies;

const TARGET: &str = "x-amz-target";
const PREFIX: &str = "Logs_20140328.";

/// 1 MiB of events in a call, each character of which JSON may write in six.
const MAX_BODY: usize = 8 << 20;

/// What those call who send. Everything else reads or removes.
const INGEST: [&str; 6] =
    ["PutLogEvents", "CreateLogGroup", "CreateLogStream", "PutRetentionPolicy", "TagResource", "TagLogGroup"];

/// CloudWatch Logs over a store. Clones share everything.
#[derive(Clone)]
pub struct Api {
    pub(super) store: Arc<dyn Store>,
    pub(super) counters: Arc<Counters>,
    bodies: Bodies,
}

impl Api {
    pub fn new(store: Arc<dyn Store>, counters: Arc<Counters>) -> Self {
        Self { store, counters, bodies: Bodies::new(MAX_BODY) }
    }

    pub fn configure(&self, app: &mut ServiceConfig) {
        app.service(
            web::resource("/")
                .guard(guard::Post())
                .guard(guard::fn_guard(|context| operation(context.head().headers()).is_some()))
                .app_data(Data::new(self.clone()))
                .default_service(web::to(call)),
        );
    }
}

/// What a request to `/` asks for, if it is one of ours.
fn operation(headers: &HeaderMap) -> Option<&str> {
    headers.get(TARGET)?.to_str().ok()?.strip_prefix(PREFIX)
}

/// Whether a request to `/` with these headers is one of ours.
pub fn is_call(path: &str, headers: &HeaderMap) -> bool {
    path == "/" && operation(headers).is_some()
}

/// Whether it brings data, or makes the place for them.
pub fn is_ingest(headers: &HeaderMap) -> bool {
    operation(headers).is_some_and(|operation| INGEST.contains(&operation))
}

async fn call(request: HttpRequest, payload: Payload, api: Data<Api>) -> HttpResponse {
    let answer = api.answer(&request, payload).await;
    let id = uuid::Uuid::new_v4().to_string();
    let mut response = match answer {
        // Most calls answer nothing.
        Ok(answer) => HttpResponse::Ok()
            .content_type("application/x-amz-json-1.1")
            .body(if answer.is_null() { String::new() } else { answer.to_string() }),
        Err(error) => {
            tracing::warn!(
                operation = operation(request.headers()),
                "CloudWatch Logs request refused: {error}"
            );
            error.error_response()
        }
    };
    let id = id.parse().expect("a uuid is a header's value");
    response.headers_mut().insert("x-amzn-requestid".parse().expect("a header's name"), id);
    response
}

impl Api {
    async fn answer(&self, request: &HttpRequest, payload: Payload) -> Result<Value, ApiError> {
        refuse_other_origins(request)?;
        let body = self.bodies.read(request, payload).await.inspect_err(|error| {
            self.counters.refused(match error {
                crate::body::BodyError::TooLarge(_) => "too_large",
                crate::body::BodyError::TooSlow => "timeout",
                _ => "undecodable",
            });
        })?;
        let bytes = &body.bytes;
        match operation(request.headers()).unwrap_or_default() {
            "PutLogEvents" => self.put_log_events(parse(bytes)?).await,
            "CreateLogGroup" => self.create_log_group(parse(bytes)?).await,
            "DeleteLogGroup" => self.delete_log_group(parse(bytes)?).await,
            "DescribeLogGroups" => self.describe_log_groups(parse(bytes)?).await,
            "PutRetentionPolicy" => self.put_retention_policy(parse(bytes)?).await,
            "DeleteRetentionPolicy" => self.delete_retention_policy(parse(bytes)?).await,
            "TagResource" | "TagLogGroup" => self.tag(parse(bytes)?).await,
            "UntagResource" | "UntagLogGroup" => self.untag(parse(bytes)?).await,
            "ListTagsForResource" | "ListTagsLogGroup" => self.list_tags(parse(bytes)?).await,
            "CreateLogStream" => self.create_log_stream(parse(bytes)?).await,
            "DeleteLogStream" => self.delete_log_stream(parse(bytes)?).await,
            "DescribeLogStreams" => self.describe_log_streams(parse(bytes)?).await,
            "GetLogEvents" => self.get_log_events(parse(bytes)?).await,
            "FilterLogEvents" => self.filter_log_events(parse(bytes)?).await,
            _ => Err(ApiError::unknown_operation()),
        }
    }
}

/// A page in a browser can send to any port of its machine; what it cannot do is leave out its `Origin`.
fn refuse_other_origins(request: &HttpRequest) -> Result<(), ApiError> {
    let Some(origin) = request.headers().get(ORIGIN) else { return Ok(()) };
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    if authority.is_some() && authority == host { Ok(()) } else { Err(ApiError::foreign_origin()) }
}

/// An empty body is an empty request.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        ApiError::new("SerializationException", format!("the request is not valid: {error}"))
    })
}
