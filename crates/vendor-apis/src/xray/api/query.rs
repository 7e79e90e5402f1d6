//! Traces and service graphs.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use ::xray::TraceId;

use super::Api;
use crate::xray::error::ApiError;
use crate::xray::filter::Filter;
use crate::xray::graph::Graph;
use crate::xray::store::{Cursor, Listed, Window};
use crate::xray::summary::{summary, whole};
use crate::xray::trace::View;

/// Summaries of one page.
const PAGE: usize = 100;
/// Traces that one call looks at; what is left is the next page, even if this one is empty.
const SCAN: usize = 1_000;
/// Traces that a service graph is made of, the newest. X-Ray samples as well.
const GRAPH_TRACES: usize = 5_000;
/// Past this no more than the first hundred, since somebody waits for it: an unoptimised build takes 20 s for them all.
const GRAPH_TIME: Duration = Duration::from_secs(2);
/// Traces listed at a time.
const CHUNK: usize = 100;
/// Traces of a service graph that are read while the one before them is drawn.
const READ_AHEAD: usize = 4;
/// The service that `throughline doctor` says it is when it tries whether traces arrive.
const PROBE: &str = "throughline-doctor";
/// "You can specify up to 5 traces" (BatchGetTraces); the model has no limit, and tools send more.
const MAX_TRACE_IDS: usize = 100;

