//! The service on a database of its own, and verbs to speak to it.

use actix_web::dev::ServerHandle;
use env::Env;
use serde_json::{Value, json};
use test_support::TestDb;
use users::{Application, Config};

pub(crate) struct Users {
    pub(crate) url: String,
    pub(crate) db: TestDb,
    pub(crate) handle: ServerHandle,
}

pub(crate) const PASSWORD: &str = "correct horse battery";

/// As the service reads it from its environment.
pub(crate) fn config(db: &TestDb) -> Config {
    let env = Env::from_pairs([
        ("LISTEN", "127.0.0.1:0"),
        ("DATABASE_URL", db.url()),
        ("HTTP_WORKERS", "1"),
        ("PG_TRACE_CONTEXT", "always"),
    ]);
    Config::from_env(&env).unwrap()
}

impl Users {
    pub(crate) async fn start() -> Self {
        Self::on(TestDb::new().await).await
    }

    pub(crate) async fn on(db: TestDb) -> Self {
        let application = Application::build(config(&db)).await.unwrap();
        let url = format!("http://127.0.0.1:{}", application.port());
        let handle = application.handle();
        telemetry::spawn(application.run());
        Self { url, db, handle }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = awc::Client::default().post(format!("{}{path}", self.url));
        answer(request.send_json(body).await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let request = awc::Client::default().get(format!("{}{path}", self.url));
        answer(request.send().await.unwrap()).await
    }

    pub(crate) async fn sign_up(&self, handle: &str) -> Value {
        let email = format!("{handle}@example.com");
        let (status, body) =
            self.post("/sign-up", &json!({"handle": handle, "email": email, "password": PASSWORD})).await;
        assert_eq!(status, 201, "{body}");
        body
    }

    pub(crate) async fn sign_in(&self, handle: &str, password: &str) -> (u16, Value) {
        self.post("/sign-in", &json!({"handle": handle, "password": password})).await
    }

    pub(crate) async fn sign_out(&self, token: &str) -> u16 {
        let request = awc::Client::default().post(format!("{}/sign-out", self.url));
        request
            .insert_header(("authorization", format!("Bearer {token}")))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }
}

async fn answer<S>(mut response: awc::ClientResponse<S>) -> (u16, Value)
where
    S: futures::Stream<Item = Result<actix_web::web::Bytes, awc::error::PayloadError>> + Unpin,
{
    let body = response.body().await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// The slug of a problem.
pub(crate) fn kind(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().trim_start_matches("urn:throughline:problem:")
}
