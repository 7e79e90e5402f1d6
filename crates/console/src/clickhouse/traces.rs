//! The list of traces, one trace, one span: from the exporter's table to the API's shapes.

use query::clickhouse::{quote, read};
use serde_json::{Map, Value, json};
use xray::id::{SpanId, TraceId};

use super::store::{AskError, Store};
use crate::store::Filter;
use crate::wire::{Event, Kind, Link, Scope, Source, Span, Status, Summary, Trace, Traces};

/// Of one trace; it still opens in a browser.
const MAX_SPANS: usize = 100_000;
const IS_ERROR: &str = "StatusCode IN ('Error', 'STATUS_CODE_ERROR')";
/// In the order in which `read_span` takes them. Whole numbers as texts, which every server writes alike.
const FIELDS: &str = "TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, \
    toString(toUnixTimestamp64Nano(Timestamp)), toString(Duration), StatusCode, StatusMessage, SpanAttributes, \
    ResourceAttributes, ScopeName, ScopeVersion, \
    arrayMap(time -> toString(toUnixTimestamp64Nano(time)), `Events.Timestamp`), `Events.Name`, `Events.Attributes`, \
    `Links.TraceId`, `Links.SpanId`, `Links.Attributes`";

/// What is listed.
pub(super) struct List {
    pub(super) limit: usize,
    /// The last one of the page before.
    pub(super) before: Option<(i64, TraceId)>,
    pub(super) filter: Filter,
}

/// Of the day before the newest span, or before the last page: whole tables are large.
pub(super) async fn list(store: &Store, list: &List) -> Result<Traces, AskError> {
    let table = &store.table;
    let (newest, mut having) = match list.before {
        Some((start, id)) => {
            let id = quote(&id.to_w3c());
            let newest = format!("fromUnixTimestamp64Nano(toInt64({start}))");
            (newest, vec![format!("(start < {start} OR start = {start} AND TraceId < {id})")])
        }
        None => (format!("(SELECT max(Timestamp) FROM {table})"), Vec::new()),
    };
    let Filter { service, min_duration_nano, error } = &list.filter;
    if let Some(service) = service {
        having.push(format!("has(services, {})", quote(service)));
    }
    if let Some(nanos) = min_duration_nano {
        having.push(format!("end - start >= {nanos}"));
    }
    if let Some(error) = error {
        having.push(format!("errors {} 0", if *error { ">" } else { "=" }));
    }
    having.push("true".to_owned());
    let sql = format!(
        "SELECT TraceId, toString(start), toString(end - start), toFloat64(count), toFloat64(errors), services, name, service, root \
         FROM (SELECT TraceId, min(toUnixTimestamp64Nano(Timestamp)) AS start, \
         max(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration)) AS end, count() AS count, countIf({IS_ERROR}) AS errors, \
         arraySort(groupUniqArray(toString(ServiceName))) AS services, \
         argMin(toString(SpanName), (ParentSpanId != '', Timestamp)) AS name, \
         argMin(toString(ServiceName), (ParentSpanId != '', Timestamp)) AS service, max(ParentSpanId = '') AS root \
         FROM {table} WHERE Timestamp > {newest} - INTERVAL 1 DAY GROUP BY TraceId) WHERE {} \
         ORDER BY start DESC, TraceId DESC LIMIT {}",
        having.join(" AND "),
        list.limit + 1,
    );
    let mut traces: Vec<Summary> = store.ask(sql).await?.iter().map(|row| summary(row)).collect();
    let more = traces.len() > list.limit;
    traces.truncate(list.limit);
    let next =
        traces.last().filter(|_| more).map(|last| format!("{}.{}", last.start_unix_nano, last.trace_id));
    Ok(Traces { traces, next })
}

pub(super) async fn trace(store: &Store, id: TraceId) -> Result<Option<Trace>, AskError> {
    let spans = spans(store, id, "", MAX_SPANS).await?;
    let Some(start) = spans.first().map(|span| span.start_unix_nano) else { return Ok(None) };
    let end = spans.iter().map(|span| span.start_unix_nano + span.duration_nano).max().unwrap_or(start);
    Ok(Some(Trace {
        trace_id: id.to_w3c(),
        xray_trace_id: id.to_string(),
        start_unix_nano: start,
        duration_nano: end - start,
        span_count: spans.len() as u64,
        pruned_unix_nano: None,
        sources: vec![Source::Otlp],
        spans,
    }))
}

