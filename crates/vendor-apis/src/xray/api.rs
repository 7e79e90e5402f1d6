//! X-Ray's API: rest-json, every call a POST to a path of its own.

mod groups_and_rules;
mod query;
mod segments;

use std::sync::Arc;

use actix_web::http::header::{HOST, ORIGIN};
use actix_web::web::{self, Bytes, Data, Json, PayloadConfig, ServiceConfig};
use actix_web::{HttpRequest, guard};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::control::Control;
use super::counters::Counters;
use super::error::ApiError;
use super::store::Store;

/// 50 documents of 64 KB, each escaped as text within JSON.
const MAX_BODY: usize = 8 << 20;

/// Calls by which data come and sampling is asked for: SDKs send them unsigned through the daemon's TCP port.
const INGEST: [&str; 4] = ["/TraceSegments", "/TelemetryRecords", "/GetSamplingRules", "/SamplingTargets"];

const OTHERS: [&str; 15] = [
    "/TraceSummaries",
    "/Traces",
    "/ServiceGraph",
    "/TraceGraph",
    "/CreateGroup",
    "/GetGroup",
    "/Groups",
    "/UpdateGroup",
    "/DeleteGroup",
    "/CreateSamplingRule",
    "/UpdateSamplingRule",
    "/DeleteSamplingRule",
    "/SamplingStatisticSummaries",
    "/EncryptionConfig",
    "/ListTagsForResource",
];

/// The API over a store. Clones share everything.
#[derive(Clone)]
pub struct Api {
    store: Arc<dyn Store>,
    counters: Arc<Counters>,
    /// Read from the store when first asked for.
    control: Arc<Mutex<Option<Control>>>,
}

impl Api {
    pub fn new(store: Arc<dyn Store>, counters: Arc<Counters>) -> Self {
        Self { store, counters, control: Arc::default() }
    }

    /// One route a path; everything else is left to whoever mounts it.
    pub fn configure(&self, app: &mut ServiceConfig) {
        for path in INGEST.into_iter().chain(OTHERS) {
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
    INGEST.contains(&path) || OTHERS.contains(&path)
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
        "/GetSamplingRules" => api.read(|control| Ok(json!(control.rules()))).await?,
        "/SamplingTargets" => {
            let request = parse(&body)?;
            api.read(|control| Ok(json!(control.targets(&request, super::now())))).await?
        }
        "/TraceSummaries" => api.trace_summaries(parse(&body)?).await?,
        "/Traces" => api.traces(parse(&body)?).await?,
        "/ServiceGraph" => api.service_graph(parse(&body)?).await?,
        "/TraceGraph" => api.trace_graph(parse(&body)?).await?,
        "/CreateGroup" => api.create_group(&parse(&body)?).await?,
        "/GetGroup" => {
            let request = parse(&body)?;
            api.read(|control| control.get_group(&request)).await?
        }
        "/Groups" => api.read(|control| Ok(control.groups())).await?,
        "/UpdateGroup" => {
            let request = parse(&body)?;
            api.change(|control| control.update_group(&request)).await?
        }
        "/DeleteGroup" => {
            let request = parse(&body)?;
            api.change(|control| control.delete_group(&request)).await?
        }
        "/CreateSamplingRule" => {
            let request = parse(&body)?;
            api.change(|control| control.create_rule(request, super::now())).await?
        }
        "/UpdateSamplingRule" => {
            let request = parse(&body)?;
            api.change(|control| control.update_rule(request, super::now())).await?
        }
        "/DeleteSamplingRule" => {
            let request = parse(&body)?;
            api.change(|control| control.delete_rule(&request)).await?
        }
        "/SamplingStatisticSummaries" => api.read(|control| Ok(control.statistics())).await?,
        "/EncryptionConfig" => json!({ "EncryptionConfig": { "Status": "ACTIVE", "Type": "NONE" } }),
        "/ListTagsForResource" => json!({ "Tags": [] }),
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
