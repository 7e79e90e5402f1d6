use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A post or, when it answers another, a reply. As the store gives it, hence alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Activity {
    pub(crate) uuid: Uuid,
    pub(crate) user_uuid: Uuid,
    pub(crate) message: String,
    pub(crate) created_at: DateTime<Utc>,
    /// `None`: never.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) reply_to: Option<Uuid>,
    pub(crate) replies_count: i64,
}
