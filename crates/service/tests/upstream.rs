use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web;
use serde_json::{Value, json};
use service::server::Ready;
use service::upstream::Upstream;
use service::{Problem, identity::Token};
use test_support::free_port;

use crate::support::{Running, settings, start};

/// A neighbour that answers with `statuses` in turn, the last one for ever, and counts.
fn neighbour(statuses: &'static [u16]) -> (Running, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let server = start(&settings(), Ready::new(), move |app| {
        let counter = counter.clone();
        app.default_service(web::to(move || {
            let call = counter.fetch_add(1, Ordering::SeqCst);
            let status = StatusCode::from_u16(statuses[call.min(statuses.len() - 1)]).unwrap();
            async move {
                match status.as_u16() {
                    404 => HttpResponse::from_error(Problem::not_found("no such thing")),
                    _ => HttpResponse::build(status).json(json!({"fine": true})),
                }
            }
        }));
    });
    (server, calls)
}

async fn check(statuses: &'static [u16], expect_get: (u16, usize), expect_post: (u16, usize)) {
    for (method, expect) in [("GET", expect_get), ("POST", expect_post)] {
        let (server, calls) = neighbour(statuses);
        let upstream = Upstream::new("neighbour", &server.url(), Duration::from_secs(5));
        let answer: Result<Value, Problem> = match method {
            "GET" => upstream.get("/x?y=1", Some(&Token::new("t"))).await,
            _ => upstream.post("/x", &json!({}), None).await,
        };
        let status = answer.map_or_else(|problem| problem.status().as_u16(), |_| 200);
        assert_eq!((status, calls.load(Ordering::SeqCst)), expect, "{method} {statuses:?}");
    }
}

#[actix_web::test]
async fn statuses_and_retries() {
    check(&[200], (200, 1), (200, 1)).await;
    check(&[503, 200], (200, 2), (502, 1)).await;
    check(&[503], (502, 3), (502, 1)).await;
    check(&[500], (502, 1), (502, 1)).await;
    check(&[504], (504, 1), (504, 1)).await;
    check(&[404], (404, 1), (404, 1)).await;
}

#[actix_web::test]
async fn a_problem_of_the_neighbour_is_handed_on() {
    let (server, _) = neighbour(&[404]);
    let upstream = Upstream::new("neighbour", &server.url(), Duration::from_secs(5));
    let problem = upstream.get::<Value>("/x", None).await.unwrap_err();
    assert_eq!(problem.to_string(), "404 not-found: no such thing");
}

#[actix_web::test]
async fn a_dead_neighbour_is_502_and_a_slow_one_504_in_bounded_time() {
    let dead = Upstream::new("dead", &format!("http://127.0.0.1:{}", free_port()), Duration::from_secs(5));
    assert_eq!(dead.get::<Value>("/", None).await.unwrap_err().status(), 502);

    let server = start(&settings(), Ready::new(), |app| {
        app.default_service(web::to(std::future::pending::<HttpResponse>));
    });
    let slow = Upstream::new("slow", &server.url(), Duration::from_millis(200));
    let start = Instant::now();
    assert_eq!(slow.get::<Value>("/", None).await.unwrap_err().status(), 504);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}
