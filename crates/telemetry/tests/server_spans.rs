//! SERVER spans, as they end.

use actix_web::dev::Service;
use actix_web::error::{ErrorBadRequest, ErrorInternalServerError};
use actix_web::test::TestRequest;
use actix_web::{App, Error, HttpResponse, web};
use insta::assert_snapshot;
use opentelemetry::TraceId;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;

use crate::fixture::{Server, lines, raw, show, spans_of, text, told};

fn start() -> Server {
    Server::start(|_, config| {
        config
            .route("/ok/{id}", web::get().to(HttpResponse::Ok))
            .route("/ok/{id}", web::method(purge()).to(HttpResponse::Ok))
            .route("/bad", web::get().to(|| async { Err::<HttpResponse, Error>(ErrorBadRequest("no")) }))
            .route("/broken", web::get().to(broken))
            .route("/user", web::get().to(user));
    })
}

fn purge() -> actix_web::http::Method {
    actix_web::http::Method::from_bytes(b"PURGE").unwrap()
}

async fn broken() -> Result<HttpResponse, Error> {
    let error = std::io::Error::other("the disk is full");
    telemetry::current::record_error(&error);
    Err(ErrorInternalServerError(error))
}

#[tracing::instrument]
async fn user() -> HttpResponse {
    telemetry::current::set_user_id("ana");
    telemetry::current::set_user_id("ana");
    HttpResponse::Ok().finish()
}

async fn span(server: &Server, request: &str, headers: &[&str]) -> SpanData {
    let headers = [&["traceparent: 00-ID-b7ad6b7169203331-01"], headers].concat();
    let id = format!("{:032x}", uuid::Uuid::new_v4().as_u128());
    let headers: Vec<_> = lines(&headers).iter().map(|line| line.replace("ID", &id)).collect();
    let trace_id = raw(server.port, request, &headers, "").await.trace().0;
    assert_eq!(trace_id.to_string(), id);
    let spans = spans_of(trace_id, 1).await;
    spans.into_iter().find(|span| span.span_kind == SpanKind::Server).unwrap()
}

/// The span as text, with the port of this run masked.
async fn shown(server: &Server, request: &str, headers: &[&str]) -> String {
    show(&span(server, request, headers).await).replace(&server.port.to_string(), "PORT")
}

#[actix_web::test]
async fn a_request_in_the_words_of_the_conventions() {
    let server = start();
    let agent = "user-agent: Mozilla/5.0";
    assert_snapshot!(shown(&server, "GET /ok/42?term=rust&token=abc", &[agent]).await);
    server.stop().await;
}

#[actix_web::test]
async fn a_4xx_is_no_error_of_the_server_and_a_5xx_is() {
    let server = start();
    assert_snapshot!("bad", shown(&server, "GET /bad", &[]).await);
    assert_snapshot!("broken", shown(&server, "GET /broken", &[]).await);
    assert_snapshot!("not_found", shown(&server, "GET /nowhere/1", &[]).await);
    server.stop().await;
}

#[actix_web::test]
async fn methods_that_the_conventions_do_not_know_are_not_names() {
    let server = start();
    let span = span(&server, "PURGE /ok/1", &[]).await;
    assert_eq!(span.name, "HTTP /ok/{id}");
    assert_eq!(text(&span, "http.request.method"), "_OTHER");
    assert_eq!(text(&span, "http.request.method_original"), "PURGE");
    server.stop().await;
}

#[actix_web::test]
async fn hosts_with_and_without_a_port() {
    let server = start();
    for (host, address, port) in
        [("example.com", "example.com", ""), ("[::1]:3000", "[::1]", "3000"), ("[::1]", "[::1]", "")]
    {
        let id = format!("{:032x}", uuid::Uuid::new_v4().as_u128());
        let request =
            format!("GET /ok/1 HTTP/1.1\r\nhost: {host}\r\ntraceparent: 00-{id}-b7ad6b7169203331-01\r\n");
        crate::fixture::bytes(server.port, &format!("{request}connection: close\r\n\r\n")).await;
        let spans = spans_of(TraceId::from_hex(&id).unwrap(), 1).await;
        assert_eq!(
            (text(&spans[0], "server.address"), text(&spans[0], "server.port")),
            (address.into(), port.into())
        );
    }
    server.stop().await;
}

#[actix_web::test]
async fn the_user_is_on_the_server_span_and_on_the_span_that_found_out() {
    let server = start();
    let span = span(&server, "GET /user", &[]).await;
    let spans = spans_of(span.span_context.trace_id(), 2).await;
    assert_eq!(spans.len(), 2);
    for span in spans {
        assert_eq!(text(&span, "app.user_id"), "ana", "{}", span.name);
    }
    let times = span.attributes.iter().filter(|kv| kv.key.as_str() == "app.user_id").count();
    assert_eq!(times, 1, "once, though it was told twice");
    server.stop().await;
}

/// A time limit around the app drops the request's future in the middle.
#[actix_web::test]
async fn a_dropped_request_says_so() {
    told();
    let app = App::new()
        .wrap(telemetry::actix::trace())
        .route("/never", web::get().to(std::future::pending::<HttpResponse>));
    let app = actix_web::test::init_service(app).await;
    let id = "6a0000000000000000000000d20bbed0";
    let request = TestRequest::get()
        .uri("/never")
        .insert_header(("traceparent", format!("00-{id}-00f067aa0ba902b7-01")));
    let mut answer = Box::pin(app.call(request.to_request()));
    assert!(futures::poll!(&mut answer).is_pending());
    drop(answer);
    let spans = spans_of(TraceId::from_hex(id).unwrap(), 1).await;
    assert_eq!((spans[0].name.as_ref(), text(&spans[0], "error.type").as_str()), ("GET", "cancelled"));
}
