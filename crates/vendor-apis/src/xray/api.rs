//! X-Ray's API: rest-json, every call a POST to a path of its own.

mod groups_and_rules;
mod query;
mod segments;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, ORIGIN};
use actix_web::web::{self, Bytes, Data, PayloadConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, guard};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::Mutex;

use super::control::Control;
use super::counters::Counters;
use super::error::ApiError;
use super::store::Store;
use super::upstream::Upstream;

/// 50 documents of 64 KB, each escaped as text within JSON.
const MAX_BODY: usize = 8 << 20;

/// Calls by which data come and sampling is asked for: SDKs send them unsigned through the daemon's TCP port.
const INGEST: [&str; 4] = ["/TraceSegments", "/TelemetryRecords", "/GetSamplingRules", "/SamplingTargets"];

/// Of these, the ones that X-Ray itself answers when there is an upstream: one set of rules and quotas holds for a whole fleet.
const PASSED_ON: [&str; 3] = ["/TelemetryRecords", "/GetSamplingRules", "/SamplingTargets"];

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
    upstream: Option<Arc<dyn Upstream>>,
}

impl Api {
    pub fn new(store: Arc<dyn Store>, counters: Arc<Counters>) -> Self {
        Self { store, counters, control: Arc::default(), upstream: None }
    }

    /// Passes on what the real daemon does: documents, and what is asked about sampling.
    #[must_use]
    pub fn with_upstream(self, upstream: Option<Arc<dyn Upstream>>) -> Self {
        Self { upstream, ..self }
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

async fn call(request: HttpRequest, api: Data<Api>, body: Bytes) -> Result<HttpResponse, ApiError> {
    refuse_other_origins(&request)?;
    let passed_on = PASSED_ON.into_iter().find(|path| *path == request.path());
    if let (Some(upstream), Some(path)) = (&api.upstream, passed_on) {
        return Ok(pass_on(&**upstream, path, body).await);
    }
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
    Ok(HttpResponse::Ok().json(answer))
}

/// X-Ray's answer as it is; where there is none, 502 as the real daemon's proxy says it.
async fn pass_on(upstream: &dyn Upstream, path: &'static str, body: Bytes) -> HttpResponse {
    match upstream.call(path, body).await {
        Ok((status, body)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            HttpResponse::build(status).content_type("application/json").body(body)
        }
        Err(problem) => {
            tracing::error!(path, "X-Ray did not answer: {problem}");
            HttpResponse::BadGateway().json(json!({ "message": "X-Ray did not answer" }))
        }
    }
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
