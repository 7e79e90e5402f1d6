//! `PutLogEvents`, as strict as AWS.

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Api;
use super::error::ApiError;
use super::groups::{check_group, check_stream, group_of};
use super::store::{NewEvent, StoreError};
use crate::now;

/// Events in a call.
const MAX_EVENTS: usize = 10_000;
/// Bytes of a call: those of the messages and [`EVENT_OVERHEAD`] each.
const MAX_BYTES: usize = 1_048_576;
const EVENT_OVERHEAD: usize = 26;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// A call's events lie within a day.
const MAX_SPAN_MS: i64 = DAY_MS;
/// Older and newer ones are left out, with a 200.
const MAX_AGE_MS: i64 = 14 * DAY_MS;
const MAX_AHEAD_MS: i64 = 2 * 60 * 60 * 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "AWS names them so")]
pub(super) struct PutLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
    log_events: Option<Vec<InputLogEvent>>,
}

#[derive(Deserialize)]
struct InputLogEvent {
    timestamp: Option<i64>,
    message: Option<String>,
}

/// Which of a call's events are taken, `[begin, end)`, and how many of the others are so for which reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Judged {
    begin: usize,
    end: usize,
    /// The first index that is not too old, if there are such.
    too_old_end: Option<usize>,
    expired_end: Option<usize>,
    /// The first index that is too new.
    too_new_start: Option<usize>,
}

impl Api {
    pub(super) async fn put_log_events(&self, request: PutLogEvents) -> Result<Value, ApiError> {
        let count = request.log_events.as_ref().map_or(0, Vec::len) as u64;
        let answer = self.put_checked(request).await;
        match &answer {
            Err(error) if error.kind == "ServiceUnavailableException" => self.counters.refused("overloaded"),
            Err(error) if error.kind == "ResourceNotFoundException" => self.counters.refused("not_found"),
            Err(_) => self.counters.dropped("invalid", count),
            Ok(_) => {}
        }
        answer
    }

    async fn put_checked(&self, request: PutLogEvents) -> Result<Value, ApiError> {
        let group = group_of(request.log_group_name, request.log_group_identifier)?;
        check_group(&group)?;
        let stream = request.log_stream_name.ok_or_else(|| ApiError::missing("logStreamName"))?;
        check_stream(&stream)?;
        let mut events = check(request.log_events)?;
        let retention = self.store.retention(group.clone(), stream.clone()).await?;

        let times: Vec<i64> = events.iter().map(|event| event.timestamp).collect();
        let judged = judge(&times, now().as_millis() as i64, retention);
        let total = events.len();
        events.truncate(judged.end);
        events.drain(..judged.begin.min(judged.end));
        let is_any = !events.is_empty();
        if is_any {
            self.store.put(group, stream, events).await.map_err(|error| match error {
                StoreError::NoGroup | StoreError::NoStream | StoreError::Unavailable => ApiError::from(error),
                error => ApiError::invalid(error.to_string()),
            })?;
        }
        // Counted once, under the reason that takes most: what is too old is expired, too.
        let too_old = judged.too_old_end.unwrap_or(0);
        self.counters.dropped("too_old", too_old as u64);
        self.counters.dropped("expired", judged.expired_end.unwrap_or(0).saturating_sub(too_old) as u64);
        self.counters.dropped("too_new", (total - judged.too_new_start.unwrap_or(total)) as u64);

        // Nobody needs it since 2023; old clients look for it.
        let mut answer = json!({ "nextSequenceToken": "49590302938" });
        if let Some(info) = judged.info() {
            answer["rejectedLogEventsInfo"] = info;
        }
        Ok(answer)
    }
}

fn check(events: Option<Vec<InputLogEvent>>) -> Result<Vec<NewEvent>, ApiError> {
    let events = events.ok_or_else(|| ApiError::missing("logEvents"))?;
    if events.is_empty() {
        return Err(ApiError::constraint(
            "[]",
            "logEvents",
            "Member must have length greater than or equal to 1",
        ));
    }
    if events.len() > MAX_EVENTS {
        return Err(ApiError::constraint(
            "[...]",
            "logEvents",
            "Member must have length less than or equal to 10000",
        ));
    }
    let mut checked: Vec<NewEvent> = Vec::with_capacity(events.len());
    let mut bytes = 0;
    for (place, event) in events.into_iter().enumerate() {
        let member = |name: &str| format!("logEvents.{}.member.{name}", place + 1);
        let timestamp = event.timestamp.ok_or_else(|| ApiError::missing(&member("timestamp")))?;
        if timestamp < 0 {
            let constraint = "Member must have value greater than or equal to 0";
            return Err(ApiError::constraint(&timestamp.to_string(), &member("timestamp"), constraint));
        }
        let message = event.message.ok_or_else(|| ApiError::missing(&member("message")))?;
        if message.is_empty() {
            let constraint = "Member must have length greater than or equal to 1";
            return Err(ApiError::constraint("", &member("message"), constraint));
        }
        bytes += message.len() + EVENT_OVERHEAD;
        checked.push(NewEvent { timestamp, message });
    }
    if bytes > MAX_BYTES {
        return Err(ApiError::invalid(format!(
            "Upload too large: {bytes} bytes exceeds limit of {MAX_BYTES}"
        )));
    }
    if !checked.is_sorted_by_key(|event| event.timestamp) {
        return Err(ApiError::invalid(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    let (first, last) = (checked[0].timestamp, checked[checked.len() - 1].timestamp);
    if last - first > MAX_SPAN_MS {
        return Err(ApiError::invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    Ok(checked)
}

/// `times` ascend; `now` is milliseconds since 1970.
fn judge(times: &[i64], now: i64, retention_days: Option<u32>) -> Judged {
    let before = |least: i64| times.partition_point(|time| *time < least);
    let too_old = before(now - MAX_AGE_MS);
    let expired = retention_days.map_or(0, |days| before(now - i64::from(days) * DAY_MS));
    let too_new = times.partition_point(|time| *time <= now + MAX_AHEAD_MS);
    let some = |end: usize| (end > 0).then_some(end);
    Judged {
        begin: too_old.max(expired),
        end: too_new,
        too_old_end: some(too_old),
        expired_end: some(expired),
        too_new_start: (too_new < times.len()).then_some(too_new),
    }
}

impl Judged {
    fn info(&self) -> Option<Value> {
        let mut info = json!({});
        for (name, index) in [
            ("tooNewLogEventStartIndex", self.too_new_start),
            ("tooOldLogEventEndIndex", self.too_old_end),
            ("expiredLogEventEndIndex", self.expired_end),
        ] {
            if let Some(index) = index {
                info[name] = json!(index);
            }
        }
        (info != json!({})).then_some(info)
    }
}
