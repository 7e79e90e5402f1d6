//! The services behind the gateway, as functions, and their answers as far as the gateway reads them.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderValue;
use actix_web::{FromRequest, HttpRequest};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service::Problem;
use service::debug::FAULT_HEADER;
use service::identity::Token;
use service::upstream::{Upstream, gateway_timeout};
use tokio::time::{Instant, timeout_at};
use url::form_urlencoded;
use uuid::Uuid;

use crate::Config;

const ACTIVITIES: &str = "activities";
const USERS: &str = "users";

/// How many profiles the users service looks up at once.
const PROFILES_AT_ONCE: usize = 100;

/// One worker's clients.
pub(crate) struct Neighbours {
    activities: Upstream,
    users: Upstream,
    request_deadline: Duration,
    /// Whether a request may ask for a fault: not in production.
    laboratory: bool,
}

/// The neighbours as one request sees them: all its calls end by one deadline.
pub(crate) struct Upstreams {
    neighbours: Rc<Neighbours>,
    deadline: Instant,
    /// What the activities service shall break for this request.
    fault: Option<HeaderValue>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Activity {
    pub(crate) uuid: Uuid,
    pub(crate) user_uuid: Uuid,
    pub(crate) message: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) replies_count: u64,
    pub(crate) likes_count: u64,
    pub(crate) reply_to_activity_uuid: Option<Uuid>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Feed {
    pub(crate) activities: Vec<Activity>,
    pub(crate) next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Thread {
    #[serde(flatten)]
    pub(crate) activity: Activity,
    pub(crate) replies: Vec<Activity>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Profile {
    pub(crate) id: Uuid,
    pub(crate) handle: String,
    pub(crate) display_name: String,
    pub(crate) bio: String,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Profiles {
    users: Vec<Profile>,
}

/// The answer to a sign-up or sign-in.
#[derive(Deserialize, Serialize)]
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) user: Profile,
}

/// Which page of a feed; what the values mean is the activities service's business.
#[derive(Debug, Deserialize)]
pub(crate) struct PageQuery {
    before: Option<String>,
    limit: Option<String>,
}

impl Neighbours {
    pub(crate) fn new(config: &Config) -> Self {
        let deadline = config.request_deadline;
        Self {
            activities: Upstream::new(ACTIVITIES, config.activities_url.as_str(), deadline),
            users: Upstream::new(USERS, config.users_url.as_str(), deadline),
            request_deadline: deadline,
            laboratory: config.server.debug_routes,
        }
    }
}

impl FromRequest for Upstreams {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let neighbours =
            request.app_data::<Rc<Neighbours>>().expect("every worker has its neighbours").clone();
        let deadline = Instant::now() + neighbours.request_deadline;
        let fault = request.headers().get(FAULT_HEADER).filter(|_| neighbours.laboratory).cloned();
        ready(Ok(Self { neighbours, deadline, fault }))
    }
}

impl Upstreams {
    pub(crate) async fn home_feed(&self, page: &PageQuery, token: Option<&Token>) -> Result<Feed, Problem> {
        self.feed("/activities/home", page, None, token).await
    }

    pub(crate) async fn user_feed(
        &self,
        user: Uuid,
        page: &PageQuery,
        token: Option<&Token>,
    ) -> Result<Feed, Problem> {
        self.feed(&format!("/activities/users/{user}"), page, None, token).await
    }

    pub(crate) async fn search(
        &self,
        term: &str,
        page: &PageQuery,
        token: Option<&Token>,
    ) -> Result<Feed, Problem> {
        self.feed("/activities/search", page, Some(term), token).await
    }

    pub(crate) async fn notifications(&self, page: &PageQuery, token: &Token) -> Result<Feed, Problem> {
        self.feed("/activities/notifications", page, None, Some(token)).await
    }

    pub(crate) async fn thread(&self, uuid: Uuid, token: Option<&Token>) -> Result<Thread, Problem> {
        let path = format!("/activities/{uuid}");
        self.in_time(ACTIVITIES, self.neighbours.activities.get(&path, token)).await
    }

