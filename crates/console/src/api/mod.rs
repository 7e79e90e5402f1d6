//! The HTTP API and the UI's files.

pub(crate) mod access;
mod errors;
mod jaeger;
mod laboratory;
pub(crate) mod logs;
pub(crate) mod queries;
pub(crate) mod query;
mod stream;
pub(crate) mod traces;
pub(crate) mod ui;
mod xray;

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CROSS_ORIGIN_RESOURCE_POLICY, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, Data, Json, ServiceConfig};
use serde_json::{Value, json};
use service::Problem;
use tokio::sync::{Semaphore, broadcast};
use vendor_apis::xray::Counters;
use vendor_apis::xray::error::ApiError;

use crate::config::Config;
use crate::forward::Forward;
use crate::stats::Stats;
use crate::store::{Errors, Logs, News, ReadError, Reader, Store, Writer, now};

pub(crate) use access::Access;
pub(crate) use query::Asked;

/// Live streams at a time. Each is a connection that stays; a browser opens six to one host at most.
const MAX_STREAMS: usize = 64;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Api {
    reader: Reader,
    writer: Writer,
    news: broadcast::Sender<News>,
    streams: Arc<Semaphore>,
    stats: Arc<Stats>,
    ui_dir: PathBuf,
    queries_dir: PathBuf,
    /// The parts of the statistics that do not change.
    since: i64,
    max_bytes: u64,
    addresses: Addresses,
    documents: Arc<Counters>,
    forward: Forward,
    asked: Asked,
    errors: Errors,
    logs: Logs,
    /// Of the demonstration, whose laboratory can be asked.
    app_url: Option<url::Url>,
    /// Holds the lock on the data directory.
    _store: Arc<Store>,
}

/// Where else is received, as `HOST:PORT`.
#[derive(Clone)]
pub(crate) struct Addresses {
    pub(crate) otlp_http: String,
    pub(crate) otlp_grpc: String,
    pub(crate) xray_daemon: String,
}

/// The APIs of vendors under our own address.
#[derive(Clone)]
pub(crate) struct Vendors {
    pub(crate) xray: vendor_apis::xray::Api,
    pub(crate) rollbar: vendor_apis::rollbar::Api,
    pub(crate) cloudwatch: vendor_apis::cloudwatch::Api,
}

