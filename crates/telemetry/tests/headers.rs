//! Both dialects through a real service: what comes in, what a call made inside takes on, what the client hears.

use std::fmt::Write as _;

use actix_web::{HttpRequest, HttpResponse, web};
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;

use crate::fixture::{Server, lines, raw};

const ID: &str = "6a0af7651916cd43dd8448eb211c8031";
const XRAY_ID: &str = "1-6a0af765-1916cd43dd8448eb211c8031";

/// `GET /through` calls `GET /echo` and passes its answer on: the headers of trace context that arrived there.
fn start() -> Server {
    Server::start(|_, config| {
        config
            .route("/through", web::get().to(through))
            .route("/echo", web::get().to(echo))
            .route("/baggage", web::get().to(baggage));
    })
}

async fn through(port: web::Data<u16>, client: web::Data<awc::Client>) -> HttpResponse {
    // As a proxy does that copies what came in: none of it may reach the next service.
    let request = client
        .get(format!("http://127.0.0.1:{}/echo", **port))
        .insert_header(("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
        .insert_header(("tracestate", "copied=1"))
        .insert_header(("x-amzn-trace-id", "Root=1-00000001-aaaaaaaaaaaaaaaaaaaaaaaa"))
        .append_header(("baggage", "copied=1"))
        .append_header(("baggage", "copied=2"));
    let mut response = request.send().await.unwrap();
    HttpResponse::Ok().body(response.body().await.unwrap())
}

/// Header lines, the ids of spans masked: they are new every time.
async fn echo(request: HttpRequest) -> String {
    let mut echoed = String::new();
    for name in ["traceparent", "tracestate", "x-amzn-trace-id", "baggage"] {
        for value in request.headers().get_all(name) {
            let mut value = value.to_str().unwrap().to_owned();
            match name {
                "traceparent" => value.replace_range(36..52, "SPAN"),
                "x-amzn-trace-id" => value.replace_range(48..64, "SPAN"),
                _ => {}
            }
            let _ = writeln!(echoed, "{name}: {value}");
        }
    }
    echoed.replace(ID, "ID").replace(XRAY_ID, "XID")
}

async fn baggage() -> String {
    let cx = Context::current();
    let mut members: Vec<_> = cx.baggage().iter().map(|(key, (value, _))| format!("{key}={value}")).collect();
    members.sort();
    members.join(",")
}

/// Headers of a request, what the next service gets, and `traceresponse` without its span id.
async fn check(server: &Server, headers: &[&str], expect: &str, answer: &str) {
    let headers: Vec<_> = headers.iter().map(|line| line.replace("XID", XRAY_ID).replace("ID", ID)).collect();
    let response = raw(server.port, "GET /through", &headers, "").await;
    assert_eq!(response.body, expect, "{headers:?}");

    let mut told = response.header("traceresponse").to_owned();
    assert_eq!(response.header("server-timing"), format!("traceparent;desc=\"{told}\""), "{headers:?}");
    let (trace_id, _, flags) = response.trace();
    let id = xray::TraceId::from_bytes(trace_id.to_bytes()).unwrap();
    assert_eq!(response.header("x-amzn-trace-id"), format!("Root={id};Sampled={}", flags & 1), "{headers:?}");
    told.replace_range(36..52, "SPAN");
    assert_eq!(told.replace(ID, "ID"), answer, "{headers:?}");
}

#[actix_web::test]
async fn both_dialects_in_and_both_out() {
    let server = start();
    let yes = "traceparent: 00-ID-SPAN-01\nx-amzn-trace-id: Root=XID;Parent=SPAN;Sampled=1\n";
    let no = "traceparent: 00-ID-SPAN-00\nx-amzn-trace-id: Root=XID;Parent=SPAN;Sampled=0\n";
    let (told_yes, told_no) = ("00-ID-SPAN-01", "00-ID-SPAN-00");

    check(&server, &["traceparent: 00-ID-b7ad6b7169203331-01"], yes, told_yes).await;
    check(&server, &["traceparent: 00-ID-b7ad6b7169203331-00"], no, told_no).await;
    check(&server, &["x-amzn-trace-id: Root=XID;Parent=b7ad6b7169203331;Sampled=1"], yes, told_yes).await;
    check(&server, &["X-Amzn-Trace-Id: Sampled=0 ; Parent=b7ad6b7169203331; Root=XID"], no, told_no).await;
    // Only a trace id: it is kept.
    check(&server, &["x-amzn-trace-id: Root=XID;Sampled=1"], yes, told_yes).await;
    check(&server, &["x-amzn-trace-id: Root=XID;Sampled=0"], no, told_no).await;
    check(
        &server,
        &["x-amzn-trace-id: Self=1-67891234-12456789abcdef012345678;Root=XID;Sampled=1"],
        yes,
        told_yes,
    )
    .await;
    // Deferred: our ratio of one half decides by the id, whose low half begins with dd, and says no.
    check(&server, &["x-amzn-trace-id: Root=XID"], no, told_no).await;
    check(&server, &["x-amzn-trace-id: Root=XID;Parent=b7ad6b7169203331"], no, told_no).await;
    check(&server, &["x-amzn-trace-id: Root=XID;Parent=b7ad6b7169203331;Sampled=?"], no, told_no).await;
    // W3C wins when both are valid, in either order; a broken one does not stand in the other's way.
    let other = "x-amzn-trace-id: Root=1-00000001-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=bbbbbbbbbbbbbbbb;Sampled=0";
    check(&server, &["traceparent: 00-ID-b7ad6b7169203331-01", other], yes, told_yes).await;
    check(&server, &[other, "traceparent: 00-ID-b7ad6b7169203331-01"], yes, told_yes).await;
    check(&server, &["traceparent: broken", "x-amzn-trace-id: Root=XID;Sampled=1"], yes, told_yes).await;
    check(
        &server,
        &["traceparent: 00-ID-b7ad6b7169203331-01", "x-amzn-trace-id: Root=broken"],
        yes,
        told_yes,
    )
    .await;
    server.stop().await;
}

#[actix_web::test]
async fn what_others_carry_travels_through_unread() {
    let server = start();
    check(
        &server,
        &[
            "traceparent: 00-ID-b7ad6b7169203331-03",
            "tracestate: congo=t61rcWkgMzE",
            "tracestate: rojo=00f067aa0ba902b7",
            "x-amzn-trace-id: Root=XID;Lineage=32767:e65a2c4d:255;_dd.origin=rum;Self=1-2-3",
        ],
        "traceparent: 00-ID-SPAN-03\ntracestate: congo=t61rcWkgMzE,rojo=00f067aa0ba902b7\n\
         x-amzn-trace-id: Root=XID;Parent=SPAN;Sampled=1;Lineage=32767:e65a2c4d:255;_dd.origin=rum\n",
        "00-ID-SPAN-03",
    )
    .await;
    // Unsampled as well.
    check(
        &server,
        &["traceparent: 00-ID-b7ad6b7169203331-02", "tracestate: congo=1"],
        "traceparent: 00-ID-SPAN-02\ntracestate: congo=1\nx-amzn-trace-id: Root=XID;Parent=SPAN;Sampled=0\n",
        "00-ID-SPAN-02",
    )
    .await;
    server.stop().await;
}

#[actix_web::test]
async fn baggage_comes_in_and_only_what_is_allowed_leaves() {
    let server = start();
    let caller = "traceparent: 00-ID-b7ad6b7169203331-01";
    let passed = "traceparent: 00-ID-SPAN-01\nx-amzn-trace-id: Root=XID;Parent=SPAN;Sampled=1\n";
    let headers = [caller, "baggage: tenant=a%20b;p=1,secret=1", "baggage: user.email=ana"];
    check(&server, &headers, &format!("{passed}baggage: tenant=a%20b\n"), "00-ID-SPAN-01").await;
    check(&server, &[caller, "baggage: secret=1"], passed, "00-ID-SPAN-01").await;

    let read = raw(server.port, "GET /baggage", &lines(&headers[1..]), "").await;
    assert_eq!(read.body, "secret=1,tenant=a b,user.email=ana");
    let flood: Vec<_> = (0..50).map(|i| format!("baggage: k{i}={}", "v".repeat(500))).collect();
    let read = raw(server.port, "GET /baggage", &flood, "").await;
    assert!(read.body.len() <= 8_192, "{}", read.body.len());
    server.stop().await;
}