    pub(crate) async fn create_post(
        &self,
        message: &str,
        ttl: &str,
        token: &Token,
    ) -> Result<Activity, Problem> {
        let body = serde_json::json!({ "message": message, "ttl": ttl });
        self.in_time(ACTIVITIES, self.neighbours.activities.post("/activities", &body, Some(token))).await
    }

    pub(crate) async fn create_reply(
        &self,
        to: Uuid,
        message: &str,
        token: &Token,
    ) -> Result<Activity, Problem> {
        let (path, body) = (format!("/activities/{to}/reply"), serde_json::json!({ "message": message }));
        self.in_time(ACTIVITIES, self.neighbours.activities.post(&path, &body, Some(token))).await
    }

    pub(crate) async fn profile(&self, handle: &str) -> Result<Profile, Problem> {
        let path = format!("/users/@{handle}");
        self.in_time(USERS, self.neighbours.users.get(&path, None)).await
    }

    /// Those of `ids` that somebody has: one call per hundred, all at once.
    pub(crate) async fn profiles(&self, ids: &[Uuid]) -> Result<Vec<Profile>, Problem> {
        let calls = ids.chunks(PROFILES_AT_ONCE).map(|ids| async {
            let ids: Vec<_> = ids.iter().map(Uuid::to_string).collect();
            let path = format!("/users?ids={}", ids.join(","));
            self.in_time(USERS, self.neighbours.users.get::<Profiles>(&path, None)).await
        });
        let found = futures::future::try_join_all(calls).await?;
        Ok(found.into_iter().flat_map(|profiles| profiles.users).collect())
    }

    pub(crate) async fn sign_up(&self, form: &impl Serialize) -> Result<Session, Problem> {
        self.in_time(USERS, self.neighbours.users.post("/sign-up", form, None)).await
    }

    pub(crate) async fn sign_in(&self, form: &impl Serialize) -> Result<Session, Problem> {
        self.in_time(USERS, self.neighbours.users.post("/sign-in", form, None)).await
    }

    pub(crate) async fn sign_out(&self, token: &Token) -> Result<(), Problem> {
        let body = serde_json::json!({});
        self.in_time(USERS, self.neighbours.users.post_no_content("/sign-out", &body, Some(token))).await
    }

    /// `GET /debug/{what}` of the service.
    pub(crate) async fn break_service(
        &self,
        service: &str,
        what: &str,
    ) -> Result<serde_json::Value, Problem> {
        let (name, upstream) = match service {
            ACTIVITIES => (ACTIVITIES, &self.neighbours.activities),
            USERS => (USERS, &self.neighbours.users),
            _ => return Err(Problem::not_found("there is no such service behind the gateway")),
        };
        self.in_time(name, upstream.get(&format!("/debug/{what}"), None)).await
    }

    async fn feed(
        &self,
        path: &str,
        page: &PageQuery,
        term: Option<&str>,
        token: Option<&Token>,
    ) -> Result<Feed, Problem> {
        let parameters =
            [("term", term), ("before", page.before.as_deref()), ("limit", page.limit.as_deref())];
        let path = with_query(path, &parameters);
        let activities = &self.neighbours.activities;
        match &self.fault {
            None => self.in_time(ACTIVITIES, activities.get(&path, token)).await,
            Some(fault) => {
                let activities = activities.with_header(FAULT_HEADER, fault.clone());
                self.in_time(ACTIVITIES, activities.get(&path, token)).await
            }
        }
    }

    /// What is left of the request's time, however many calls came before.
    async fn in_time<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        timeout_at(self.deadline, call).await.unwrap_or_else(|_| {
            let deadline_ms = self.neighbours.request_deadline.as_millis() as u64;
            tracing::warn!(upstream = name, deadline_ms, "the request's time is over");
            Err(gateway_timeout(name))
        })
    }
}

/// `path?name=value&...` of the parameters that have a value.
fn with_query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter_map(|(name, value)| Some((name, (*value)?))));
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_break_out_of_the_query() {
        assert_eq!(with_query("/a", &[("term", None)]), "/a");
        assert_eq!(
            with_query("/a", &[("term", Some("1 & limit=9#ü")), ("before", None), ("limit", Some("2"))]),
            "/a?term=1+%26+limit%3D9%23%C3%BC&limit=2"
        );
    }
}
