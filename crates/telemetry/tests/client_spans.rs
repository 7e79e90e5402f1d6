//! CLIENT spans, as they end.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use insta::assert_snapshot;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;
use serde::Deserialize;

use crate::fixture::{Server, raw, show, spans_of, text};

/// `GET /call?url=` calls `url` with a time limit of 50 ms and answers 200 whatever comes.
fn start() -> Server {
    Server::start(|_, config| {
        config
            .route("/call", web::get().to(call))
            .route("/ok", web::get().to(HttpResponse::Ok))
            .route("/slow", web::get().to(std::future::pending::<HttpResponse>));
    })
}

#[derive(Deserialize)]
struct Call {
    url: String,
}

async fn call(call: web::Query<Call>) -> HttpResponse {
    let client = telemetry::awc::client(Duration::from_millis(50));
    HttpResponse::Ok()
        .body(client.get(&call.url).send().await.map_or_else(|e| e.to_string(), |r| r.status().to_string()))
}

async fn span(server: &Server, url: &str) -> SpanData {
    let id = format!("{:032x}", uuid::Uuid::new_v4().as_u128());
    let header = format!("traceparent: 00-{id}-b7ad6b7169203331-01");
    let url: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
    let trace_id = raw(server.port, &format!("GET /call?url={url}"), &[header], "").await.trace().0;
    let spans = spans_of(trace_id, 2).await;
    spans.into_iter().find(|span| span.span_kind == SpanKind::Client).unwrap()
}

#[actix_web::test]
async fn calls_and_their_ends() {
    let server = start();
    // A port where nobody listens: it was ours a moment ago.
    let nobody = test_support::free_port();
    let mask = |span: &SpanData| {
        show(span).replace(&server.port.to_string(), "PORT").replace(&nobody.to_string(), "NOBODY")
    };
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", server.port);

    assert_snapshot!("call_ok", mask(&span(&server, &url("/ok?term=rust&api_key=abc")).await));
    assert_snapshot!("call_not_found", mask(&span(&server, &url("/nowhere")).await));
    assert_snapshot!(
        "call_refused",
        mask(&span(&server, &format!("http://ana:pw@127.0.0.1:{nobody}/x")).await)
    );
    let dropped = span(&server, &url("/slow")).await;
    assert_eq!(text(&dropped, "error.type"), "cancelled");
    server.stop().await;
}
