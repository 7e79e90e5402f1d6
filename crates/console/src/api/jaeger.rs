//! Jaeger's query API under `/jaeger`, for Grafana's Jaeger data source and whoever speaks it; `/api/services` also without the
//! prefix. It is read-only and has no dependencies but the service map's.

use std::collections::BTreeSet;

use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpResponse, ResponseError};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use service::Problem;

use super::query::map_window;
use super::traces::{parse_trace_id, read_trace};
use super::{Api, set, unreadable};
use crate::export::jaeger;
use crate::store::{Filter, Page};
use crate::wire::{Span, Trace};

/// Jaeger's own default.
const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 200;
/// Traces that are looked at for one answer; tags and operations are compared span by span.
const MAX_LOOKED_AT: usize = 2_000;
const PAGE: usize = 200;
/// Names in a list.
const MAX_NAMES: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct FindQuery {
    service: Option<String>,
    operation: Option<String>,
    /// A JSON object of texts.
    tags: Option<String>,
    /// `key:value`, more than once in a query string; Jaeger's older form.
    tag: Option<String>,
    /// Microseconds since 1970.
    start: Option<i64>,
    end: Option<i64>,
    limit: Option<usize>,
    #[serde(rename = "minDuration")]
    min_duration: Option<String>,
    #[serde(rename = "maxDuration")]
    max_duration: Option<String>,
    #[serde(rename = "traceID")]
    trace_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct OperationsQuery {
    service: String,
}

/// What one span must be for its trace to be found.
struct Wanted {
    service: Option<String>,
    operation: Option<String>,
    tags: Vec<(String, String)>,
    /// Nanoseconds.
    min_duration: i64,
    max_duration: i64,
}

/// Jaeger's shape of an error.
#[derive(Debug)]
pub(super) struct JaegerError(Problem);

impl From<Problem> for JaegerError {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl std::fmt::Display for JaegerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for JaegerError {
    fn status_code(&self) -> actix_web::http::StatusCode {
        self.0.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let error = json!({ "code": status.as_u16(), "msg": self.to_string() });
        HttpResponse::build(status)
            .json(json!({ "data": null, "total": 0, "limit": 0, "offset": 0, "errors": [error] }))
    }
}

pub(super) async fn services(api: Data<Api>) -> Result<Json<Value>, JaegerError> {
    let services = api.asked.values("service.name".to_owned(), None, MAX_NAMES).await?;
    Ok(Json(jaeger::answer(services.into_iter().map(Value::String).collect())))
}

pub(super) async fn operations(api: Data<Api>, service: Path<String>) -> Result<Json<Value>, JaegerError> {
    let names = api.asked.values("name".to_owned(), Some(service.into_inner()), MAX_NAMES).await?;
    Ok(Json(jaeger::answer(names.into_iter().map(Value::String).collect())))
}

/// The newer form, which knows kinds.
pub(super) async fn operations_of(
    api: Data<Api>,
    query: Query<OperationsQuery>,
) -> Result<Json<Value>, JaegerError> {
    let names = api.asked.values("name".to_owned(), Some(query.into_inner().service), MAX_NAMES).await?;
    let operations = names.into_iter().map(|name| json!({ "name": name, "spanKind": "" })).collect();
    Ok(Json(jaeger::answer(operations)))
}

pub(super) async fn trace(api: Data<Api>, id: Path<String>) -> Result<Json<Value>, JaegerError> {
    // Jaeger's ids may come without their leading zeros.
    let id = parse_trace_id(&format!("{:0>32}", *id))?;
    Ok(Json(jaeger::answer(vec![jaeger::trace(&read_trace(&api, id).await?)])))
}

pub(super) async fn find(api: Data<Api>, query: Query<FindQuery>) -> Result<Json<Value>, JaegerError> {
    let query = query.into_inner();
    if let Some(id) = set(query.trace_id.clone()) {
        let id = parse_trace_id(&format!("{id:0>32}"))?;
        return Ok(Json(jaeger::answer(vec![jaeger::trace(&read_trace(&api, id).await?)])));
    }
    let (start, end) = (query.start.unwrap_or(0), query.end.unwrap_or(i64::MAX / 1_000));
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let wanted = Wanted::parse(query)?;
    let filter = Filter { service: wanted.service.clone(), min_duration_nano: None, error: None };
    let (mut found, mut before, mut looked_at) = (Vec::new(), None, 0);
    'pages: loop {
        let page = api.reader.traces(filter.clone(), before, PAGE).await;
        let Page { traces, next } = page.map_err(|error| unreadable(&error))?;
        for summary in traces {
            looked_at += 1;
            let micros = summary.start_unix_nano / 1_000;
            if micros < start || micros > end {
                continue;
            }
            let Ok(trace) = read_trace(&api, parse_trace_id(&summary.trace_id)?).await else { continue };
            if wanted.is_in(&trace) {
                found.push(jaeger::trace(&trace));
            }
            if found.len() == limit || looked_at >= MAX_LOOKED_AT {
                break 'pages;
            }
        }
        before = match next {
            Some(next) => Some(next),
            None => break,
        };
    }
    Ok(Json(jaeger::answer(found)))
}

impl Wanted {
    fn parse(query: FindQuery) -> Result<Self, Problem> {
        let mut tags = Vec::new();
        if let Some(text) = set(query.tags) {
            let map: Map<String, Value> = serde_json::from_str(&text)
                .map_err(|error| Problem::bad_request(format!("tags must be a JSON object: {error}")))?;
            tags.extend(map.into_iter().map(|(key, value)| match value {
                Value::String(text) => (key, text),
                other => (key, other.to_string()),
            }));
        }
        if let Some(pair) = set(query.tag) {
            let (key, value) =
                pair.split_once(':').ok_or_else(|| Problem::bad_request("tag must be key:value"))?;
            tags.push((key.to_owned(), value.to_owned()));
        }
        let duration = |name: &str, text: Option<String>, default: i64| {
            set(text).map_or(Ok(default), |text| {
                nanos(&text)
                    .ok_or_else(|| Problem::bad_request(format!("{name} must be like 1.2s, 100ms or 500us")))
            })
        };
        Ok(Self {
            service: set(query.service),
            operation: set(query.operation).filter(|it| it != "all"),
            tags,
            min_duration: duration("minDuration", query.min_duration, 0)?,
            max_duration: duration("maxDuration", query.max_duration, i64::MAX)?,
        })
    }

    fn is_in(&self, trace: &Trace) -> bool {
        trace.spans.iter().any(|span| self.is(span))
    }

    fn is(&self, span: &Span) -> bool {
        self.service.as_ref().is_none_or(|it| *it == span.service)
            && self.operation.as_ref().is_none_or(|it| *it == span.name)
            && (self.min_duration..=self.max_duration).contains(&span.duration_nano)
            && self.tags.iter().all(|(key, value)| has(span, key, value))
    }
}

/// Jaeger looks for a tag in the span, its events and its process.
fn has(span: &Span, key: &str, value: &str) -> bool {
    // A number is asked for as text.
    let is = |it: &Value| match it {
        Value::String(text) => text == value,
        other => format!("{other}") == value,
    };
    let maps =
        [&span.attributes, &span.resource].into_iter().chain(span.events.iter().map(|it| &it.attributes));
    let is_error = span.status == crate::wire::Status::Error;
    match key {
        "error" => (value == "true") == is_error,
        "span.kind" => jaeger::kind(span.kind) == value,
        _ => maps.into_iter().any(|map| map.get(key).is_some_and(is)),
    }
}

/// Go's durations, as far as people write them.
fn nanos(text: &str) -> Option<i64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(unit_at);
    let scale = match unit {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3_600e9,
        _ => return None,
    };
    Some((number.parse::<f64>().ok()? * scale) as i64)
}

