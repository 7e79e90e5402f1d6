//! A gateway on a free port, and requests to it.

use std::time::Duration;

use awc::http::StatusCode;
use env::Env;
use gateway::{Application, Config};
use serde_json::Value;
use test_support::Signer;

use crate::neighbours::{self, Answer, Neighbour, Seen, activities};

/// Long enough for any answer of this machine, short enough to wait for.
pub(crate) const DEADLINE: Duration = Duration::from_millis(500);

pub(crate) struct Gateway {
    url: String,
    client: awc::Client,
    pub(crate) activities: Neighbour,
    pub(crate) users: Neighbour,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: awc::http::header::HeaderMap,
    /// `Null` when the body is no JSON.
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Gateway {
    pub(crate) async fn between(activities: Neighbour, users: Neighbour, deadline: Duration) -> Self {
        Self::with(activities, users, deadline, "development").await
    }

    pub(crate) async fn with(activities: Neighbour, users: Neighbour, deadline: Duration, env: &str) -> Self {
        let env = Env::from_pairs([
            ("THROUGHLINE_ENV", env),
            ("LISTEN", "127.0.0.1:0"),
            ("HTTP_WORKERS", "1"),
            ("ACTIVITIES_URL", &activities.url),
            ("USERS_URL", &users.url),
            ("REQUEST_DEADLINE", &deadline.as_millis().to_string()),
        ]);
        let application = Application::build(Config::from_env(&env).unwrap()).await.unwrap();
        let url = format!("http://127.0.0.1:{}", application.port());
        telemetry::spawn(application.run());
        let client = awc::Client::builder().timeout(test_support::patience()).disable_redirects().finish();
        Self { url, client, activities, users }
    }

    /// Two neighbours that work, the users service with `signer`'s keys.
    pub(crate) async fn start(signer: &Signer) -> Self {
        let users = Neighbour::start(with_keys(signer, neighbours::users));
        Self::between(Neighbour::start(activities), users, test_support::patience()).await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send("GET", path, headers, None).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        self.send("POST", path, headers, Some(body.to_string())).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Reply {
        let method = method.parse::<awc::http::Method>().unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if body.is_some() {
            request = request.content_type("application/json");
        }
        for header in headers {
            request = request.insert_header(*header);
        }
        let mut response = request.send_body(body.unwrap_or_default()).await.unwrap();
        let text = String::from_utf8(response.body().await.unwrap().to_vec()).unwrap();
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }
}

impl Reply {
    /// The slug of a problem; panics when this is none.
    pub(crate) fn problem(&self) -> (u16, &str) {
        let content_type = self.headers.get("content-type").map(|value| value.to_str().unwrap());
        assert_eq!(content_type, Some("application/problem+json"), "{self:?}");
        assert_eq!(self.body["status"], self.status, "{self:?}");
        assert_eq!(
            self.body["title"],
            StatusCode::from_u16(self.status).unwrap().canonical_reason().unwrap()
        );
        let kind = self.body["type"].as_str().unwrap();
        (self.status, kind.strip_prefix("urn:throughline:problem:").unwrap_or(kind))
    }

    pub(crate) fn cookie(&self) -> Option<&str> {
        self.headers.get("set-cookie").map(|value| value.to_str().unwrap())
    }
}

/// A users service that also serves `signer`'s public key.
pub(crate) fn with_keys(
    signer: &Signer,
    users: impl Fn(&Seen) -> Answer + Clone + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Answer + Clone + Send + Sync + 'static {
    let jwks = signer.jwks();
    move |asked| match asked.path.as_str() {
        "/.well-known/jwks.json" => Answer::Json(200, jwks.clone()),
        _ => users(asked),
    }
}
