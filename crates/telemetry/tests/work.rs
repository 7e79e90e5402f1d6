//! Work that no request asked for.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use opentelemetry::TraceId;
use opentelemetry::trace::SpanId;

use crate::fixture::{Server, raw, spans_of, told};

#[actix_web::test]
async fn a_background_job_has_a_trace_of_its_own() {
    told();
    let mut sampled = None;
    for _ in 0..64 {
        let trace = telemetry::background_root("sweep", async {
            tracing::info_span!("inside").in_scope(|| ());
            telemetry::current::is_sampled().then(|| telemetry::current::trace_id().unwrap())
        })
        .await;
        sampled = sampled.or(trace);
    }
    let trace_id = TraceId::from_hex(&sampled.expect("64 times unsampled at one half")).unwrap();
    let spans = spans_of(trace_id, 2).await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["inside", "sweep"]);
    assert_eq!(spans[1].parent_span_id, SpanId::INVALID);
    assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
}

/// Inside a sampled request, a background job and an untraced call leave the request's trace alone.
#[actix_web::test]
async fn what_is_not_the_requests_is_not_in_its_trace() {
    let server = Server::start(|_, config| {
        config.route("/", web::get().to(handler)).route("/seen", web::get().to(seen));
    });
    let id = format!("{:032x}", uuid::Uuid::new_v4().as_u128());
    let response =
        raw(server.port, "GET /", &[format!("traceparent: 00-{id}-b7ad6b7169203331-01")], "").await;
    assert_eq!(response.body, "no headers");
    let spans = spans_of(TraceId::from_hex(&id).unwrap(), 1).await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["GET /"]);
    server.stop().await;
}

async fn handler(port: web::Data<u16>) -> HttpResponse {
    let request = telemetry::current::trace_id();
    let job = telemetry::background_root("job", async { telemetry::current::trace_id() }).await;
    assert_ne!(job, request);
    let call = async {
        tracing::info_span!("not made").in_scope(|| ());
        let client = telemetry::awc::client(Duration::from_secs(5));
        let mut response = client.get(format!("http://127.0.0.1:{}/seen", **port)).send().await.unwrap();
        response.body().await.unwrap()
    };
    HttpResponse::Ok().body(telemetry::untraced(call).await)
}

async fn seen(request: HttpRequest) -> &'static str {
    let headers = ["traceparent", "x-amzn-trace-id"];
    if headers.iter().any(|name| request.headers().contains_key(*name)) { "headers" } else { "no headers" }
}
