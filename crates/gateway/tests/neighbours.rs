//! Stand-ins for the services behind the gateway: each answers as told and remembers what it was asked.

use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use service::server::{Listen, Ready, Server, Settings, Tracing};
use test_support::free_port;

#[derive(Clone)]
pub(crate) struct Neighbour {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

pub(crate) enum Answer {
    Json(u16, Value),
    Text(u16, &'static str),
    Never,
}

impl Neighbour {
    pub(crate) fn start(answer: impl Fn(&Seen) -> Answer + Clone + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let settings = Settings { workers: 1, ..Settings::new(Listen::loopback(0)) };
        let server = Server::bind(&settings, Tracing::Off, Ready::new(), {
            let seen = seen.clone();
            move |app| {
                let (seen, answer) = (seen.clone(), answer.clone());
                app.default_service(web::to(move |request: HttpRequest, body: Bytes| {
                    let asked = Seen::new(&request, &body);
                    let answer = answer(&asked);
                    seen.lock().unwrap().push(asked);
                    respond(answer)
                }));
            }
        })
        .unwrap();
        let url = format!("http://127.0.0.1:{}", server.port());
        telemetry::spawn(server.run());
        Self { url, seen }
    }

    /// Nothing listens there.
    pub(crate) fn dead() -> Self {
        Self { url: format!("http://127.0.0.1:{}", free_port()), seen: Arc::default() }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// `GET /activities/home` and so on.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.seen().iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }
}

impl Seen {
    fn new(request: &HttpRequest, body: &[u8]) -> Self {
        Self {
            method: request.method().to_string(),
            path: request.uri().to_string(),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

async fn respond(answer: Answer) -> HttpResponse {
    match answer {
        Answer::Json(status, value) => HttpResponse::build(StatusCode::from_u16(status).unwrap()).json(value),
        Answer::Text(status, text) => HttpResponse::build(StatusCode::from_u16(status).unwrap()).body(text),
        Answer::Never => std::future::pending().await,
    }
}

pub(crate) const COCO: &str = "00000000-0000-0000-0000-00000000c0c0";
pub(crate) const WORF: &str = "00000000-0000-0000-0000-000000000f0f";

pub(crate) fn activity(number: u128, author: &str) -> Value {
    json!({
        "uuid": uuid::Uuid::from_u128(number), "user_uuid": author, "message": format!("post {number}"),
        "created_at": "2026-11-21T08:00:00.123456Z", "expires_at": null, "replies_count": 0, "likes_count": 0,
        "reply_to_activity_uuid": null,
    })
}

pub(crate) fn profile(id: &str, handle: &str) -> Value {
    json!({
        "id": id, "handle": handle, "display_name": handle.to_uppercase(), "bio": "",
        "created_at": "2026-01-01T00:00:00Z",
    })
}

/// An activities service of two posts, by Coco and by somebody who is gone.
pub(crate) fn activities(asked: &Seen) -> Answer {
    let page = json!({
        "activities": [activity(2, COCO), activity(1, "00000000-0000-0000-0000-00000000dead")], "next": "abc",
    });
    let mut thread = activity(2, COCO);
    thread["replies"] = json!([activity(3, WORF)]);
    match (asked.method.as_str(), asked.path.split('?').next().unwrap()) {
        ("POST", "/activities" | "/activities/00000000-0000-0000-0000-000000000002/reply") => {
            Answer::Json(201, activity(9, COCO))
        }
        ("GET", "/activities/home" | "/activities/search" | "/activities/notifications") => {
            Answer::Json(200, page)
        }
        ("GET", path) if path.starts_with("/activities/users/") => Answer::Json(200, page),
        ("GET", "/activities/00000000-0000-0000-0000-000000000002") => Answer::Json(200, thread),
        _ => problem(404, "no such activity, or its time is over"),
    }
}

/// A users service of Coco and Worf, without keys.
pub(crate) fn users(asked: &Seen) -> Answer {
    let people = [(COCO, "coco"), (WORF, "worf")];
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    match (asked.method.as_str(), path) {
        ("GET", "/users") => {
            let found = people.iter().filter(|(id, _)| query.contains(id));
            Answer::Json(
                200,
                json!({"users": found.map(|(id, handle)| profile(id, handle)).collect::<Vec<_>>()}),
            )
        }
        ("GET", "/users/@coco") => Answer::Json(200, profile(COCO, "coco")),
        ("POST", "/sign-up" | "/sign-in") => Answer::Json(
            if path == "/sign-up" { 201 } else { 200 },
            json!({
                "token": "header.claims.signature", "expires_at": chrono::Utc::now() + chrono::TimeDelta::hours(1),
                "user": profile(COCO, "coco"),
            }),
        ),
        ("POST", "/sign-out") => Answer::Text(204, ""),
        _ => problem(404, "no such user"),
    }
}

pub(crate) fn problem(status: u16, detail: &str) -> Answer {
    Answer::Json(
        status,
        json!({"type": "urn:throughline:problem:not-found", "title": "t", "status": status, "detail": detail}),
    )
}
