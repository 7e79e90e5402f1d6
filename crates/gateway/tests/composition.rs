use serde_json::json;
use test_support::Signer;
use uuid::Uuid;

use crate::neighbours::{Answer, COCO, Neighbour, WORF, activities, activity, profile, users};
use crate::support::{Gateway, with_keys};

fn author(id: &str, handle: &str) -> serde_json::Value {
    json!({"uuid": id, "handle": handle, "display_name": handle.to_uppercase()})
}

fn with_user(mut activity: serde_json::Value, user: serde_json::Value) -> serde_json::Value {
    activity["user"] = user;
    activity
}

#[actix_web::test]
async fn the_home_feed_is_one_page_and_one_look_up() {
    let gateway = Gateway::start(&Signer::new("k")).await;
    let reply = gateway.get("/api/activities/home?limit=2&before=a%26b", &[]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.body,
        json!({
            "activities": [
                with_user(activity(2, COCO), author(COCO, "coco")),
                with_user(activity(1, "00000000-0000-0000-0000-00000000dead"), json!(null)),
            ],
            "next": "abc",
        })
    );
    assert_eq!(gateway.activities.asked(), ["GET /activities/home?before=a%26b&limit=2"]);
    let ids = format!("00000000-0000-0000-0000-00000000c0c0%2C{}", "00000000-0000-0000-0000-00000000dead");
    assert_eq!(gateway.users.asked(), [format!("GET /users?ids={}", ids.replace("%2C", ","))]);
}

/// The laboratory's header goes to the service that has the fault, and in production nowhere.
#[actix_web::test]
async fn a_fault_is_handed_on_outside_production() {
    for (env, expect) in [("development", Some("deadlock")), ("production", None)] {
        let (posts, people) = (Neighbour::start(activities), Neighbour::start(users));
        let gateway = Gateway::with(posts, people, test_support::patience(), env).await;
        let reply = gateway.get("/api/activities/home", &[("x-lab-fault", "deadlock")]).await;
        assert_eq!(reply.status, 200);
        let told = |neighbour: &Neighbour| neighbour.seen()[0].header("x-lab-fault").map(str::to_owned);
        assert_eq!(told(&gateway.activities).as_deref(), expect, "{env}");
        assert_eq!(told(&gateway.users), None);
    }
}

#[actix_web::test]
async fn an_empty_page_asks_for_no_authors() {
    let nothing = Neighbour::start(|_| Answer::Json(200, json!({"activities": [], "next": null})));
    let gateway = Gateway::between(nothing, Neighbour::dead(), test_support::patience()).await;
    let reply = gateway.get("/api/activities/home", &[]).await;
    assert_eq!((reply.status, reply.body), (200, json!({"activities": [], "next": null})));
}