pub(super) async fn span(store: &Store, trace: TraceId, span: SpanId) -> Result<Option<Span>, AskError> {
    let condition = format!(" AND SpanId = {}", quote(&span.to_string()));
    Ok(spans(store, trace, &condition, 1).await?.into_iter().next())
}

async fn spans(store: &Store, id: TraceId, condition: &str, limit: usize) -> Result<Vec<Span>, AskError> {
    let sql = format!(
        "SELECT {FIELDS} FROM {} WHERE TraceId = {}{condition} ORDER BY Timestamp, SpanId LIMIT {limit}",
        store.table,
        quote(&id.to_w3c()),
    );
    Ok(store.ask(sql).await?.iter().map(|row| read_span(row)).collect())
}

fn summary(row: &[Value]) -> Summary {
    let trace_id = text(row, 0);
    let count = |place: usize| row.get(place).and_then(Value::as_f64).unwrap_or_default() as u64;
    Summary {
        xray_trace_id: trace_id.parse().map(|id: TraceId| id.to_string()).unwrap_or_default(),
        trace_id,
        name: text(row, 6),
        service: text(row, 7),
        start_unix_nano: nanos(row, 1),
        duration_nano: nanos(row, 2),
        span_count: count(3),
        error_count: count(4),
        services: texts(row, 5),
        root: row.get(8).is_some_and(|root| *root == json!(1) || *root == json!(true)),
    }
}

fn read_span(row: &[Value]) -> Span {
    let word = |place: usize, prefix: &str| text(row, place).to_lowercase().replace(prefix, "");
    let kind = match word(4, "span_kind_").as_str() {
        "server" => Kind::Server,
        "client" => Kind::Client,
        "producer" => Kind::Producer,
        "consumer" => Kind::Consumer,
        _ => Kind::Internal,
    };
    let status = match word(8, "status_code_").as_str() {
        "ok" => Status::Ok,
        "error" => Status::Error,
        _ => Status::Unset,
    };
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    let of = |place: usize, item: usize| row.get(place).and_then(|list| list.get(item));
    let event = |(item, name): (usize, String)| Event {
        name,
        time_unix_nano: of(14, item)
            .and_then(Value::as_str)
            .and_then(|time| time.parse().ok())
            .unwrap_or_default(),
        attributes: attributes(of(16, item)),
    };
    let link = |(item, trace_id): (usize, String)| Link {
        trace_id,
        span_id: of(18, item).and_then(Value::as_str).unwrap_or_default().to_owned(),
        attributes: attributes(of(19, item)),
    };
    Span {
        trace_id: text(row, 0),
        span_id: text(row, 1),
        parent_span_id: filled(text(row, 2)),
        name: text(row, 3),
        kind,
        service: text(row, 5),
        start_unix_nano: nanos(row, 6),
        duration_nano: nanos(row, 7),
        status,
        status_message: filled(text(row, 9)),
        attributes: attributes(row.get(10)),
        resource: attributes(row.get(11)),
        scope: filled(text(row, 12)).map(|name| Scope { name, version: text(row, 13) }),
        events: texts(row, 15).into_iter().enumerate().map(event).collect(),
        links: texts(row, 17).into_iter().enumerate().map(link).collect(),
        source: Source::Otlp,
        sources: vec![Source::Otlp],
    }
}

/// The table's texts as what they read as.
pub(super) fn attributes(map: Option<&Value>) -> Map<String, Value> {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), json!(read(value.as_str().unwrap_or_default())))).collect()
}

pub(super) fn text(row: &[Value], place: usize) -> String {
    row.get(place).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(row: &[Value], place: usize) -> Vec<String> {
    let list = row.get(place).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

pub(super) fn nanos(row: &[Value], place: usize) -> i64 {
    row.get(place).and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or_default()
}
