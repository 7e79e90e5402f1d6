//! X-Ray's API: rest-json, every call a POST to a path of its own.

use std::sync::Arc;

use actix_web::http::header::{HOST, ORIGIN};
use actix_web::web::{self, Bytes, Data, Json, PayloadConfig, ServiceConfig};
use actix_web::{HttpRequest, guard};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use ::xray::limits::MAX_DOCUMENTS_PER_CALL;

use super::counters::{Counters, Via, code_name};
use super::error::ApiError;
use super::store::{Received, Store, Unavailable};

/// 50 documents of 64 KB, each escaped as text within JSON.
const MAX_BODY: usize = 8 << 20;

/// Calls by which data come and sampling is asked for: SDKs send them unsigned through the daemon's TCP port.
const INGEST: [&str; 4] = ["/TraceSegments", "/TelemetryRecords", "/GetSamplingRules", "/SamplingTargets"];

const PATHS: [&str; 4] = INGEST;

/// The API over a store. Clones share everything.
#[derive(Clone)]
pub struct Api {
    pub(super) store: Arc<dyn Store>,
    pub(super) counters: Arc<Counters>,
}

impl Api {
    pub fn new(store: Arc<dyn Store>, counters: Arc<Counters>) -> Self {
        Self { store, counters }
    }

    /// One route a path; everything else is left to whoever mounts it.
    pub fn configure(&self, app: &mut ServiceConfig) {
        for path in PATHS {
            app.service(
                web::resource(path)
                    .guard(guard::Post())
                    .app_data(Data::new(self.clone()))
                    .app_data(PayloadConfig::new(MAX_BODY))
                    .default_service(web::to(call)),
            );
        }
    }
}

/// Whether `path` is one of ours.
pub fn is_path(path: &str) -> bool {
    PATHS.contains(&path)
}

/// Whether `path` brings data or asks for sampling, which is open to everyone who may send.
pub fn is_ingest(path: &str) -> bool {
    INGEST.contains(&path)
}

async fn call(request: HttpRequest, api: Data<Api>, body: Bytes) -> Result<Json<Value>, ApiError> {
    refuse_other_origins(&request)?;
    let answer = match request.path() {
        "/TraceSegments" => api.put_trace_segments(parse(&body)?).await?,
        "/TelemetryRecords" => json!({}),
        _ => return Err(ApiError::unknown_operation()),
    };
    Ok(Json(answer))
}

/// A page in a browser can send to any port of its machine; what it cannot do is leave out its `Origin`.
fn refuse_other_origins(request: &HttpRequest) -> Result<(), ApiError> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = request.headers().get(ORIGIN) else { return Ok(()) };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    if authority.is_some() && authority == header(HOST) { Ok(()) } else { Err(ApiError::foreign_origin()) }
}

/// An empty body is an empty request.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid(format!("the request is not valid: {error}")))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutTraceSegments {
    trace_segment_documents: Vec<String>,
}

impl Api {
    async fn put_trace_segments(&self, request: PutTraceSegments) -> Result<Value, ApiError> {
        let documents = request.trace_segment_documents;
        if documents.len() > MAX_DOCUMENTS_PER_CALL {
            return Err(ApiError::invalid(format!("at most {MAX_DOCUMENTS_PER_CALL} documents in one call")));
        }
        let mut unprocessed = Vec::new();
        let mut accepted = Vec::new();
        for document in &documents {
            self.counters.received(Via::Api);
            match Received::read(document) {
                Ok(received) => accepted.push(received),
                Err(rejected) => {
                    self.counters.rejected(&rejected);
                    let mut item =
                        json!({ "ErrorCode": code_name(rejected.code), "Message": rejected.to_string() });
                    if let Some(id) = rejected.id {
                        item["Id"] = id.into();
                    }
                    unprocessed.push(item);
                }
            }
        }
        let count = accepted.len();
        match self.store.put(accepted).await {
            Ok(outcome) => self.counters.put(outcome),
            Err(Unavailable) => {
                // The caller comes back with all of them.
                self.counters.unavailable(count);
                return Err(Unavailable.into());
            }
        }
        Ok(json!({ "UnprocessedTraceSegments": unprocessed }))
    }
}
