//! What was stored since, as server-sent events.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Query};
use actix_web::{HttpResponse, web};
use futures::{Stream, stream};
use serde::Deserialize;
use service::Problem;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, sleep, timeout};

use super::Api;
use super::traces::{FilterQuery, parse_trace_id};
use crate::store::{Filter, News};
use crate::wire::{Summary, Traces};

/// Between two events: four a second look live, and more would keep a browser busy.
const PACE: Duration = Duration::from_millis(250);
/// Traces in an event; with more the reader is better off to ask for the list.
const MAX_TRACES: usize = 500;
/// Proxies cut connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
pub(super) struct StreamQuery {
    trace_id: Option<String>,
    #[serde(flatten)]
    filter: FilterQuery,
}

struct Follower {
    news: Receiver<News>,
    filter: Filter,
    trace_id: Option<String>,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn follow(api: Data<Api>, query: Query<StreamQuery>) -> Result<HttpResponse, Problem> {
    let StreamQuery { trace_id, filter } = query.into_inner();
    let trace_id = trace_id.map(|text| parse_trace_id(&text)).transpose()?.map(xray::id::TraceId::to_w3c);
    let filter = filter.parse()?;
    let permit = api.streams.clone().try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "too many live streams are open")
    })?;
    let follower = Follower { news: api.news.subscribe(), filter, trace_id, _permit: permit };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(events(follower)))
}

fn events(follower: Follower) -> impl Stream<Item = Result<web::Bytes, std::convert::Infallible>> {
    // The first bytes at once, so that the reader knows it is connected.
    let hello = stream::iter([Ok(Bytes::from_static(b": connected\n\n"))]);
    let events = stream::unfold(follower, |mut follower| async {
        let event = follower.next_event().await?;
        Some((Ok(event), follower))
    });
    futures::StreamExt::chain(hello, events)
}

impl Follower {
    /// `None` when the console ends.
    async fn next_event(&mut self) -> Option<Bytes> {
        let mut changed = HashMap::new();
        let mut is_behind = false;
        let wait = Instant::now() + KEEP_ALIVE;
        while changed.is_empty() && !is_behind {
            match timeout(wait.saturating_duration_since(Instant::now()), self.news.recv()).await {
                Err(_) => return Some(Bytes::from_static(b": alive\n\n")),
                Ok(Err(RecvError::Closed)) => return None,
                Ok(Err(RecvError::Lagged(_))) => is_behind = true,
                Ok(Ok(news)) => self.note(&news, &mut changed),
            }
        }
        // What comes within this time goes into one event.
        sleep(PACE).await;
        loop {
            match self.news.try_recv() {
                Ok(news) => self.note(&news, &mut changed),
                Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_)) => is_behind = true,
                Err(_) => break,
            }
        }
        if is_behind || changed.len() > MAX_TRACES {
            return Some(Bytes::from_static(b"event: reload\ndata: {}\n\n"));
        }
        let mut traces: Vec<Summary> = changed.into_values().collect();
        traces.sort_by_key(|trace| std::cmp::Reverse(trace.start_unix_nano));
        let json = serde_json::to_string(&Traces { traces, next: None }).expect("summaries are always JSON");
        Some(Bytes::from(format!("event: traces\ndata: {json}\n\n")))
    }

    /// Keeps the newest state of each trace.
    fn note(&self, news: &[Summary], changed: &mut HashMap<String, Summary>) {
        for summary in news {
            let is_asked_for = self.trace_id.as_ref().is_none_or(|id| *id == summary.trace_id);
            if is_asked_for && self.filter.admits(summary) && changed.len() <= MAX_TRACES {
                changed.insert(summary.trace_id.clone(), summary.clone());
            }
        }
    }
}
