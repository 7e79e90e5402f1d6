//! Errors as a receiver of Rollbar's items sees them.

use std::io;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, http::StatusCode};
use serde_json::Value;
use test_support::eventually;

use crate::fixture::{Response, Server, items, lines, raw, told};

#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error("the page cannot be read")]
    Read(#[source] io::Error),
}

fn routes(_: u16, app: &mut ServiceConfig) {
    app.service(web::resource("/errors/{n}/logged").get(async || {
        telemetry::current::set_user("u-1", Some("ana"));
        let error = StoreError::Read(io::Error::other("disk"));
        tracing::error!(error = &error as &dyn std::error::Error, password = "x", "request failed");
        HttpResponse::InternalServerError().finish()
    }))
    .service(web::resource("/errors/{n}/warned").get(async || {
        tracing::warn!(upstream = "users", "upstream cannot be reached");
        HttpResponse::BadGateway().finish()
    }))
    .service(web::resource("/errors/{n}/silent").get(async || HttpResponse::ServiceUnavailable().finish()))
    .service(web::resource("/errors/{n}/told").get(async || {
        tracing::warn!("upstream failed");
        telemetry::current::cause_is_told();
        HttpResponse::BadGateway().finish()
    }))
    .service(web::resource("/errors/{n}/fine").get(async || {
        tracing::warn!("a warning that nobody asked for");
        tracing::warn!(target: telemetry::ROLLBAR, "Hello World!");
        HttpResponse::Ok().finish()
    }))
    .service(web::resource("/errors/{n}/panic").get(fall_over));
}

async fn fall_over() -> HttpResponse {
    // A status that HTTP does not have.
    let status = StatusCode::from_u16(1_000).ok();
    HttpResponse::new(status.expect("somebody asked for a panic"))
}

async fn ask(server: &Server, path: &str, headers: &[&str]) -> Response {
    raw(server.port, &format!("GET {path}"), &lines(headers), "").await
}

/// The items of a trace, once there are as many.
async fn items_of(trace_id: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} items of {trace_id}"), || async {
        let found = items(|item| item["custom"]["trace_id"] == trace_id);
        (found.len() >= count).then_some(found)
    })
    .await
}

fn message(item: &Value) -> &str {
    item["body"]["message"]["body"].as_str().unwrap_or_default()
}

/// With a stack or, while that of another error is being read, without.
fn error_message(item: &Value) -> &str {
    item["body"]["trace"]["exception"]["message"].as_str().unwrap_or_else(|| message(item))
}

#[actix_web::test]
async fn an_error_line_is_one_item_with_all_that_its_request_knows() {
    let server = Server::start(routes);
    for flags in ["01", "00"] {
        let id = format!("6b01818ce2d927644bba900a000000{flags}");
        let caller = format!("traceparent: 00-{id}-00f067aa0ba902b7-{flags}");
        let answer =
            ask(&server, "/errors/1/logged?token=abc&page=2", &[&caller, "cookie: session=abc"]).await;
        assert_eq!((answer.status, answer.trace().0.to_string()), (500, id.clone()));
        let found = items_of(&id, 1).await;
        let item = &found[0];
        assert_eq!(found.len(), 1, "the 500 has its cause and is no item of its own");
        assert_eq!(item["context"], "GET /errors/{n}/logged");
        let url = item["request"]["url"].as_str().unwrap();
        assert!(url.ends_with("/errors/1/logged?token=***&page=2"), "{url}");
        assert_eq!(item["request"]["status"], 500);
        assert!(item["request"]["headers"]["cookie"].is_null());
        assert_eq!(item["person"], serde_json::json!({"id": "u-1"}));
        assert_eq!(item["custom"]["password"], "***");
        assert_eq!(item["custom"]["xray_trace_id"], format!("1-{}-{}", &id[..8], &id[8..]));
        assert_eq!(item["custom"]["span_id"].is_string(), flags == "01", "unsampled work has no span");
        let chain = item["body"]["trace_chain"].as_array().unwrap();
        let classes: Vec<_> = chain.iter().map(|it| it["exception"]["class"].as_str().unwrap()).collect();
        assert_eq!(classes, ["Read", "std::io::Error"]);
        // The line of the log is the same story under the same id.
        let line = told().lines(|line| line["trace_id"] == id.as_str()).remove(0);
        assert_eq!(line["error"], "the page cannot be read: disk");
    }
    server.stop().await;
}

#[actix_web::test]
async fn an_answer_of_5xx_is_an_item_unless_its_cause_is_one() {
    let server = Server::start(routes);
    let warned = ask(&server, "/errors/1/warned", &[]).await.trace().0.to_string();
    let item = items_of(&warned, 1).await.remove(0);
    assert_eq!((message(&item), item["level"].as_str()), ("upstream cannot be reached", Some("error")));
    assert_eq!(
        (item["custom"]["upstream"].as_str(), item["request"]["status"].as_u64()),
        (Some("users"), Some(502))
    );
    let silent = ask(&server, "/errors/1/silent", &[]).await.trace().0.to_string();
    assert_eq!(message(&items_of(&silent, 1).await[0]), "503 Service Unavailable");
    let told = ask(&server, "/errors/1/told", &[]).await.trace().0.to_string();
    // After it, so that an item of the one before would have come.
    let fine = ask(&server, "/errors/1/fine", &[]).await.trace().0.to_string();
    let hello = items_of(&fine, 1).await;
    assert_eq!(
        (hello.len(), message(&hello[0]), hello[0]["level"].as_str()),
        (1, "Hello World!", Some("warning"))
    );
    assert_eq!(items(|item| item["custom"]["trace_id"] == told.as_str()).len(), 0);
    server.stop().await;
}

#[actix_web::test]
async fn a_panic_is_critical_and_knows_its_place() {
    let server = Server::start(routes);
    let id = "6b01818ce2d927644bba900a00000003";
    let request = format!(
        "GET /errors/1/panic HTTP/1.1\r\nhost: x\r\ntraceparent: 00-{id}-00f067aa0ba902b7-01\r\n\r\n"
    );
    // Without the guard of the crate `service` the connection just closes.
    assert_eq!(crate::fixture::bytes(server.port, &request).await, "");
    let item = items_of(id, 1).await.remove(0);
    assert_eq!(item["level"], "critical");
    assert_eq!(item["body"]["trace"]["exception"]["message"], "somebody asked for a panic");
    assert_eq!(item["context"], "GET /errors/{n}/panic");
    assert_eq!(item["request"]["url"], "/errors/1/panic");
    let frames = item["body"]["trace"]["frames"].as_array().unwrap();
    let last = frames.last().unwrap();
    assert_eq!(last["filename"], "crates/telemetry/tests/errors.rs", "{frames:#?}");
    assert!(last["method"].as_str().unwrap().contains("fall_over"), "{last}");
    assert!(last["code"].as_str().unwrap().contains("status.expect"), "{last}");
    let line = told().lines(|line| line["trace_id"] == id).remove(0);
    assert_eq!(
        (line["level"].as_str(), line["message"].as_str()),
        (Some("ERROR"), Some("somebody asked for a panic"))
    );
    server.stop().await;
}

#[actix_web::test]
async fn an_error_outside_of_requests_leaves_at_once() {
    told();
    tracing::error!(errors_test = 1, "the sweeper failed");
    let item =
        eventually("the item", || async { items(|item| item["custom"]["errors_test"] == 1).pop() }).await;
    assert_eq!(error_message(&item), "the sweeper failed");
    assert!(item.get("request").is_none() && item["custom"].get("trace_id").is_none());
}
