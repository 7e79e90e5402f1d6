//! Log events: the list, what comes in, the groups.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Json, Query};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use service::Problem;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{sleep, timeout};
use vendor_apis::cloudwatch::line;
use vendor_apis::cloudwatch::pattern::Pattern;

use super::traces::{cursor, parse_span_id, parse_trace_id};
use super::{Api, set, unreadable};
use crate::store::{LogFilter, Place, Reader, Text, Words};
use crate::wire::Logs;

pub(crate) const DEFAULT_LIMIT: usize = 100;
pub(crate) const MAX_LIMIT: usize = 1_000;
/// Between two events of a live stream, as in `stream`.
const PACE: Duration = Duration::from_millis(250);
/// Log events in one of those. With more the reader is told that some are left out.
const MAX_TAIL: usize = 500;
/// Proxies cut connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Longer texts are no questions.
const MAX_TEXT: usize = 1_024;

#[derive(Deserialize)]
pub(crate) struct ListQuery {
    pub(crate) before: Option<String>,
    pub(crate) limit: Option<usize>,
    #[serde(flatten)]
    pub(crate) filter: FilterQuery,
}

/// The choices of the list and of the live stream.
#[derive(Deserialize)]
pub(crate) struct FilterQuery {
    q: Option<String>,
    group: Option<String>,
    stream: Option<String>,
    service: Option<String>,
    level: Option<String>,
    trace_id: Option<String>,
    span_id: Option<String>,
    start: Option<String>,
    end: Option<String>,
}

impl FilterQuery {
    pub(crate) fn parse(self) -> Result<LogFilter, Problem> {
        let time = |name: &str, text: Option<String>| {
            let bad = |_| Problem::bad_request(format!("{name} must be nanoseconds since 1970"));
            set(text).map(|text| text.parse().map_err(bad)).transpose()
        };
        let levels = set(self.level).map(|text| text.split(',').map(level).collect()).transpose()?;
        Ok(LogFilter {
            text: text(&self.q.unwrap_or_default())?,
            group: set(self.group),
            stream: set(self.stream),
            service: set(self.service),
            levels: levels.unwrap_or_default(),
            trace_id: set(self.trace_id).map(|text| parse_trace_id(&text)).transpose()?,
            span_id: set(self.span_id).map(|text| parse_span_id(&text)).transpose()?,
            start: time("start", self.start)?,
            end: time("end", self.end)?,
        })
    }
}

/// Words, or where it begins as one a filter pattern of CloudWatch's.
fn text(text: &str) -> Result<Text, Problem> {
    let text = text.trim();
    if text.len() > MAX_TEXT {
        return Err(Problem::bad_request("q must have at most 1024 bytes"));
    }
    if text.starts_with(['{', '[', '%', '?']) {
        let pattern = Pattern::parse(text).map_err(|error| Problem::bad_request(format!("q: {error}")))?;
        return Ok(Text::Pattern(pattern));
    }
    match Words::parse(text) {
        Some(words) => Ok(Text::Words(words)),
        None if text.is_empty() => Ok(Text::Any),
        None => Err(Problem::bad_request("q has no word in it, nor is it a filter pattern")),
    }
}

fn level(name: &str) -> Result<&'static str, Problem> {
    line::level(name.trim()).ok_or_else(|| {
        Problem::bad_request("level must be trace, debug, info, warn, error or fatal, or several with commas")
    })
}

pub(super) async fn list(api: Data<Api>, query: Query<ListQuery>) -> Result<Json<Logs>, Problem> {
    let ListQuery { before, limit, filter } = query.into_inner();
    let (time, id) = set(before).map_or(Ok((i64::MAX, i64::MAX)), |text| cursor(&text))?;
    let limit = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let page = api.reader.logs(filter.parse()?, Place::Before(time, id), limit).await;
    let page = page.map_err(|error| unreadable(&error))?;
    Ok(Json(Logs { events: page.events, next: page.next.map(|(time, id)| format!("{time}.{id}")) }))
}

pub(super) async fn groups(api: Data<Api>) -> Result<Json<Value>, Problem> {
    let groups = api.reader.log_groups().await.map_err(|error| unreadable(&error))?;
    Ok(Json(json!({ "groups": groups })))
}

/// One live stream: the same question again and again, of what is newer than the last answer.
struct Tail {
    reader: Reader,
    filter: LogFilter,
    news: watch::Receiver<i64>,
    last: i64,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn tail(api: Data<Api>, query: Query<FilterQuery>) -> Result<HttpResponse, Problem> {
    let filter = query.into_inner().parse()?;
    let permit = api.streams.clone().try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "too many live streams are open")
    })?;
    // Before the newest row is looked up: what comes between the two is news.
    let news = api.logs.news.subscribe();
    let last = api.reader.last_log().await.map_err(|error| unreadable(&error))?;
    let tail = Tail { reader: api.reader(), filter, news, last, _permit: permit };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(events(tail)))
}

fn events(tail: Tail) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    // The first bytes at once, so that the reader knows it is connected.
    let hello = stream::iter([Ok(Bytes::from_static(b": connected\n\n"))]);
    hello.chain(stream::unfold(tail, |mut tail| async {
        let event = tail.next_event().await?;
        Some((Ok(event), tail))
    }))
}

impl Tail {
    /// `None` when the console ends.
    async fn next_event(&mut self) -> Option<Bytes> {
        loop {
            match timeout(KEEP_ALIVE, self.news.wait_for(|newest| *newest > self.last)).await {
                Err(_) => return Some(Bytes::from_static(b": alive\n\n")),
                Ok(Err(_)) => return None,
                Ok(Ok(_)) => {}
            }
            // What comes within this time goes into one event.
            sleep(PACE).await;
            let newest = *self.news.borrow();
            let page = self.reader.logs(self.filter.clone(), Place::After(self.last), MAX_TAIL).await;
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(%error, "query failed");
                    return None;
                }
            };
            let is_more = page.next.is_some();
            self.last = newest;
            if !page.events.is_empty() || is_more {
                let json = json!({ "events": page.events, "truncated": is_more });
                return Some(Bytes::from(format!("event: logs\ndata: {json}\n\n")));
            }
        }
    }
}
