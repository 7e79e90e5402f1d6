use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use test_support::{Signer, patience};

use crate::neighbours::{Answer, COCO, Neighbour, activities, users};
use crate::support::{DEADLINE, Gateway, with_keys};

async fn check(activities: Neighbour, users: Neighbour, deadline: Duration, expect: (u16, &str)) {
    let gateway = Gateway::between(activities, users, deadline).await;
    let start = Instant::now();
    let reply = gateway.get("/api/activities/home", &[]).await;
    assert_eq!(reply.problem(), expect, "{reply:?}");
    assert!(start.elapsed() < deadline + patience(), "{:?}", start.elapsed());
}

#[actix_web::test]
async fn a_dead_neighbour_is_a_502() {
    check(Neighbour::dead(), Neighbour::start(users), patience(), (502, "bad-gateway")).await;
    check(Neighbour::start(activities), Neighbour::dead(), patience(), (502, "bad-gateway")).await;
}

#[actix_web::test]
async fn a_slow_neighbour_is_a_504_when_the_requests_time_is_over() {
    let slow = || Neighbour::start(|_| Answer::Never);
    check(slow(), Neighbour::start(users), DEADLINE, (504, "gateway-timeout")).await;
    check(Neighbour::start(activities), slow(), DEADLINE, (504, "gateway-timeout")).await;
}

#[actix_web::test]
async fn nonsense_from_a_neighbour_is_a_502() {
    for nonsense in ["", "[]", "{}", "null", "<html>", r#"{"activities": [{"uuid": "1"}], "next": null}"#] {
        let activities = Neighbour::start(move |_| Answer::Text(200, nonsense));
        check(activities, Neighbour::start(users), patience(), (502, "bad-gateway")).await;
    }
    let activities = Neighbour::start(|_| Answer::Json(500, json!({"detail": "SELECT secrets"})));
    let gateway = Gateway::between(activities, Neighbour::start(users), patience()).await;
    let reply = gateway.get("/api/activities/home", &[]).await;
    assert_eq!(reply.problem(), (502, "bad-gateway"));
    assert!(!reply.text.contains("SELECT"), "{}", reply.text);
}

#[actix_web::test]
async fn what_a_neighbour_refuses_is_refused_in_its_words() {
    let gateway = Gateway::start(&Signer::new("k")).await;
    let reply = gateway.get("/api/activities/00000000-0000-0000-0000-000000000005", &[]).await;
    assert_eq!(reply.problem(), (404, "not-found"));
    assert_eq!(reply.body["detail"], "no such activity, or its time is over");
}

/// Answers 503 the first time, then as it should.
fn stumbling() -> Neighbour {
    let calls = Arc::new(AtomicUsize::new(0));
    Neighbour::start(move |asked| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::Json(503, json!({})),
        _ => activities(asked),
    })
}

#[actix_web::test]
async fn a_read_is_tried_again() {
    let gateway = Gateway::between(stumbling(), Neighbour::start(users), patience()).await;
    assert_eq!(gateway.get("/api/activities/home", &[]).await.status, 200);
    assert_eq!(gateway.activities.asked().len(), 2);
}

#[actix_web::test]
async fn a_read_is_not_tried_for_ever() {
    let away = Neighbour::start(|_| Answer::Json(503, json!({})));
    let gateway = Gateway::between(away, Neighbour::start(users), patience()).await;
    assert_eq!(gateway.get("/api/activities/home", &[]).await.problem(), (502, "bad-gateway"));
    assert!((2..=3).contains(&gateway.activities.asked().len()));
}

#[actix_web::test]
async fn a_write_is_tried_once() {
    let signer = Signer::new("k");
    let users = Neighbour::start(with_keys(&signer, users));
    let gateway = Gateway::between(stumbling(), users, patience()).await;
    let bearer = format!("Bearer {}", signer.token(COCO.parse().unwrap(), "coco"));
    let body = json!({"message": "hi", "ttl": "7-days"});
    let reply = gateway.post("/api/activities", &[("authorization", &bearer)], &body).await;
    assert_eq!(reply.problem(), (502, "bad-gateway"));
    assert_eq!(gateway.activities.asked().len(), 1);
}
