//! The list of traces, one trace, one span.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Data, Json, Path, Query};
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use service::Problem;
use xray::id::{SpanId, TraceId};

use super::{Api, set, unreadable};
use crate::export::otlp;
use crate::store::{Cursor, Filter, Found, Page, ReadError, TraceHead};
use crate::wire::{Source, Span, Trace, Traces};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 1_000;
/// Spans read and sent at a time: what a trace of any size takes in memory, some hundred kilobytes.
const CHUNK: usize = 256;
/// The same of their columns, of which each chunk has a dictionary of its own.
const CHUNK_OF_COLUMNS: usize = 4_096;
/// Of a trace that is given in another form; about 200 MB on the way.
const MAX_EXPORTED_SPANS: usize = 100_000;

#[derive(Deserialize)]
pub(super) struct ListQuery {
    limit: Option<usize>,
    before: Option<String>,
    #[serde(flatten)]
    filter: FilterQuery,
}

/// The choices of the list and of the stream.
#[derive(Deserialize)]
pub(crate) struct FilterQuery {
    service: Option<String>,
    min_duration_ms: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct ShowQuery {
    #[serde(default)]
    brief: bool,
}

impl FilterQuery {
    pub(crate) fn parse(self) -> Result<Filter, Problem> {
        let min_duration_nano = set(self.min_duration_ms)
            .map(|text| match text.parse::<f64>() {
                Ok(ms) if ms >= 0.0 => Ok((ms * 1e6) as i64),
                _ => Err(Problem::bad_request("min_duration_ms must be a number of milliseconds")),
            })
            .transpose()?;
        let error = set(self.error)
            .map(|text| text.parse().map_err(|_| Problem::bad_request("error must be true or false")))
            .transpose()?;
        Ok(Filter { service: set(self.service), min_duration_nano, error })
    }
}

pub(super) async fn list(api: Data<Api>, query: Query<ListQuery>) -> Result<Json<Traces>, Problem> {
    let ListQuery { limit, before, filter } = query.into_inner();
    let limit = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let before = set(before).map(|text| cursor(&text)).transpose()?;
    let Page { traces, next } =
        api.reader.traces(filter.parse()?, before, limit).await.map_err(|error| unreadable(&error))?;
    Ok(Json(Traces { traces, next: next.map(|(listed, id)| format!("{listed}.{id}")) }))
}

pub(crate) fn cursor(text: &str) -> Result<Cursor, Problem> {
    let numbers =
        text.split_once('.').and_then(|(listed, id)| Some((listed.parse().ok()?, id.parse().ok()?)));
    numbers.ok_or_else(|| Problem::bad_request("before must be the `next` of a page"))
}

pub(super) async fn show(
    api: Data<Api>,
    trace_id: Path<String>,
    query: Query<ShowQuery>,
) -> Result<HttpResponse, Problem> {
    let id = parse_trace_id(&trace_id)?;
    let found = match api.reader.trace(id).await.map_err(|error| unreadable(&error))? {
        TraceHead::Found(found) => found,
        TraceHead::Pruned(at) => return Err(gone(at, api.max_bytes)),
        TraceHead::Unknown => return Err(Problem::not_found("no span of this trace has arrived")),
    };
    let Found { start, duration, pruned, trace, rows, sources } = found;
    let mut head = json!({
        "trace_id": id.to_w3c(),
        "xray_trace_id": id.to_string(),
        "start_unix_nano": start,
        "duration_nano": duration,
        "span_count": rows.len(),
        "pruned_unix_nano": pruned,
        "sources": Source::of(sources),
    })
    .to_string();
    head.truncate(head.len() - 1);
    head += if query.brief { r#","columns":["# } else { r#","spans":["# };

    // Each chunk is read when the one before was taken. A trace that is pruned meanwhile ends early, as valid JSON.
    let size = if query.brief { CHUNK_OF_COLUMNS } else { CHUNK };
    let chunks: Vec<Vec<i64>> = rows.chunks(size).map(<[i64]>::to_vec).collect();
    let (reader, brief) = (api.reader(), query.brief);
    let spans = stream::iter(chunks.into_iter().enumerate()).then(move |(place, rows)| {
        let reader = reader.clone();
        async move {
            if !brief {
                return Ok(Bytes::from(reader.spans(id, trace, rows, place == 0).await?));
            }
            let columns = reader.columns(trace, start, rows).await?;
            Ok(Bytes::from(if place == 0 { columns } else { format!(",{columns}") }))
        }
    });
    let body = stream::iter([Ok::<_, ReadError>(Bytes::from(head))])
        .chain(spans)
        .chain(stream::iter([Ok(Bytes::from_static(b"]}"))]));
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).streaming(body))
}

pub(super) async fn show_span(api: Data<Api>, ids: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let (trace_id, span_id) = ids.into_inner();
    let trace_id = parse_trace_id(&trace_id)?;
    let span_id = parse_span_id(&span_id)?;
    match api.reader.span(trace_id, span_id).await.map_err(|error| unreadable(&error))? {
        Some(span) => Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(span)),
        None => Err(Problem::not_found("this span has not arrived")),
    }
}

/// The whole trace, for forms that are made of it at once. Bounded, as it stands in memory several times over.
pub(super) async fn read_trace(api: &Api, id: TraceId) -> Result<Trace, Problem> {
    let found = match api.reader.trace(id).await.map_err(|error| unreadable(&error))? {
        TraceHead::Found(found) => found,
        TraceHead::Pruned(at) => return Err(gone(at, api.max_bytes)),
        TraceHead::Unknown => return Err(Problem::not_found("no span of this trace has arrived")),
    };
    let Found { start, duration, pruned, trace, mut rows, sources } = found;
    rows.truncate(MAX_EXPORTED_SPANS);
    let mut json = vec![b'['];
    json.extend(api.reader.spans(id, trace, rows, true).await.map_err(|error| unreadable(&error))?);
    json.push(b']');
    let spans: Vec<Span> = serde_json::from_slice(&json).map_err(|error| {
        tracing::error!(%error, "a stored span is not what the API says");
        Problem::unavailable("a stored span cannot be read")
    })?;
    Ok(Trace {
        trace_id: id.to_w3c(),
        xray_trace_id: id.to_string(),
        start_unix_nano: start,
        duration_nano: duration,
        span_count: spans.len() as u64,
        pruned_unix_nano: pruned,
        sources: Source::of(sources).to_vec(),
        spans,
    })
}

/// As OTLP's JSON, to keep as a file or to send to any receiver.
pub(super) async fn as_otlp(api: Data<Api>, id: Path<String>) -> Result<Json<Value>, Problem> {
    let id = parse_trace_id(&id)?;
    Ok(Json(otlp::request(&read_trace(&api, id).await?)))
}

pub(crate) fn parse_trace_id(text: &str) -> Result<TraceId, Problem> {
    text.parse().map_err(|_| Problem::bad_request("a trace id is 32 hex digits, or X-Ray's 1-8-24"))
}

pub(crate) fn parse_span_id(text: &str) -> Result<SpanId, Problem> {
    text.parse().map_err(|_| Problem::bad_request("a span id is 16 hex digits"))
}

fn gone(at: i64, max_bytes: u64) -> Problem {
    let time = chrono::DateTime::from_timestamp_nanos(at).format("%Y-%m-%d %H:%M:%S UTC");
    let detail = format!("pruned at {time} by the cap of {} MiB (CONSOLE_MAX_BYTES)", max_bytes >> 20);
    Problem::new(StatusCode::GONE, "pruned", detail)
}
