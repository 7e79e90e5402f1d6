//! The service with a database of its own, and requests to it.

use std::time::Duration;

use activities::{Application, Config};
use actix_web::error::PayloadError;
use actix_web::web::{self, Bytes};
use awc::http::Method;
use env::Env;
use futures::Stream;
use serde_json::{Value, json};
use service::server::{Listen, Ready, Server, Settings, Tracing};
use test_support::{Signer, TestDb};
use uuid::Uuid;

use crate::spans;

pub(crate) struct Activities {
    url: String,
    client: awc::Client,
    pub(crate) signer: Signer,
    pub(crate) db: TestDb,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) trace_id: String,
}

/// Somebody with an id and a token.
pub(crate) struct Person {
    pub(crate) id: Uuid,
    bearer: String,
}

impl Activities {
    pub(crate) async fn start() -> Self {
        Self::with(TestDb::new().await, &[]).await
    }

    /// `changes` go on top of the usual environment.
    pub(crate) async fn with(db: TestDb, changes: &[(&str, &str)]) -> Self {
        spans::record();
        let signer = Signer::new("k");
        let mut env = Env::from_pairs([
            ("LISTEN", "127.0.0.1:0"),
            ("HTTP_WORKERS", "1"),
            ("DATABASE_URL", db.url()),
            ("DATABASE_MAX_CONNECTIONS", "4"),
            ("PG_TRACE_CONTEXT", "always"),
            ("USERS_URL", &serve_keys(&signer)),
            // No test waits for the sweeper unless it says so.
            ("SWEEP_INTERVAL", "3600000"),
        ]);
        for (name, value) in changes {
            env = env.with(name, *value);
        }
        let application = Application::build(Config::from_env(&env).unwrap()).await.unwrap();
        let url = format!("http://127.0.0.1:{}", application.port());
        telemetry::spawn(application.run());
        let client = awc::Client::builder().timeout(test_support::patience()).finish();
        Self { url, client, signer, db }
    }

    pub(crate) fn person(&self, number: u128) -> Person {
        let id = Uuid::from_u128(number);
        Person { id, bearer: format!("Bearer {}", self.signer.token(id, "somebody")) }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None, None).await
    }

    pub(crate) async fn get_as(&self, person: &Person, path: &str) -> Reply {
        self.send(Method::GET, path, Some(&person.bearer), None).await
    }

    /// The home feed with a fault of the laboratory.
    pub(crate) async fn home_with(&self, fault: &str) -> Reply {
        let request = self.client.get(format!("{}/activities/home?limit=5", self.url));
        reply(request.insert_header(("x-lab-fault", fault)).send().await.unwrap()).await
    }

    pub(crate) async fn post_as(&self, person: &Person, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, Some(&person.bearer), Some(body.to_string())).await
    }

    /// Writes a post for a week; gives its uuid.
    pub(crate) async fn write(&self, person: &Person, message: &str) -> String {
        let reply = self.post_as(person, "/activities", &json!({"message": message, "ttl": "7-days"})).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.uuid()
    }

    pub(crate) async fn answer(&self, person: &Person, to: &str, message: &str) -> String {
        let reply =
            self.post_as(person, &format!("/activities/{to}/reply"), &json!({"message": message})).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.uuid()
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        authorization: Option<&str>,
        body: Option<String>,
    ) -> Reply {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(authorization) = authorization {
            request = request.insert_header(("authorization", authorization));
        }
        if body.is_some() {
            request = request.content_type("application/json");
        }
        reply(request.send_body(body.unwrap_or_default()).await.unwrap()).await
    }
}

async fn reply(mut response: awc::ClientResponse<impl Stream<Item = Result<Bytes, PayloadError>>>) -> Reply {
    let body = response.body().await.unwrap();
    let traceresponse = response.headers().get("traceresponse").map(|it| it.to_str().unwrap().to_owned());
    Reply {
        status: response.status().as_u16(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        trace_id: traceresponse.and_then(|it| Some(it.split('-').nth(1)?.to_owned())).unwrap_or_default(),
    }
}

impl Reply {
    pub(crate) fn uuid(&self) -> String {
        self.body["uuid"].as_str().unwrap().to_owned()
    }

    /// The uuids of a page.
    pub(crate) fn uuids(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{self:?}");
        let activities = self.body["activities"].as_array().unwrap();
        activities.iter().map(|activity| activity["uuid"].as_str().unwrap().to_owned()).collect()
    }

    /// Status and slug of a problem.
    pub(crate) fn problem(&self) -> (u16, &str) {
        let kind = self.body["type"].as_str().unwrap_or_else(|| panic!("no problem: {self:?}"));
        assert_eq!(self.body["trace_id"], self.trace_id);
        (self.status, kind.strip_prefix("urn:throughline:problem:").unwrap_or(kind))
    }
}

/// A users service that knows nothing but `signer`'s public key.
fn serve_keys(signer: &Signer) -> String {
    let jwks = signer.jwks();
    let settings = Settings {
        workers: 1,
        shutdown_deadline: Duration::from_secs(1),
        ..Settings::new(Listen::loopback(0))
    };
    let server = Server::bind(&settings, Tracing::Off, Ready::new(), move |app| {
        let jwks = jwks.clone();
        app.service(
            web::resource("/.well-known/jwks.json").get(move || std::future::ready(web::Json(jwks.clone()))),
        );
    })
    .unwrap();
    let url = format!("http://127.0.0.1:{}", server.port());
    telemetry::spawn(server.run());
    url
}