impl Api {
    pub(crate) fn new(
        store: Store,
        asked: Asked,
        stats: Arc<Stats>,
        documents: Arc<Counters>,
        forward: Forward,
        config: &Config,
        addresses: Addresses,
    ) -> Self {
        Self {
            reader: store.reader.clone(),
            writer: store.writer.clone(),
            news: store.news.clone(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            stats,
            ui_dir: config.ui_dir.clone(),
            queries_dir: config.queries_dir.clone(),
            since: now(),
            max_bytes: config.max_bytes,
            addresses,
            documents,
            forward,
            asked,
            errors: store.errors.clone(),
            logs: store.logs.clone(),
            app_url: config.app_url.clone(),
            _store: Arc::new(store),
        }
    }

    pub(crate) fn reader(&self) -> Reader {
        self.reader.clone()
    }
}

pub(crate) fn routes(app: &mut ServiceConfig, api: Api, access: Access, vendors: &Vendors) {
    app.app_data(Data::new(api)).service(
        web::scope("")
            .wrap(from_fn(access::check))
            // No answer is a script, none is for other origins, none is worth keeping; `ui` says more of its files.
            .wrap(
                DefaultHeaders::new()
                    .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
                    .add((CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
                    .add((CACHE_CONTROL, "no-store")),
            )
            .app_data(Data::new(access))
            .route("/api/traces", web::get().to(traces::list))
            .route("/api/traces/stream", web::get().to(stream::follow))
            .route("/api/traces/{trace_id}", web::get().to(traces::show))
            .route("/api/traces/{trace_id}/otlp", web::get().to(traces::as_otlp))
            .route("/api/services", web::get().to(jaeger::services))
            .service(
                web::scope("/jaeger/api")
                    .route("/services", web::get().to(jaeger::services))
                    .route("/services/{service}/operations", web::get().to(jaeger::operations))
                    .route("/operations", web::get().to(jaeger::operations_of))
                    .route("/traces", web::get().to(jaeger::find))
                    .route("/traces/{trace_id}", web::get().to(jaeger::trace))
                    .route("/dependencies", web::get().to(jaeger::dependencies)),
            )
            .route("/api/traces/{trace_id}/spans/{span_id}", web::get().to(traces::show_span))
            .route("/api/xray/traces/{trace_id}", web::get().to(self::xray::documents))
            .route("/api/query", web::post().to(query::run))
            .route("/api/query/compare", web::post().to(query::compare))
            .route("/api/queries", web::get().to(queries::list))
            .route("/api/queries/{name}", web::put().to(queries::save))
            .route("/api/columns", web::get().to(query::columns))
            .route("/api/columns/values", web::get().to(query::values))
            .route("/api/datasets", web::get().to(query::datasets))
            .route("/api/service-map", web::get().to(query::service_map))
            .route("/api/errors", web::get().to(errors::list))
            .route("/api/errors/{id}", web::get().to(errors::show))
            .route("/api/errors/{id}", web::post().to(errors::change))
            .route("/api/logs", web::get().to(logs::list))
            .route("/api/logs/tail", web::get().to(logs::tail))
            .route("/api/logs/groups", web::get().to(logs::groups))
            .route("/api/laboratory", web::post().to(laboratory::ask))
            .route("/api/stats", web::get().to(stats))
            // Rollbar's paths lie below `/api`, CloudWatch's only one is that of the UI: both before those.
            .configure(|app| vendors.rollbar.configure(app))
            .configure(|app| vendors.cloudwatch.configure(app))
            .route("/api/{rest:.*}", web::to(no_such_route))
            .configure(|app| vendors.xray.configure(app))
            .default_service(web::get().to(ui::file)),
    );
}

/// The TCP side of X-Ray's daemon: the same API, which the real daemon passes on.
pub(crate) fn daemon_routes(app: &mut ServiceConfig, access: Access, xray: &vendor_apis::xray::Api) {
    app.service(
        web::scope("")
            .wrap(from_fn(access::check))
            .app_data(Data::new(access))
            .configure(|app| xray.configure(app))
            .default_service(web::to(async || Err::<(), _>(ApiError::unknown_operation()))),
    );
}

async fn stats(api: Data<Api>) -> Result<Json<Value>, Problem> {
    let Stats {
        received,
        stored,
        duplicates,
        invalid_trace_id,
        invalid_span_id,
        invalid_parent_span_id,
        trace_too_large,
        pruned_traces,
        pruned_spans,
        pruned_logs,
        pruned_occurrences,
        ignored_logs,
        ignored_metrics,
        undecodable,
        too_large,
        unsupported,
        timeout,
        overloaded,
        host,
    } = &*api.stats;
    let refused = [invalid_trace_id, invalid_span_id, invalid_parent_span_id, trace_too_large];
    let xray = api.documents.totals();
    let (rollbar, cloudwatch) = (api.errors.counters.totals(), api.logs.counters.totals());
    let (log_events, errors, occurrences) = api.reader.counts().await.map_err(|error| unreadable(&error))?;
    let (spans, traces, bytes) = api.writer.size();
    Ok(Json(json!({
        "since_unix_nano": api.since,
        "received": { "otlp": received.get(), "xray": xray.received, "rollbar": rollbar.received(), "cloudwatch": cloudwatch.received() },
        "stored": { "otlp": stored.get(), "xray": xray.stored, "rollbar": rollbar.stored, "cloudwatch": cloudwatch.stored },
        "duplicates": { "otlp": duplicates.get(), "xray": xray.duplicates, "rollbar": rollbar.duplicates, "cloudwatch": cloudwatch.duplicates },
        "dropped": {
            "otlp": refused.iter().map(|counter| counter.get()).sum::<u64>(),
            "xray": xray.dropped,
            "rollbar": rollbar.dropped.values().sum::<u64>(),
            "cloudwatch": cloudwatch.dropped.values().sum::<u64>(),
        },
        "refused": {
            "invalid_trace_id": invalid_trace_id.get(),
            "invalid_span_id": invalid_span_id.get(),
            "invalid_parent_span_id": invalid_parent_span_id.get(),
            "trace_too_large": trace_too_large.get(),
        },
        "refused_requests": {
            "undecodable": undecodable.get(),
            "too_large": too_large.get(),
            "unsupported": unsupported.get(),
            "timeout": timeout.get(),
            "overloaded": overloaded.get(),
            "host": host.get(),
        },
        "ignored": { "logs": ignored_logs.get(), "metrics": ignored_metrics.get() },
        "pruned": {
            "traces": pruned_traces.get(),
            "spans": pruned_spans.get(),
            "logs": pruned_logs.get(),
            "occurrences": pruned_occurrences.get(),
        },
        "spans": spans,
        "traces": traces,
        "log_events": log_events,
        "errors": errors,
        "occurrences": occurrences,
        "bytes": bytes,
        "max_bytes": api.max_bytes,
        "otlp_http": api.addresses.otlp_http,
        "otlp_grpc": api.addresses.otlp_grpc,
        "xray_daemon": api.addresses.xray_daemon,
        "laboratory": api.app_url.is_some(),
        "xray": api.documents.to_json(),
        "forward": api.forward.report(),
        "rollbar": { "refused": rollbar.dropped, "refused_requests": rollbar.refused_requests },
        "cloudwatch": { "refused": cloudwatch.dropped, "refused_requests": cloudwatch.refused_requests },
    })))
}

async fn no_such_route() -> Problem {
    Problem::not_found("the API has nothing at this path")
}

/// An empty value is no choice, as forms send it.
pub(crate) fn set(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.is_empty())
}

fn busy() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the store takes nothing at the moment")
}

fn unreadable(error: &ReadError) -> Problem {
    tracing::error!(%error, "query failed");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the store does not answer")
}
