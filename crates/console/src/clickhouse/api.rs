//! The part of the console's API that ClickHouse answers; the rest says that it does not.

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CROSS_ORIGIN_RESOURCE_POLICY, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use query::clickhouse::{self, Error, TableName};
use query::{Difference, ServiceMap, Window};
use serde::Deserialize;
use serde_json::{Value, json};
use service::Problem;

use super::Reader;
use super::logs;
use super::store::{AskError, Store};
use super::traces::{self, List};
use crate::api::logs::ListQuery as LogsQuery;
use crate::api::query::{
    Answered, ColumnsQuery, CompareBody, MapQuery, Question, ValuesQuery, invalid, now_seconds,
};
use crate::api::traces::{FilterQuery, parse_span_id, parse_trace_id};
use crate::api::{Access, access, queries, ui};
use crate::export::otlp;
use crate::wire::{Logs, Span, Trace, Traces};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 1_000;

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<usize>,
    before: Option<String>,
    #[serde(flatten)]
    filter: FilterQuery,
}

pub(super) fn routes(app: &mut ServiceConfig, reader: Reader, access: Access) {
    app.app_data(Data::new(reader)).service(
        web::scope("")
            .wrap(from_fn(access::check))
            .wrap(
                DefaultHeaders::new()
                    .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
                    .add((CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
                    .add((CACHE_CONTROL, "no-store")),
            )
            .app_data(Data::new(access))
            .route("/api/query", web::post().to(run))
            .route("/api/query/compare", web::post().to(compare))
            .route("/api/columns", web::get().to(columns))
            .route("/api/columns/values", web::get().to(values))
            .route("/api/datasets", web::get().to(datasets))
            .route("/api/queries", web::get().to(saved))
            .route("/api/traces", web::get().to(list))
            .route("/api/traces/stream", web::get().to(not_here))
            .route("/api/traces/{trace_id}", web::get().to(show))
            .route("/api/traces/{trace_id}/otlp", web::get().to(as_otlp))
            .route("/api/traces/{trace_id}/spans/{span_id}", web::get().to(show_span))
            .route("/api/service-map", web::get().to(service_map))
            .route("/api/logs", web::get().to(list_logs))
            .route("/api/stats", web::get().to(stats))
            .route("/api/errors{rest:.*}", web::to(no_errors))
            .route("/api/{rest:.*}", web::to(not_here))
            .route("/jaeger/{rest:.*}", web::to(not_here))
            .route("/{rest:.*}", web::get().to(file))
            .route("/{rest:.*}", web::head().to(file))
            // X-Ray's and CloudWatch's APIs, which are asked by POST.
            .default_service(web::to(not_here)),
    );
}

async fn run(reader: Data<Reader>, body: Json<Value>) -> Result<Json<Answered>, Problem> {
    let started = Instant::now();
    let question = Question::parse(body.into_inner())?;
    let (store, spec) = (&reader.store, &question.spec);
    let ask = async |sql| store.ask(sql).await;
    let window = Window::of(spec, now_seconds());
    let earlier = spec.compare_time_offset_seconds.map(|offset| window.earlier(offset));
    let options = question.options(window);
    let answer = clickhouse::run(&store.table, spec, &options, &ask).await.map_err(problem)?;
    let compare = match earlier.map(|window| question.options(window)) {
        Some(options) => Some(clickhouse::run(&store.table, spec, &options, &ask).await.map_err(problem)?),
        None => None,
    };
    let elapsed_ms = (started.elapsed().as_micros() as f64) / 1e3;
    Ok(Json(Answered { answer, compare, elapsed_ms, behind: 0 }))
}

async fn compare(reader: Data<Reader>, body: Json<CompareBody>) -> Result<Json<Difference>, Problem> {
    let (spec, options, selection) = body.into_inner().parse()?;
    let store = &reader.store;
    let ask = async |sql| store.ask(sql).await;
    let difference = clickhouse::compare(&store.table, &spec, &options, &selection, &ask);
    Ok(Json(difference.await.map_err(problem)?))
}

async fn service_map(reader: Data<Reader>, query: Query<MapQuery>) -> Result<Json<ServiceMap>, Problem> {
    let window = query.into_inner().window()?;
    let store = &reader.store;
    let ask = async |sql| store.ask(sql).await;
    let map = clickhouse::service_map(&store.table, &window, &ask);
    Ok(Json(map.await.map_err(problem)?))
}

async fn columns(reader: Data<Reader>, query: Query<ColumnsQuery>) -> Result<Json<Value>, Problem> {
    let store = &reader.store;
    let dataset = query.dataset.as_deref().filter(|dataset| !dataset.is_empty());
    let columns = clickhouse::columns(&store.table, dataset, &async |sql| store.ask(sql).await).await;
    Ok(Json(json!({ "columns": columns.map_err(refused)? })))
}

async fn values(reader: Data<Reader>, query: Query<ValuesQuery>) -> Result<Json<Value>, Problem> {
    let store = &reader.store;
    let dataset = query.dataset.as_deref().filter(|dataset| !dataset.is_empty());
    let ask = async |sql| store.ask(sql).await;
    let values =
        clickhouse::values(&store.table, &query.column, &query.prefix, dataset, query.limit(), &ask).await;
    Ok(Json(json!({ "values": values.map_err(problem)? })))
}

async fn datasets(reader: Data<Reader>) -> Result<Json<Value>, Problem> {
    let store = &reader.store;
    let found =
        clickhouse::datasets(&store.table, &async |sql| store.ask(sql).await).await.map_err(refused)?;
    let datasets: Vec<_> =
        found.into_iter().map(|found| json!({ "name": found.value, "count": found.count })).collect();
    Ok(Json(json!({ "datasets": datasets })))
}

async fn saved(reader: Data<Reader>) -> Result<Json<Value>, Problem> {
    queries::listed(reader.queries_dir.clone()).await
}

async fn list(reader: Data<Reader>, query: Query<ListQuery>) -> Result<Json<Traces>, Problem> {
    let ListQuery { limit, before, filter } = query.into_inner();
    let limit = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let before = before.filter(|text| !text.is_empty()).map(|text| {
        let (start, id) = text.split_once('.')?;
        Some((start.parse().ok()?, parse_trace_id(id).ok()?))
    });
    let before = match before {
        Some(None) => return Err(Problem::bad_request("before must be the `next` of a page")),
        given => given.flatten(),
    };
    let list = List { limit, before, filter: filter.parse()? };
    Ok(Json(traces::list(&reader.store, &list).await.map_err(refused)?))
}

async fn show(reader: Data<Reader>, id: Path<String>) -> Result<Json<Trace>, Problem> {
    let id = parse_trace_id(&id)?;
    let trace = traces::trace(&reader.store, id).await.map_err(refused)?;
    trace.map(Json).ok_or_else(|| Problem::not_found("the table has no span of this trace"))
}

async fn as_otlp(reader: Data<Reader>, id: Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(otlp::request(&show(reader, id).await?.0)))
}

async fn show_span(reader: Data<Reader>, ids: Path<(String, String)>) -> Result<Json<Span>, Problem> {
    let (trace, span) = (parse_trace_id(&ids.0)?, parse_span_id(&ids.1)?);
    let span = traces::span(&reader.store, trace, span).await.map_err(refused)?;
    span.map(Json).ok_or_else(|| Problem::not_found("the table has no such span"))
}

async fn list_logs(reader: Data<Reader>, query: Query<LogsQuery>) -> Result<Json<Logs>, Problem> {
    let list = logs::List::parse(query.into_inner())?;
    let store = &reader.store;
    let page = logs::list(store, &list).await;
    page.map(Json).map_err(|error| if error.is_no_table() { no_logs(store) } else { refused(error) })
}

/// What the tables hold. Nothing is received here, so that there is nothing to count of that; and traces are not counted,
/// since that reads the whole table.
async fn stats(reader: Data<Reader>) -> Result<Json<Value>, Problem> {
    let store = &reader.store;
    let count = async |table: &TableName| {
        let rows = store.ask(format!("SELECT toFloat64(count()) FROM {table}")).await?;
        Ok::<_, AskError>(rows.first().and_then(|row| row.first()?.as_f64()).map(|count| count as u64))
    };
    let spans = count(&store.table).await.map_err(refused)?;
    let log_events = match count(&store.logs).await {
        Err(error) if error.is_no_table() => None,
        counted => counted.map_err(refused)?,
    };
    Ok(Json(json!({
        "store": "clickhouse", "spans": spans, "log_events": log_events,
        "received": null, "stored": null, "duplicates": null, "dropped": null, "refused": null, "refused_requests": null,
        "ignored": null, "pruned": null, "traces": null, "errors": null, "occurrences": null, "bytes": null, "max_bytes": null,
        "otlp_http": null, "otlp_grpc": null, "xray_daemon": null, "forward": [],
    })))
}

fn no_logs(store: &Store) -> Problem {
    not_implemented(format!(
        "there is no table {}: the Collector's exporter makes it with its first log line",
        store.logs
    ))
}

/// Who fails is told by Rollbar's items here, not by spans.
async fn no_errors() -> Problem {
    not_implemented(
        "errors are grouped from Rollbar's items, which ClickHouse does not hold; failed spans are among the traces, and a query groups them",
    )
}

/// What is of this machine's store alone.
async fn not_here(request: HttpRequest) -> Problem {
    not_implemented(format!("{} is not there on a console that reads ClickHouse", request.path()))
}

pub(super) fn not_implemented(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::NOT_IMPLEMENTED, "not-implemented", detail)
}

async fn file(request: HttpRequest, reader: Data<Reader>) -> Result<HttpResponse, Problem> {
    ui::file_of(&request, &reader.ui_dir)
}

fn problem(error: Error<AskError>) -> Problem {
    match error {
        Error::Spec(error) => invalid(error),
        Error::Ask(error) => refused(error),
    }
}

fn refused(error: AskError) -> Problem {
    tracing::error!(%error, "query failed");
    match error {
        AskError::Unreachable(_) => Problem::unavailable("ClickHouse does not answer"),
        error => Problem::new(StatusCode::BAD_GATEWAY, "store", error.to_string()),
    }
}
