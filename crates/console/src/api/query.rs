//! Questions to the columns: queries, what differs, which columns and values there are, the service map.

use std::sync::Arc;
use std::time::Instant;

use actix_web::web::{Data, Json, Query};
use query::{
    Answer, ColumnInfo, Difference, Options, Scale, ServiceMap, Spec, SpecError, Table, ValueCount, Window,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use service::Problem;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::Api;
use crate::export::as_text;
use crate::query::Columns;
use crate::store::now;

/// Questions at a time; more wait. Each keeps one core busy and some 12 bytes for every span that it looks at.
const MAX_AT_ONCE: usize = 2;
const DEFAULT_VALUES: usize = 50;
const MAX_VALUES: usize = 1_000;
/// Of the service map, in seconds.
const DEFAULT_RANGE: u64 = 7_200;

/// The columns and whose turn it is.
#[derive(Clone)]
pub(crate) struct Asked {
    columns: Columns,
    turns: Arc<Semaphore>,
}

/// What may stand in the body beside the query specification.
pub(crate) struct Question {
    dataset: Option<String>,
    scale: Scale,
    disable_series: bool,
    disable_totals: bool,
    pub(crate) spec: Spec,
}

#[derive(Serialize)]
pub(crate) struct Answered {
    #[serde(flatten)]
    pub(crate) answer: Answer,
    /// The same query, `compare_time_offset_seconds` earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) compare: Option<Answer>,
    pub(crate) elapsed_ms: f64,
    /// Stored spans that are not in the columns: yet to be read after a start, or more than memory is given to.
    pub(crate) behind: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompareBody {
    dataset: Option<String>,
    query: Value,
    r#box: BoxBody,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoxBody {
    column: String,
    min: f64,
    max: f64,
    start: f64,
    end: f64,
}

#[derive(Deserialize)]
pub(crate) struct ColumnsQuery {
    pub(crate) dataset: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ValuesQuery {
    pub(crate) column: String,
    #[serde(default)]
    pub(crate) prefix: String,
    pub(crate) dataset: Option<String>,
    limit: Option<usize>,
}

impl ValuesQuery {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_VALUES).clamp(1, MAX_VALUES)
    }
}

#[derive(Deserialize)]
pub(crate) struct MapQuery {
    start: Option<u64>,
    end: Option<u64>,
}

impl CompareBody {
    pub(crate) fn parse(self) -> Result<(Spec, Options, query::Box), Problem> {
        let Self { dataset, query, r#box } = self;
        let spec = Spec::parse(&query).map_err(|error| {
            let path =
                if error.path.is_empty() { "query".to_owned() } else { format!("query.{}", error.path) };
            invalid(SpecError { path, ..error })
        })?;
        let BoxBody { column, min, max, start, end } = r#box;
        let options = Options { dataset, ..Options::new(Window::of(&spec, now_seconds())) };
        Ok((spec, options, query::Box { column, min, max, start, end }))
    }
}

impl MapQuery {
    pub(crate) fn window(self) -> Result<Window, Problem> {
        let end = self.end.unwrap_or_else(now_seconds);
        map_window(self.start.unwrap_or(end.saturating_sub(DEFAULT_RANGE)), end)
    }
}

/// Unix seconds.
pub(super) fn map_window(start: u64, end: u64) -> Result<Window, Problem> {
    if start > end {
        return Err(Problem::bad_request("start: is after end"));
    }
    let spec = Spec::parse(&json!({ "start_time": start, "end_time": end })).map_err(invalid)?;
    Ok(Window::of(&spec, end))
}

impl Asked {
    pub(crate) fn new(columns: Columns) -> Self {
        Self { columns, turns: Arc::new(Semaphore::new(MAX_AT_ONCE)) }
    }

    /// Runs `question` on a thread for such work, over all that was acknowledged before.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Table) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let ended = |_| Problem::unavailable("the process is ending");
        let _turn = self.turns.acquire().await.map_err(|_| Problem::unavailable("the process is ending"))?;
        self.columns.caught_up().await;
        let columns = self.columns.clone();
        spawn_blocking(move || question(&columns.read())).await.map_err(ended)
    }

    /// The most frequent values of a column.
    pub(super) async fn values(
        &self,
        column: String,
        dataset: Option<String>,
        limit: usize,
    ) -> Result<Vec<String>, Problem> {
        let values =
            self.ask(move |table| query::values(table, &column, "", dataset.as_deref(), limit)).await?;
        // A column that nobody has sent yet has no values.
        Ok(values.unwrap_or_default().into_iter().map(|found| as_text(&json!(found.value))).collect())
    }

    pub(super) async fn service_map(&self, window: Window) -> Result<ServiceMap, Problem> {
        self.ask(move |table| query::service_map(table, &window)).await
    }
}

impl Question {
    pub(crate) fn parse(body: Value) -> Result<Self, Problem> {
        let Value::Object(mut body) = body else {
            return Err(Problem::bad_request("a query is a JSON object"));
        };
        let dataset = match body.remove("dataset") {
            None | Some(Value::Null) => None,
            Some(Value::String(dataset)) => Some(dataset).filter(|dataset| !dataset.is_empty()),
            Some(_) => return Err(Problem::bad_request("dataset: must be a string")),
        };
        let scale = match body.remove("heatmap_scale") {
            None | Some(Value::Null) => Scale::Auto,
            Some(Value::String(word)) if word == "auto" => Scale::Auto,
            Some(Value::String(word)) if word == "linear" => Scale::Linear,
            Some(Value::String(word)) if word == "log" => Scale::Log,
            Some(_) => return Err(Problem::bad_request("heatmap_scale: must be auto, linear or log")),
        };
        let disable_series = flag(&mut body, "disable_series")?;
        let disable_totals = flag(&mut body, "disable_totals")?;
        let spec = Spec::parse(&Value::Object(body)).map_err(invalid)?;
        Ok(Self { dataset, scale, disable_series, disable_totals, spec })
    }

    pub(crate) fn options(&self, window: Window) -> Options {
        Options {
            dataset: self.dataset.clone(),
            window,
            scale: self.scale,
            disable_series: self.disable_series,
            disable_totals: self.disable_totals,
        }
    }
}

fn flag(body: &mut Map<String, Value>, name: &str) -> Result<bool, Problem> {
    match body.remove(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(_) => Err(Problem::bad_request(format!("{name}: must be true or false"))),
    }
}

pub(crate) fn invalid(error: SpecError) -> Problem {
    let SpecError { path, message } = error;
    Problem::bad_request(if path.is_empty() { message } else { format!("{path}: {message}") })
}

/// Unix seconds; one more than now, so that what has just arrived is before it.
pub(crate) fn now_seconds() -> u64 {
    (now() / 1_000_000_000) as u64 + 1
}

pub(super) async fn run(api: Data<Api>, body: Json<Value>) -> Result<Json<Answered>, Problem> {
    let started = Instant::now();
    let question = Question::parse(body.into_inner())?;
    let (stored, ..) = api.writer.size();
    let answered = api.asked.ask(move |table| {
        let window = Window::of(&question.spec, now_seconds());
        let earlier = question.spec.compare_time_offset_seconds.map(|offset| window.earlier(offset));
        let answer = query::run(table, &question.spec, &question.options(window))?;
        let compare = earlier.map(|window| query::run(table, &question.spec, &question.options(window)));
        let behind = stored.saturating_sub(table.rows());
        Ok(Answered { answer, compare: compare.transpose()?, elapsed_ms: 0.0, behind })
    });
    let answered = answered.await?.map_err(invalid)?;
    Ok(Json(Answered { elapsed_ms: (started.elapsed().as_micros() as f64) / 1e3, ..answered }))
}

pub(super) async fn compare(api: Data<Api>, body: Json<CompareBody>) -> Result<Json<Difference>, Problem> {
    let (spec, options, selection) = body.into_inner().parse()?;
    let difference = api.asked.ask(move |table| query::compare(table, &spec, &options, &selection));
    Ok(Json(difference.await?.map_err(invalid)?))
}

pub(super) async fn columns(api: Data<Api>, query: Query<ColumnsQuery>) -> Result<Json<Value>, Problem> {
    let dataset = query.into_inner().dataset.filter(|dataset| !dataset.is_empty());
    let columns: Vec<ColumnInfo> =
        api.asked.ask(move |table| query::columns(table, dataset.as_deref())).await?;
    Ok(Json(json!({ "columns": columns })))
}

pub(super) async fn values(api: Data<Api>, query: Query<ValuesQuery>) -> Result<Json<Value>, Problem> {
    let limit = query.limit();
    let ValuesQuery { column, prefix, dataset, .. } = query.into_inner();
    let dataset = dataset.filter(|dataset| !dataset.is_empty());
    let values =
        api.asked.ask(move |table| query::values(table, &column, &prefix, dataset.as_deref(), limit));
    let values: Vec<ValueCount> = values.await?.map_err(invalid)?;
    Ok(Json(json!({ "values": values })))
}

pub(super) async fn datasets(api: Data<Api>) -> Result<Json<Value>, Problem> {
    let datasets = api.asked.ask(query::datasets).await?;
    let datasets: Vec<_> =
        datasets.into_iter().map(|found| json!({ "name": found.value, "count": found.count })).collect();
    Ok(Json(json!({ "datasets": datasets })))
}

pub(super) async fn service_map(api: Data<Api>, query: Query<MapQuery>) -> Result<Json<ServiceMap>, Problem> {
    let window = query.into_inner().window()?;
    Ok(Json(api.asked.service_map(window).await?))
}
