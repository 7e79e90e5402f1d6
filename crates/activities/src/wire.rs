//! JSON as it goes over the wire, both ways. Everything inside is typed and parsed.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::activity::Activity;
use crate::page::Page;

/// `POST /activities`. Who posts is in the token, so a field that claims it is refused like any unknown one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPost {
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) ttl: String,
}

/// `POST /activities/{uuid}/reply`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReply {
    #[serde(default)]
    pub(crate) message: String,
}

#[derive(Deserialize)]
pub(crate) struct PageQuery {
    pub(crate) before: Option<String>,
    pub(crate) limit: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct SearchQuery {
    #[serde(default)]
    pub(crate) term: String,
}

#[derive(Serialize)]
pub(crate) struct ActivityBody {
    uuid: Uuid,
    user_uuid: Uuid,
    message: String,
    created_at: String,
    expires_at: Option<String>,
    replies_count: i64,
    /// Cruddur's clients expect it; nothing can be liked yet.
    likes_count: i64,
    reply_to_activity_uuid: Option<Uuid>,
}

#[derive(Serialize)]
pub(crate) struct ShownBody {
    #[serde(flatten)]
    activity: ActivityBody,
    replies: Vec<ActivityBody>,
}

#[derive(Serialize)]
pub(crate) struct PageBody {
    activities: Vec<ActivityBody>,
    next: Option<String>,
}

impl From<Activity> for ActivityBody {
    fn from(activity: Activity) -> Self {
        Self {
            uuid: activity.uuid,
            user_uuid: activity.user_uuid,
            message: activity.message,
            created_at: iso(activity.created_at),
            expires_at: activity.expires_at.map(iso),
            replies_count: activity.replies_count,
            likes_count: 0,
            reply_to_activity_uuid: activity.reply_to,
        }
    }
}

impl ShownBody {
    pub(crate) fn new(activity: Activity, replies: Vec<Activity>) -> Self {
        Self { activity: activity.into(), replies: replies.into_iter().map(ActivityBody::from).collect() }
    }
}

impl From<Page> for PageBody {
    fn from(page: Page) -> Self {
        Self {
            activities: page.activities.into_iter().map(ActivityBody::from).collect(),
            next: page.next.map(|cursor| cursor.to_string()),
        }
    }
}

/// `2026-11-21T08:00:00.123456Z`: all that Postgres keeps.
fn iso(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Micros, true)
}
