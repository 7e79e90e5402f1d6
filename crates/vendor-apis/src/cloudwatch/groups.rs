//! Groups, streams, retention, tags.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Api;
use super::error::ApiError;
use super::store::{Group, Stream};

/// What ARNs here name. There is no account behind them; tools that show one show this.
const ARN: &str = "arn:aws:logs:us-east-1:000000000000:log-group:";

const RETENTION_DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// Of names of groups and streams.
const MAX_NAME: usize = 512;
const MAX_TAGS: usize = 50;
/// Of the lists.
const MAX_PAGE: usize = 50;

/// Names a group, and at most one thing more about it; the calls have more in common than not.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfGroup {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    resource_arn: Option<String>,
    log_stream_name: Option<String>,
    retention_in_days: Option<i64>,
    tags: Option<Value>,
    tag_keys: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Describe {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    #[serde(default)]
    descending: bool,
    limit: Option<i64>,
    next_token: Option<String>,
}

impl OfGroup {
    fn group(&mut self) -> Result<String, ApiError> {
        group_of(self.log_group_name.take(), self.log_group_identifier.take().or(self.resource_arn.take()))
    }

    fn stream(&mut self) -> Result<String, ApiError> {
        self.log_stream_name.take().ok_or_else(|| ApiError::missing("logStreamName"))
    }
}

impl Api {
    pub(super) async fn create_log_group(&self, mut request: OfGroup) -> Result<Value, ApiError> {
        let name = request.group()?;
        check_group(&name)?;
        if name.starts_with("aws/") {
            return Err(ApiError::invalid("Log groups starting with AWS/ are reserved for AWS."));
        }
        let tags = tags(request.tags)?;
        self.store.create_group(name, tags).await?;
        Ok(Value::Null)
    }

    pub(super) async fn delete_log_group(&self, mut request: OfGroup) -> Result<Value, ApiError> {
        self.store.delete_group(request.group()?).await?;
        Ok(Value::Null)
    }

    pub(super) async fn put_retention_policy(&self, mut request: OfGroup) -> Result<Value, ApiError> {
        let name = request.group()?;
        check_group(&name)?;
        let asked = request.retention_in_days.ok_or_else(|| ApiError::missing("retentionInDays"))?;
        let days = u32::try_from(asked).ok().filter(|days| RETENTION_DAYS.contains(days));
        let days = days.ok_or_else(|| {
            ApiError::constraint(
                &asked.to_string(),
                "retentionInDays",
                &format!("Member must satisfy enum value set: {RETENTION_DAYS:?}"),
            )
        })?;
        self.store.set_retention(name, Some(days)).await?;
        Ok(Value::Null)
    }

    pub(super) async fn delete_retention_policy(&self, mut request: OfGroup) -> Result<Value, ApiError> {
        self.store.set_retention(request.group()?, None).await?;
        Ok(Value::Null)
    }

    pub(super) async fn tag(&self, mut request: OfGroup) -> Result<Value, ApiError> {
        let group = self.group(&request.group()?).await?;
        let mut all = group.tags;
        all.extend(tags(request.tags)?);
        if all.len() > MAX_TAGS {
            return Err(ApiError::new("TooManyTagsException", "a log group has at most 50 tags"));
        }
        self.store.set_tags(group.name, all).await?;
        Ok(Value::Null)
    }

    pub(super) async fn untag(&self, mut request: OfGroup) -> Result<Value, ApiError> {
        let mut group = self.group(&request.group()?).await?;
        let old_style = request.tags.as_ref().and_then(|keys| serde_json::from_value(keys.clone()).ok());
        let keys: Vec<String> = request.tag_keys.or(old_style).unwrap_or_default();
        group.tags.retain(|key, _| !keys.contains(key));
        self.store.set_tags(group.name, group.tags).await?;
        Ok(Value::Null)
    }