/// How far the second that an id names may be from the trace's start. Further away it is a random id's.
const ID_TO_START: Duration = Duration::from_mins(10);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TraceSummaries {
    start_time: f64,
    end_time: f64,
    time_range_type: Option<String>,
    filter_expression: Option<String>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TraceIds {
    trace_ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ServiceGraph {
    start_time: f64,
    end_time: f64,
    group_name: Option<String>,
    #[serde(rename = "GroupARN")]
    group_arn: Option<String>,
}

impl Api {
    pub(super) async fn trace_summaries(&self, request: TraceSummaries) -> Result<Value, ApiError> {
        let window = window(request.start_time, request.end_time)?;
        let by_id = match request.time_range_type.as_deref() {
            None | Some("TraceId") => true,
            Some("Event" | "Service") => false,
            Some(_) => return Err(ApiError::invalid("TimeRangeType must be TraceId, Event or Service")),
        };
        let expression = request.filter_expression.unwrap_or_default();
        let filter = self.read(|control| control.filter(&expression)).await?;
        let after = request.next_token.filter(|token| !token.is_empty());
        let mut after = after.map(|token| cursor(&token)).transpose()?;

        let looked_at = if by_id { widened(window) } else { window };
        let (mut summaries, mut processed) = (Vec::new(), 0);
        let next = loop {
            let listed = self.store.list(looked_at, after, CHUNK).await?;
            let is_last = listed.len() < CHUNK;
            for Listed { id, start, cursor } in listed {
                after = Some(cursor);
                if by_id && !is_within(id, start, window) {
                    continue;
                }
                processed += 1;
                let Some(view) = self.view(id).await? else { continue };
                if filter.admits(&view) {
                    summaries.push(summary(&view));
                    if summaries.len() == PAGE {
                        break;
                    }
                }
            }
            if summaries.len() == PAGE || processed >= SCAN {
                break after;
            }
            if is_last {
                break None;
            }
        };
        let mut answer = json!({
            "TraceSummaries": summaries,
            "ApproximateTime": super::super::now().as_secs(),
            "TracesProcessedCount": processed,
        });
        if let Some(Cursor(listed, id)) = next {
            answer["NextToken"] = format!("{listed}.{id}").into();
        }
        Ok(answer)
    }

    pub(super) async fn traces(&self, request: TraceIds) -> Result<Value, ApiError> {
        let (mut traces, mut unknown) = (Vec::new(), Vec::new());
        for text in trace_ids(&request)? {
            match self.view_of(text).await? {
                Some(view) => traces.push(whole(&view)),
                None => unknown.push(text),
            }
        }
        Ok(json!({ "Traces": traces, "UnprocessedTraceIds": unknown }))
    }

    pub(super) async fn trace_graph(&self, request: TraceIds) -> Result<Value, ApiError> {
        let mut graph = Graph::default();
        for text in trace_ids(&request)? {
            if let Some(view) = self.view_of(text).await? {
                graph.add(&view);
            }
        }
        Ok(json!({ "Services": graph.to_json() }))
    }

    pub(super) async fn service_graph(&self, request: ServiceGraph) -> Result<Value, ApiError> {
        let window = window(request.start_time, request.end_time)?;
        let filter: Filter =
            self.read(|control| control.group_filter(request.group_name, request.group_arn)).await?;
        let mut graph = Graph::default();
        let (mut after, mut count) = (None, 0);
        let started = Instant::now();
        let is_partial = 'pages: loop {
            let listed = self.store.list(window, after, CHUNK).await?;
            let is_last = listed.len() < CHUNK;
            after = listed.last().map(|last| last.cursor);
            let mut views =
                stream::iter(listed).map(|listed| self.view(listed.id)).buffered(READ_AHEAD).boxed();
            while let Some(view) = views.next().await {
                if let Some(view) = view?.filter(|view| !is_probe(view) && filter.admits(view)) {
                    graph.add(&view);
                }
                count += 1;
                if count == GRAPH_TRACES || count >= CHUNK && started.elapsed() >= GRAPH_TIME {
                    break 'pages true;
                }
            }
            if is_last {
                break false;
            }
        };
        Ok(json!({
            "StartTime": request.start_time,
            "EndTime": request.end_time,
            "Services": graph.to_json(),
            "ContainsOldGroupVersions": false,
            "TracesProcessedCount": count,
            "IsPartial": is_partial,
        }))
    }

    async fn view_of(&self, text: &str) -> Result<Option<View>, ApiError> {
        match TraceId::parse_xray(text) {
            Ok(id) => self.view(id).await,
            Err(_) => Ok(None),
        }
    }

    async fn view(&self, id: TraceId) -> Result<Option<View>, ApiError> {
        let trace = self.store.trace(id).await?;
        Ok(trace.map(|trace| View::new(id, &trace)).filter(|view| !view.nodes.is_empty()))
    }
}

/// Nobody calls it, so that it would stand beside the map of the system that it looks after.
fn is_probe(view: &View) -> bool {
    view.head().is_some_and(|document| document.name == PROBE)
}

fn trace_ids(request: &TraceIds) -> Result<&[String], ApiError> {
    if request.trace_ids.len() > MAX_TRACE_IDS {
        return Err(ApiError::invalid(format!("at most {MAX_TRACE_IDS} trace ids in one call")));
    }
    Ok(&request.trace_ids)
}

/// The times of a request, seconds since 1970.
fn window(start: f64, end: f64) -> Result<Window, ApiError> {
    let time = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
    match (time(start), time(end)) {
        (Some(start), Some(end)) if start < end => Ok(Window { start, end }),
        _ => Err(ApiError::invalid("StartTime must be a time before EndTime")),
    }
}

/// By what an id may be beside its trace.
fn widened(Window { start, end }: Window) -> Window {
    Window { start: start.saturating_sub(ID_TO_START), end: end.saturating_add(ID_TO_START) }
}

/// By the time that the id says; W3C's random ids say none and are judged by their start, which the real X-Ray does not do.
fn is_within(id: TraceId, start: Duration, window: Window) -> bool {
    let said = Duration::from_secs(id.epoch_seconds().into());
    let is_random = said.abs_diff(start) > ID_TO_START;
    contains(window, if is_random { start } else { said })
}

/// An id tells whole seconds, so the first second of a window is in it whole.
fn contains(window: Window, time: Duration) -> bool {
    (Duration::from_secs(window.start.as_secs())..window.end).contains(&time)
}

fn cursor(token: &str) -> Result<Cursor, ApiError> {
    let parsed =
        token.split_once('.').and_then(|(listed, id)| Some(Cursor(listed.parse().ok()?, id.parse().ok()?)));
    parsed.ok_or_else(|| ApiError::invalid("NextToken must be the one of the page before"))
}