#[actix_web::test]
async fn more_than_a_hundred_authors_are_looked_up_a_hundred_at_a_time() {
    let crowd = Neighbour::start(|_| {
        let page: Vec<_> = (0..250).map(|n| activity(n, &Uuid::from_u128(n).to_string())).collect();
        Answer::Json(200, json!({"activities": page, "next": null}))
    });
    let gateway = Gateway::between(crowd, Neighbour::start(users), test_support::patience()).await;
    assert_eq!(gateway.get("/api/activities/home", &[]).await.status, 200);
    let mut sizes: Vec<_> = gateway.users.asked().iter().map(|asked| asked.split(',').count()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
}

#[actix_web::test]
async fn a_thread_is_a_post_and_its_replies() {
    let gateway = Gateway::start(&Signer::new("k")).await;
    let reply = gateway.get("/api/activities/00000000-0000-0000-0000-000000000002", &[]).await;
    assert_eq!(
        reply.body,
        json!({
            "activity": with_user(activity(2, COCO), author(COCO, "coco")),
            "replies": [with_user(activity(3, WORF), author(WORF, "worf"))],
        })
    );
}

#[actix_web::test]
async fn a_users_feed_begins_with_the_profile() {
    let gateway = Gateway::start(&Signer::new("k")).await;
    let reply = gateway.get("/api/activities/@coco?before=abc", &[]).await;
    assert_eq!(reply.body["user"], profile(COCO, "coco"));
    assert_eq!(reply.body["activities"][0], with_user(activity(2, COCO), author(COCO, "coco")));
    assert_eq!(reply.body["next"], "abc");
    assert_eq!(gateway.activities.asked(), [format!("GET /activities/users/{COCO}?before=abc")]);
    assert_eq!(gateway.users.asked(), ["GET /users/@coco"]);
}

#[actix_web::test]
async fn search_hands_the_term_on_whole() {
    let gateway = Gateway::start(&Signer::new("k")).await;
    let reply = gateway.get("/api/activities/search?term=%22a+b%22%20-c%26limit=1", &[]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(gateway.activities.asked(), ["GET /activities/search?term=%22a+b%22+-c%26limit%3D1"]);
}

#[actix_web::test]
async fn a_profile_is_handed_on() {
    let gateway = Gateway::start(&Signer::new("k")).await;
    let reply = gateway.get("/api/users/@coco", &[]).await;
    assert_eq!((reply.status, reply.body), (200, profile(COCO, "coco")));
    assert_eq!(gateway.get("/api/users/@nobody", &[]).await.problem(), (404, "not-found"));
}

#[actix_web::test]
async fn notifications_are_replies() {
    let signer = Signer::new("k");
    let gateway = Gateway::start(&signer).await;
    let bearer = format!("Bearer {}", signer.token(COCO.parse().unwrap(), "coco"));
    let reply = gateway.get("/api/activities/notifications", &[("authorization", &bearer)]).await;
    assert_eq!(
        reply.body["notifications"][0],
        json!({
            "uuid": Uuid::from_u128(2), "kind": "reply", "created_at": "2026-11-21T08:00:00.123456Z",
            "activity": with_user(activity(2, COCO), author(COCO, "coco")),
        })
    );
    assert_eq!(reply.body["next"], "abc");
    assert_eq!(gateway.get("/api/activities/notifications", &[]).await.problem(), (401, "unauthorized"));
}

#[actix_web::test]
async fn a_post_comes_back_with_its_author() {
    let signer = Signer::new("k");
    let gateway = Gateway::start(&signer).await;
    let bearer = format!("Bearer {}", signer.token(COCO.parse().unwrap(), "coco"));
    for (path, body) in [
        ("/api/activities", json!({"message": "hi", "ttl": "7-days"})),
        ("/api/activities/00000000-0000-0000-0000-000000000002/reply", json!({"message": "hi"})),
    ] {
        let reply = gateway.post(path, &[("authorization", &bearer)], &body).await;
        assert_eq!(reply.status, 201);
        assert_eq!(reply.body, with_user(activity(9, COCO), author(COCO, "coco")));
        let seen = gateway.activities.seen().pop().unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&seen.body).unwrap(), body);
        assert_eq!(seen.header("authorization"), Some(bearer.as_str()));
    }
}

#[actix_web::test]
async fn a_post_that_was_written_is_shown_even_when_its_author_cannot_be_looked_up() {
    let signer = Signer::new("k");
    let keys_only = Neighbour::start(with_keys(&signer, |_| Answer::Json(500, json!({}))));
    let gateway = Gateway::between(Neighbour::start(activities), keys_only, test_support::patience()).await;
    let bearer = format!("Bearer {}", signer.token(COCO.parse().unwrap(), "coco"));
    let body = json!({"message": "hi", "ttl": "7-days"});
    let reply = gateway.post("/api/activities", &[("authorization", &bearer)], &body).await;
    assert_eq!((reply.status, &reply.body["user"]), (201, &json!(null)));
}

#[actix_web::test]
async fn rollbars_hello() {
    let gateway = Gateway::between(Neighbour::dead(), Neighbour::dead(), test_support::patience()).await;
    let reply = gateway.get("/rollbar/test", &[]).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "Hello World!"));
}
