//! All spans of this process, as a receiver of OTLP gets them, and the trees they must make.

use std::sync::{Mutex, OnceLock, mpsc};

use actix_web::rt::System;
use actix_web::web::{self, Bytes};
use env::Env;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1 as trace;
use prost::Message;
use serde_json::json;
use service::server::{Listen, Ready, Server, Settings, Tracing};
use telemetry::attributes::THROUGHLINE_SYNTHETIC;
use test_support::{Span, eventually, span_tree};

use crate::support::{PASSWORD, Users};

/// By trace id.
static SPANS: Mutex<Vec<(String, Span)>> = Mutex::new(Vec::new());

/// Hashing runs on a thread of its own, and stays in the trace.
#[actix_web::test]
async fn the_trees_of_a_sign_up_and_a_sign_in() {
    record();
    let users = Users::start().await;
    let sign_up = json!({"handle": "coco", "email": "coco@example.com", "password": PASSWORD});
    insta::assert_snapshot!(tree(&users, "/sign-up", &sign_up, 7).await, @r"
    users: POST /sign-up
      users: hash password
      users: transaction
        users: BEGIN
        users: INSERT users
        users: INSERT sessions
        users: COMMIT
    ");
    let sign_in = json!({"handle": "coco", "password": PASSWORD});
    insta::assert_snapshot!(tree(&users, "/sign-in", &sign_in, 4).await, @r"
    users: POST /sign-in
      users: SELECT users
      users: verify password
      users: INSERT sessions
    ");
    let wrong = json!({"handle": "coco", "password": "not her password"});
    let unknown = json!({"handle": "nobody", "password": PASSWORD});
    let (wrong, unknown) =
        (tree(&users, "/sign-in", &wrong, 3).await, tree(&users, "/sign-in", &unknown, 3).await);
    assert_eq!(wrong, unknown, "an unknown handle does the same work");
}

async fn tree(users: &Users, path: &str, form: &serde_json::Value, spans: usize) -> String {
    let trace_id = uuid::Uuid::new_v4().simple().to_string();
    let traceparent = format!("00-{trace_id}-00f067aa0ba902b7-01");
    let request = awc::Client::default().post(format!("{}{path}", users.url));
    let _answer = request.insert_header(("traceparent", traceparent)).send_json(form).await.unwrap();
    let found = eventually("all spans of the request", async || {
        let all = SPANS.lock().unwrap();
        let found: Vec<Span> =
            all.iter().filter(|(id, _)| *id == trace_id).map(|(_, span)| span.clone()).collect();
        (found.len() >= spans).then_some(found)
    });
    span_tree(&found.await)
}

fn record() {
    static STARTED: OnceLock<telemetry::Guard> = OnceLock::new();
    STARTED.get_or_init(|| {
        let receiver = start_receiver();
        let env = Env::from_pairs([("CONSOLE_OTLP_ENDPOINT", receiver.as_str()), ("RUST_LOG", "off")]);
        telemetry::init(telemetry::Config::from_env("users", &env).unwrap()).unwrap()
    });
}

/// On a thread of its own, since the system of each test ends with it.
fn start_receiver() -> String {
    let (tell, port) = mpsc::channel();
    std::thread::spawn(move || {
        System::new().block_on(async move {
            let settings = Settings { max_body: 1 << 24, ..Settings::new(Listen::loopback(0)) };
            let server = Server::bind(&settings, Tracing::Off, Ready::new(), |app| {
                app.app_data(web::PayloadConfig::new(1 << 24))
                    .service(web::resource("/v1/traces").post(keep));
            })
            .unwrap();
            tell.send(server.port()).unwrap();
            server.run().await
        })
    });
    format!("http://127.0.0.1:{}", port.recv().unwrap())
}

async fn keep(body: Bytes) -> &'static str {
    let export = ExportTraceServiceRequest::decode(body).unwrap();
    let spans = export.resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans);
    // What Postgres planned depends on its statistics; see `tests/e2e/plans.rs`.
    let of_a_plan = |span: &trace::Span| span.attributes.iter().any(|it| it.key == THROUGHLINE_SYNTHETIC);
    SPANS.lock().unwrap().extend(spans.filter(|span| !of_a_plan(span)).map(|span| {
        // The caller's span is not among ours: the request's own is a root here.
        let parent = Some(hex(&span.parent_span_id)).filter(|id| id != "00f067aa0ba902b7");
        let kept = Span {
            span_id: hex(&span.span_id),
            parent,
            service: "users".to_owned(),
            name: span.name,
            start: span.start_time_unix_nano,
        };
        (hex(&span.trace_id), kept)
    }));
    ""
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
