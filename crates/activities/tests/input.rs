use awc::http::Method;
use serde_json::json;

use crate::support::Activities;

#[actix_web::test]
async fn bad_input_is_refused_with_a_reason() {
    let service = Activities::start().await;
    let coco = service.person(0xc0c0);
    let post = service.write(&coco, "here").await;
    let reply = format!("/activities/{post}/reply");
    let long = "ü".repeat(281);
    let bodies = [
        ("/activities", json!({"message": "", "ttl": "7-days"}), 422, "the message is empty"),
        ("/activities", json!({"message": " \n\u{3000}", "ttl": "7-days"}), 422, "the message is empty"),
        ("/activities", json!({"ttl": "7-days"}), 422, "the message is empty"),
        ("/activities", json!({"message": long, "ttl": "7-days"}), 422, "has 281 characters; at most 280"),
        ("/activities", json!({"message": "nul \0", "ttl": "7-days"}), 422, "control character"),
        ("/activities", json!({"message": "hi"}), 422, "ttl is one of 30-days, 7-days"),
        ("/activities", json!({"message": "hi", "ttl": "8-days"}), 422, "ttl is one of"),
        ("/activities", json!({"message": "hi", "ttl": 7}), 400, "malformed JSON"),
        ("/activities", json!({"message": "hi", "ttl": "1-day", "user_uuid": coco.id}), 400, "unknown field"),
        ("/activities", json!("hi"), 400, "malformed JSON"),
        (reply.as_str(), json!({"message": " "}), 422, "the message is empty"),
        (reply.as_str(), json!({"message": long}), 422, "at most 280"),
        (reply.as_str(), json!({"message": "hi", "ttl": "1-day"}), 400, "unknown field"),
        ("/activities/5/reply", json!({"message": "hi"}), 404, ""),
    ];
    for (path, body, status, detail) in bodies {
        let answer = service.post_as(&coco, path, &body).await;
        assert_eq!(answer.problem().0, status, "{body}: {answer:?}");
        assert!(answer.body["detail"].as_str().unwrap().contains(detail), "{body}: {answer:?}");
    }

    let paths = [
        ("/activities/home?limit=0", 422),
        ("/activities/home?limit=101", 422),
        ("/activities/home?limit=1000000000", 422),
        ("/activities/home?limit=-1", 422),
        ("/activities/home?limit=ten", 422),
        ("/activities/home?before=yesterday", 400),
        ("/activities/home?before=f39_f39_f39_f39_f39_f39_f39_f39_", 400),
        ("/activities/home?before=", 400),
        ("/activities/home?limit=1&limit=2", 400),
        ("/activities/search", 422),
        ("/activities/search?term=", 422),
        ("/activities/search?term=%20%09", 422),
        ("/activities/search?term=a%00b", 422),
        ("/activities/not-a-uuid", 404),
        ("/activities/users/coco", 404),
        ("/activities/users/", 404),
        ("/nothing", 404),
    ];
    for (path, status) in paths {
        let answer = service.get(path).await;
        assert_eq!(answer.problem().0, status, "{path}: {answer:?}");
    }
    assert_eq!(service.get(&format!("/activities/search?term={}", "x".repeat(101))).await.problem().0, 422);
    assert_eq!(service.send(Method::DELETE, "/activities/home", None, None).await.problem().0, 405);

    // None of it was written.
    assert_eq!(service.get("/activities/home").await.uuids(), [post]);
}
