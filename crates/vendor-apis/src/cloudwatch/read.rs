//! `GetLogEvents` and `FilterLogEvents`, with tokens that end as AWS's do.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Api;
use super::error::ApiError;
use super::groups::{check_stream, group_of};
use super::pattern::Pattern;
use super::store::{Event, From, Page, Position, Query, Streams};

/// Events of a page.
const MAX_EVENTS: usize = 10_000;
/// Bytes of a page's messages.
const MAX_BYTES: usize = 1 << 20;
const MAX_STREAMS: usize = 100;
/// Characters of a filter pattern.
const MAX_PATTERN: usize = 1_024;
/// Events that one call looks at; what it did not find among them the next call goes on to look for, as AWS does it.
const MAX_SEARCHED: usize = 50_000;
/// Events asked of the store at a time.
const CHUNK: usize = 2_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    limit: Option<i64>,
    #[serde(default)]
    start_from_head: bool,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FilterLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    limit: Option<i64>,
    next_token: Option<String>,
}

/// `f/` reads on after a position, `b/` back before it. A page's two tokens enclose it; at the end of the stream the
/// token that was sent comes back, which is how clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Forward(Position),
    Backward(Position),
}

const FIRST: Position = Position { time: 0, id: 0 };
const LAST: Position = Position { time: i64::MAX, id: i64::MAX };

impl Api {
    pub(super) async fn get_log_events(&self, request: GetLogEvents) -> Result<Value, ApiError> {
        let group = group_of(request.log_group_name, request.log_group_identifier)?;
        let stream = request.log_stream_name.ok_or_else(|| ApiError::missing("logStreamName"))?;
        check_stream(&stream)?;
        let limit = limit(request.limit)?;
        let token: Option<Token> = request.next_token.as_deref().map(str::parse).transpose()?;
        let from = match token {
            Some(Token::Forward(position)) => From::After(position),
            Some(Token::Backward(position)) => From::Before(position),
            None if request.start_from_head => From::After(FIRST),
            None => From::Before(LAST),
        };
        let query = Query {
            group,
            streams: Streams::Named(vec![stream]),
            start: request.start_time,
            end: request.end_time,
            from,
            limit,
            max_bytes: MAX_BYTES,
        };
        let mut events = self.store.events(query).await?.events;
        if matches!(from, From::Before(_)) {
            events.reverse();
        }
        let (first, last) = match (events.first(), events.last(), from) {
            (Some(first), Some(last), _) => (first.position, last.position),
            // An empty stream: what comes later is after its beginning.
            (_, _, From::Before(LAST)) => (FIRST, FIRST),
            (_, _, From::After(position) | From::Before(position)) => (position, position),
        };
        let events: Vec<_> = events
            .into_iter()
            .map(|event| {
                json!({
                    "timestamp": event.timestamp,
                    "message": event.message,
                    "ingestionTime": event.ingestion_time,
                })
            })
            .collect();
        Ok(json!({
            "events": events,
            "nextForwardToken": Token::Forward(last).to_string(),
            "nextBackwardToken": Token::Backward(first).to_string(),
        }))
    }

    pub(super) async fn filter_log_events(&self, request: FilterLogEvents) -> Result<Value, ApiError> {
        let group = group_of(request.log_group_name, request.log_group_identifier)?;
        let streams = match (request.log_stream_names, request.log_stream_name_prefix) {
            (Some(names), Some(_)) if !names.is_empty() => {
                return Err(ApiError::invalid(
                    "Only one of logStreamNames or logStreamNamePrefix can be specified.",
                ));
            }
            (Some(names), _) if names.len() > MAX_STREAMS => {
                let constraint = "Member must have length less than or equal to 100";
                return Err(ApiError::constraint("[...]", "logStreamNames", constraint));
            }
            (Some(names), None) if !names.is_empty() => Streams::Named(names),
            (_, Some(prefix)) => Streams::Prefix(prefix),
            _ => Streams::All,
        };
        let pattern = request.filter_pattern.unwrap_or_default();
        if pattern.chars().count() > MAX_PATTERN {
            let constraint = "Member must have length less than or equal to 1024";
            return Err(ApiError::constraint("...", "filterPattern", constraint));
        }
        let pattern = Pattern::parse(&pattern)
            .map_err(|error| ApiError::invalid(format!("Invalid filter pattern: {error}")))?;
        let limit = limit(request.limit)?;
        let mut position = match request.next_token.as_deref() {
            None => FIRST,
            Some(token) => match token.parse()? {
                Token::Forward(position) => position,
                Token::Backward(_) => return Err(bad_token()),
            },
        };
        let (mut found, mut bytes, mut searched) = (Vec::new(), 0, 0);
        let next = loop {
            let query = Query {
                group: group.clone(),
                streams: streams.clone(),
                start: request.start_time,
                end: request.end_time,
                from: From::After(position),
                limit: CHUNK,
                max_bytes: MAX_BYTES,
            };
            let Page { events, is_last } = self.store.events(query).await?;
            let mut is_full = false;
            for event in events {
                if pattern.matches(&event.message) {
                    bytes += event.message.len();
                    // The next page begins with this one.
                    if found.len() == limit || (bytes > MAX_BYTES && !found.is_empty()) {
                        is_full = true;
                        break;
                    }
                    position = event.position;
                    found.push(filtered(&event));
                } else {
                    position = event.position;
                }
                searched += 1;
            }
            if is_full || (searched >= MAX_SEARCHED && !is_last) {
                break Some(Token::Forward(position).to_string());
            }
            if is_last {
                break None;
            }
        };
        let mut answer = json!({ "events": found, "searchedLogStreams": [] });
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(answer)
    }
}

fn filtered(event: &Event) -> Value {
    json!({
        "logStreamName": event.stream,
        "timestamp": event.timestamp,
        "message": event.message,
        "ingestionTime": event.ingestion_time,
        // As many digits as AWS's.
        "eventId": format!("{:037}{:019}", event.position.time, event.position.id),
    })
}

fn limit(asked: Option<i64>) -> Result<usize, ApiError> {
    let Some(asked) = asked else { return Ok(MAX_EVENTS) };
    usize::try_from(asked).ok().filter(|limit| (1..=MAX_EVENTS).contains(limit)).ok_or_else(|| {
        ApiError::constraint(&asked.to_string(), "limit", "Member must have value between 1 and 10000")
    })
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (side, Position { time, id }) = match self {
            Self::Forward(position) => ('f', position),
            Self::Backward(position) => ('b', position),
        };
        write!(f, "{side}/{time:019}{id:019}")
    }
}

impl FromStr for Token {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let (side, digits) = text.split_once('/').ok_or_else(bad_token)?;
        if digits.len() != 38 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad_token());
        }
        let number = |digits: &str| digits.parse().map_err(|_| bad_token());
        let position = Position { time: number(&digits[..19])?, id: number(&digits[19..])? };
        match side {
            "f" => Ok(Self::Forward(position)),
            "b" => Ok(Self::Backward(position)),
            _ => Err(bad_token()),
        }
    }
}

fn bad_token() -> ApiError {
    ApiError::invalid("The specified nextToken is invalid.")
}