    pub(super) async fn list_tags(&self, mut request: OfGroup) -> Result<Value, ApiError> {
        Ok(json!({ "tags": self.group(&request.group()?).await?.tags }))
    }

    pub(super) async fn describe_log_groups(&self, request: Describe) -> Result<Value, ApiError> {
        let (prefix, pattern) = (request.log_group_name_prefix, request.log_group_name_pattern);
        if prefix.is_some() && pattern.is_some() {
            return Err(ApiError::invalid(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
            ));
        }
        let (prefix, pattern) = (prefix.unwrap_or_default(), pattern.unwrap_or_default().to_lowercase());
        let mut groups = self.store.groups().await?;
        groups
            .retain(|group| group.name.starts_with(&prefix) && group.name.to_lowercase().contains(&pattern));
        let (groups, next) = page(groups, request.limit, request.next_token.as_deref())?;
        let mut answer = json!({ "logGroups": groups.iter().map(group_json).collect::<Vec<_>>() });
        set_next(&mut answer, next);
        Ok(answer)
    }

    pub(super) async fn create_log_stream(&self, mut request: OfGroup) -> Result<Value, ApiError> {
        let (group, stream) = (request.group()?, request.stream()?);
        check_group(&group)?;
        check_stream(&stream)?;
        self.store.create_stream(group, stream).await?;
        Ok(Value::Null)
    }

    pub(super) async fn delete_log_stream(&self, mut request: OfGroup) -> Result<Value, ApiError> {
        let (group, stream) = (request.group()?, request.stream()?);
        self.store.delete_stream(group, stream).await?;
        Ok(Value::Null)
    }

