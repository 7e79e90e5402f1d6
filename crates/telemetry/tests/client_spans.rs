//! CLIENT spans, as they end.

use std::time::Duration;

use actix_web::error::ErrorInternalServerError;
use actix_web::{Error, HttpResponse, web};
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
            .route("/fail", web::get().to(fail))
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
    let late = span(&server, &url("/slow")).await;
    assert_eq!(text(&late, "error.type"), "timeout");
    server.stop().await;
}

/// `GET /fail?url=` hands on what the call gave, as a handler does.
async fn fail(call: web::Query<Call>) -> Result<HttpResponse, Error> {
    let client = telemetry::awc::client(Duration::from_millis(50));
    let unreachable = client.get(&call.url).send().await.map(drop).unwrap_err();
    let wrapped = std::io::Error::other(format!("no answer from the neighbour: {unreachable}"));
    telemetry::current::record_error(&wrapped);
    let other = std::io::Error::other("and the disk is full");
    telemetry::current::record_error(&other);
    Err(ErrorInternalServerError(other))
}

#[actix_web::test]
async fn an_exception_stands_where_it_arose_and_nowhere_else() {
    let server = start();
    let id = format!("{:032x}", uuid::Uuid::new_v4().as_u128());
    let header = format!("traceparent: 00-{id}-b7ad6b7169203331-01");
    let url = format!("http://127.0.0.1:{}/x", test_support::free_port());
    let url: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
    let trace_id = raw(server.port, &format!("GET /fail?url={url}"), &[header], "").await.trace().0;
    let exceptions: Vec<_> = spans_of(trace_id, 2)
        .await
        .iter()
        .flat_map(|span| span.events.iter().map(|event| (span.span_kind.clone(), event.name.to_string())))
        .collect();
    let exception = |kind| (kind, "exception".to_owned());
    assert_eq!(exceptions, [exception(SpanKind::Client), exception(SpanKind::Server)], "one a failure");
    server.stop().await;
}
