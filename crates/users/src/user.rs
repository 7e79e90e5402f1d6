use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::email::Email;
use crate::handle::Handle;

/// A profile, as anybody may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    pub id: Uuid,
    pub handle: String,
    pub display_name: String,
    pub bio: String,
    pub created_at: DateTime<Utc>,
}

/// An account that does not exist yet.
#[derive(Clone, Debug)]
pub(crate) struct NewUser {
    pub(crate) id: Uuid,
    pub(crate) handle: Handle,
    pub(crate) email: Email,
    pub(crate) display_name: String,
    pub(crate) bio: String,
    /// `None` for an account that nobody can sign in to.
    pub(crate) password_hash: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
}
