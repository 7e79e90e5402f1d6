//! Activities and the people who wrote them, put together.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;
use service::Problem;
use service::identity::SignedIn;
use uuid::Uuid;

use crate::upstream::{Activity, Profile, Upstreams};

/// An activity as the app shows it.
#[derive(Serialize)]
pub(crate) struct Post {
    #[serde(flatten)]
    activity: Activity,
    /// `null` when the users service does not know the author.
    user: Option<Author>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Author {
    uuid: Uuid,
    handle: String,
    display_name: String,
}

#[derive(Serialize)]
pub(crate) struct FeedBody {
    pub(crate) activities: Vec<Post>,
    pub(crate) next: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct ThreadBody {
    pub(crate) activity: Post,
    pub(crate) replies: Vec<Post>,
}

#[derive(Serialize)]
pub(crate) struct UserFeedBody {
    pub(crate) user: Profile,
    pub(crate) activities: Vec<Post>,
    pub(crate) next: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct NotificationsBody {
    pub(crate) notifications: Vec<Notification>,
    pub(crate) next: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Notification {
    uuid: Uuid,
    kind: &'static str,
    created_at: DateTime<Utc>,
    activity: Post,
}

/// The authors of a page, by id.
pub(crate) struct Authors(HashMap<Uuid, Author>);

impl Authors {
    /// Looks all of them up at once; an empty page asks nobody.
    #[tracing::instrument(name = "look up authors", skip_all)]
    pub(crate) async fn of(
        activities: impl IntoIterator<Item = &Activity>,
        upstreams: &Upstreams,
    ) -> Result<Self, Problem> {
        let ids: BTreeSet<_> = activities.into_iter().map(|activity| activity.user_uuid).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let profiles = if ids.is_empty() { Vec::new() } else { upstreams.profiles(&ids).await? };
        Ok(profiles.iter().collect())
    }

    /// Whoever writes. A post that was written is not reported as failed because its author's profile is out of
    /// reach: the caller would write it again.
    pub(crate) async fn of_writer(writer: &SignedIn, upstreams: &Upstreams) -> Self {
        match upstreams.profiles(&[writer.id.0]).await {
            Ok(profiles) => profiles.iter().collect(),
            Err(problem) => {
                tracing::warn!(%problem, "a post is shown without its author");
                Self(HashMap::new())
            }
        }
    }

    pub(crate) fn join(&self, activities: Vec<Activity>) -> Vec<Post> {
        activities.into_iter().map(|activity| self.join_one(activity)).collect()
    }

    pub(crate) fn join_one(&self, activity: Activity) -> Post {
        Post { user: self.0.get(&activity.user_uuid).cloned(), activity }
    }
}

impl From<&Profile> for Author {
    fn from(profile: &Profile) -> Self {
        Self { uuid: profile.id, handle: profile.handle.clone(), display_name: profile.display_name.clone() }
    }
}

impl<'a> FromIterator<&'a Profile> for Authors {
    fn from_iter<T: IntoIterator<Item = &'a Profile>>(profiles: T) -> Self {
        Self(profiles.into_iter().map(|profile| (profile.id, Author::from(profile))).collect())
    }
}

impl From<Post> for Notification {
    fn from(reply: Post) -> Self {
        Self {
            uuid: reply.activity.uuid,
            kind: "reply",
            created_at: reply.activity.created_at,
            activity: reply,
        }
    }
}