/// Edges between services, from the service map of the time asked for.
#[derive(Deserialize)]
pub(super) struct DependenciesQuery {
    /// Milliseconds since 1970.
    #[serde(rename = "endTs")]
    end: Option<u64>,
    /// Milliseconds before it.
    lookback: Option<u64>,
}

pub(super) async fn dependencies(
    api: Data<Api>,
    query: Query<DependenciesQuery>,
) -> Result<Json<Value>, JaegerError> {
    const DAY: u64 = 86_400;
    let end = query.end.map_or_else(super::query::now_seconds, |end| end / 1_000 + 1);
    let start = end.saturating_sub(query.lookback.map_or(DAY, |it| it / 1_000));
    let map = api.asked.service_map(map_window(start, end)?).await?;
    let map = serde_json::to_value(map).unwrap_or_default();
    let edges = map["edges"].as_array().into_iter().flatten();
    let known: BTreeSet<&str> =
        map["nodes"].as_array().into_iter().flatten().filter_map(|node| node["service"].as_str()).collect();
    let links = edges
        .filter(|edge| edge["to"].as_str().is_some_and(|to| known.contains(to)))
        .map(|edge| json!({ "parent": edge["from"], "child": edge["to"], "callCount": edge["requests"] }));
    Ok(Json(jaeger::answer(links.collect())))
}

#[cfg(test)]
mod tests {
    use super::nanos;

    #[test]
    fn durations_of_go() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(nanos(text), expect, "{text}");
        check("1.5s", Some(1_500_000_000));
        check("100ms", Some(100_000_000));
        check("250us", Some(250_000));
        check("7µs", Some(7_000));
        check("2m", Some(120_000_000_000));
        check("100", None);
        check("ms", None);
        check("1d", None);
    }
}
