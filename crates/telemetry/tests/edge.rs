//! The door to strangers: whose ids and decisions count.

use actix_web::{HttpResponse, web};
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::SpanData;
use telemetry::actix::{EdgePolicy, trace_edge};

use crate::fixture::{Response, Server, raw, spans_of};

/// Xor of its four words: 0x40000000, a quarter.
const ID: &str = "6a0000002a0000000000000000000000";
const PARENT: &str = "b7ad6b7169203331";

fn start(browser_ratio: f64) -> Server {
    Server::traced_by(
        move || trace_edge(EdgePolicy { browser_ratio }),
        |_, config| {
            config.route("/", web::get().to(baggage));
        },
    )
}

async fn baggage() -> HttpResponse {
    HttpResponse::Ok().body(Context::current().baggage().len().to_string())
}

async fn ask(server: &Server, headers: &[&str]) -> Response {
    let headers: Vec<_> = headers.iter().map(|line| line.replace("ID", ID)).collect();
    raw(server.port, "GET /", &headers, "").await
}

const SAMPLED: &str = "traceparent: 00-ID-b7ad6b7169203331-01";
const UNSAMPLED: &str = "traceparent: 00-ID-b7ad6b7169203331-00";
const OURS: &str = "sec-fetch-site: same-origin";
const THEIRS: &str = "sec-fetch-site: cross-site";

#[actix_web::test]
async fn our_own_pages_keep_their_trace_and_their_ratio() {
    for (ratio, header, sampled) in [
        (1.0, SAMPLED, true),
        (1.0, UNSAMPLED, false),
        // The browser would have sampled this id at 0.3, and not at 0.2: who claims otherwise is not our page.
        (0.3, SAMPLED, true),
        (0.3, UNSAMPLED, false),
        (0.2, SAMPLED, false),
        (0.0, SAMPLED, false),
    ] {
        let server = start(ratio);
        let (trace_id, _, flags) = ask(&server, &[OURS, header]).await.trace();
        assert_eq!(trace_id.to_string(), ID, "{ratio} {header}");
        assert_eq!(flags & 1 == 1, sampled, "{ratio} {header}");
        server.stop().await;
    }
}

/// The root span of a stranger's request; our ratio of one half samples some of a few.
async fn root(server: &Server, headers: &[&str]) -> SpanData {
    for _ in 0..64 {
        let (trace_id, _, flags) = ask(server, headers).await.trace();
        assert_ne!(trace_id.to_string(), ID, "a trace of its own");
        if flags & 1 == 1 {
            return spans_of(trace_id, 1).await.remove(0);
        }
    }
    panic!("64 times unsampled at one half");
}

#[actix_web::test]
async fn a_stranger_gets_a_new_trace_with_a_link_to_theirs() {
    let server = start(1.0);
    for headers in [&[THEIRS, SAMPLED][..], &[SAMPLED], &[UNSAMPLED]] {
        let span = root(&server, headers).await;
        assert_eq!(span.parent_span_id, SpanId::INVALID);
        let links: Vec<_> = span.links.links.iter().map(|link| &link.span_context).collect();
        assert_eq!(links.len(), 1, "{headers:?}");
        assert_eq!(links[0].trace_id(), TraceId::from_hex(ID).unwrap());
        assert_eq!(links[0].span_id(), SpanId::from_hex(PARENT).unwrap());
    }
    assert_eq!(root(&server, &[THEIRS]).await.links.links.len(), 0, "nothing to link to");
    server.stop().await;
}

#[actix_web::test]
async fn nobody_outside_forces_sampling() {
    let server = start(1.0);
    let mut sampled = 0;
    for _ in 0..100 {
        sampled += u32::from(ask(&server, &[THEIRS, SAMPLED]).await.trace().2 & 1);
        let answer =
            ask(&server, &["x-amzn-trace-id: Root=1-6a000000-2a0000000000000000000000;Sampled=1"]).await;
        sampled += u32::from(answer.trace().2 & 1);
    }
    assert!((50..150).contains(&sampled), "{sampled} of 200 at one half");
    server.stop().await;
}

#[actix_web::test]
async fn baggage_ends_at_the_door() {
    let server = start(1.0);
    for whose in [OURS, THEIRS] {
        assert_eq!(ask(&server, &[whose, SAMPLED, "baggage: tenant=1"]).await.body, "0");
    }
    server.stop().await;
}