    pub(super) async fn describe_log_streams(&self, request: Describe) -> Result<Value, ApiError> {
        let group = group_of(request.log_group_name, request.log_group_identifier)?;
        let by_time = match request.order_by.as_deref() {
            None | Some("LogStreamName") => false,
            Some("LastEventTime") => true,
            Some(other) => {
                let constraint = "Member must satisfy enum value set: [LogStreamName, LastEventTime]";
                return Err(ApiError::constraint(other, "orderBy", constraint));
            }
        };
        if by_time && request.log_stream_name_prefix.is_some() {
            return Err(ApiError::invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
        }
        let mut streams = self.store.streams(group.clone()).await?;
        if let Some(prefix) = &request.log_stream_name_prefix {
            streams.retain(|stream| stream.name.starts_with(prefix));
        }
        match (by_time, request.descending) {
            (true, false) => streams.sort_by_key(|stream| stream.last_event),
            (true, true) => streams.sort_by_key(|stream| Reverse(stream.last_event)),
            (false, true) => streams.reverse(),
            (false, false) => {}
        }
        let (streams, next) = page(streams, request.limit, request.next_token.as_deref())?;
        let streams: Vec<_> = streams.iter().map(|stream| stream_json(&group, stream)).collect();
        let mut answer = json!({ "logStreams": streams });
        set_next(&mut answer, next);
        Ok(answer)
    }

    async fn group(&self, name: &str) -> Result<Group, ApiError> {
        let groups = self.store.groups().await?;
        let found = groups.into_iter().find(|group| group.name == name);
        found.ok_or_else(|| super::store::StoreError::NoGroup.into())
    }
}

/// A name, or an identifier: a name or an ARN.
pub(super) fn group_of(name: Option<String>, identifier: Option<String>) -> Result<String, ApiError> {
    match (name, identifier) {
        (Some(_), Some(_)) => {
            Err(ApiError::invalid("Only one of logGroupName or logGroupIdentifier can be specified."))
        }
        (Some(name), None) => Ok(name),
        (None, Some(identifier)) => Ok(match identifier.split_once(":log-group:") {
            Some((_, name)) => name.strip_suffix(":*").unwrap_or(name).to_owned(),
            None => identifier,
        }),
        (None, None) => Err(ApiError::missing("logGroupName")),
    }
}

pub(super) fn check_group(name: &str) -> Result<(), ApiError> {
    check_length(name, "logGroupName")?;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#".contains(c);
    if name.chars().all(is_allowed) {
        return Ok(());
    }
    let constraint = r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+";
    Err(ApiError::constraint(name, "logGroupName", constraint))
}

pub(super) fn check_stream(name: &str) -> Result<(), ApiError> {
    check_length(name, "logStreamName")?;
    if name.contains([':', '*']) {
        let constraint = "Member must satisfy regular expression pattern: [^:*]*";
        return Err(ApiError::constraint(name, "logStreamName", constraint));
    }
    Ok(())
}

fn check_length(name: &str, member: &str) -> Result<(), ApiError> {
    let constraint = match name.chars().count() {
        0 => "Member must have length greater than or equal to 1",
        1..=MAX_NAME => return Ok(()),
        _ => "Member must have length less than or equal to 512",
    };
    let shown: String = name.chars().take(64).collect();
    Err(ApiError::constraint(&shown, member, constraint))
}

fn tags(tags: Option<Value>) -> Result<BTreeMap<String, String>, ApiError> {
    let Some(tags) = tags else { return Ok(BTreeMap::new()) };
    let tags: BTreeMap<String, String> = serde_json::from_value(tags)
        .map_err(|error| ApiError::new("SerializationException", format!("tags: {error}")))?;
    let is_wrong = |(key, value): (&String, &String)| {
        !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256
    };
    if tags.len() > MAX_TAGS || tags.iter().any(is_wrong) {
        return Err(ApiError::invalid(
            "at most 50 tags, of keys of 1 to 128 and values of up to 256 characters",
        ));
    }
    Ok(tags)
}

/// The part of a list that a token leads to, and the next one. A token is where it begins.
fn page<T>(
    list: Vec<T>,
    limit: Option<i64>,
    token: Option<&str>,
) -> Result<(Vec<T>, Option<usize>), ApiError> {
    let limit = match limit {
        None => MAX_PAGE,
        Some(limit) => {
            usize::try_from(limit).ok().filter(|limit| (1..=MAX_PAGE).contains(limit)).ok_or_else(|| {
                ApiError::constraint(&limit.to_string(), "limit", "Member must have value between 1 and 50")
            })?
        }
    };
    let begin = match token {
        None => 0,
        Some(token) => token.parse().map_err(|_| ApiError::invalid("The specified nextToken is invalid."))?,
    };
    let total = list.len();
    let page: Vec<T> = list.into_iter().skip(begin).take(limit).collect();
    let end = begin.saturating_add(page.len());
    Ok((page, (end < total).then_some(end)))
}

fn set_next(answer: &mut Value, next: Option<usize>) {
    if let Some(next) = next {
        answer["nextToken"] = json!(next.to_string());
    }
}

fn group_json(group: &Group) -> Value {
    let Group { name, created, retention_days, bytes, .. } = group;
    let mut json = json!({
        "logGroupName": name,
        "creationTime": created,
        "metricFilterCount": 0,
        "arn": format!("{ARN}{name}:*"),
        "logGroupArn": format!("{ARN}{name}"),
        "storedBytes": bytes,
        "logGroupClass": "STANDARD",
    });
    if let Some(days) = retention_days {
        json["retentionInDays"] = json!(days);
    }
    json
}

fn stream_json(group: &str, stream: &Stream) -> Value {
    let name = &stream.name;
    let mut json = json!({
        "logStreamName": name,
        "creationTime": stream.created,
        "arn": format!("{ARN}{group}:log-stream:{name}"),
        "storedBytes": stream.bytes,
    });
    for (key, time) in [
        ("firstEventTimestamp", stream.first_event),
        ("lastEventTimestamp", stream.last_event),
        ("lastIngestionTime", stream.last_ingestion),
    ] {
        if let Some(time) = time {
            json[key] = json!(time);
        }
    }
    json
}
