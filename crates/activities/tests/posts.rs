use serde_json::{Value, json};

use crate::support::Activities;

/// The answer without what differs from run to run, after a look at it.
fn steady(mut activity: Value) -> Value {
    let instant = |value: &Value| value.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let lifetime = instant(&activity["expires_at"]) - instant(&activity["created_at"]);
    assert!(uuid::Uuid::parse_str(activity["uuid"].as_str().unwrap()).is_ok());
    assert!((chrono::Utc::now() - instant(&activity["created_at"])).num_seconds() < 60);
    activity["lives_hours"] = json!(lifetime.num_hours());
    for key in ["uuid", "created_at", "expires_at"] {
        activity.as_object_mut().unwrap().remove(key);
    }
    activity
}

#[actix_web::test]
async fn a_post_is_in_every_place_where_it_belongs() {
    let service = Activities::start().await;
    let (coco, worf) = (service.person(0xc0c0), service.person(0xf0f));

    let post =
        service.post_as(&coco, "/activities", &json!({"message": " Hello\nthere ", "ttl": "3-hours"})).await;
    assert_eq!(post.status, 201);
    let uuid = post.uuid();
    let shown = json!({
        "user_uuid": coco.id, "message": "Hello\nthere", "replies_count": 0, "likes_count": 0,
        "reply_to_activity_uuid": null, "lives_hours": 3,
    });
    assert_eq!(steady(post.body.clone()), shown);

    assert_eq!(service.get("/activities/home").await.body, json!({"activities": [post.body], "next": null}));
    assert_eq!(service.get(&format!("/activities/users/{}", coco.id)).await.uuids(), [uuid.as_str()]);
    assert_eq!(service.get("/activities/search?term=hello").await.uuids(), [uuid.as_str()]);
    let thread = service.get(&format!("/activities/{uuid}")).await;
    assert_eq!(
        (thread.status, &thread.body["uuid"], &thread.body["replies"]),
        (200, &json!(uuid), &json!([]))
    );

    assert_eq!(service.get(&format!("/activities/users/{}", worf.id)).await.uuids(), [""; 0]);
    assert_eq!(
        service.get("/activities/00000000-0000-0000-0000-000000000001").await.problem(),
        (404, "not-found")
    );
}

#[actix_web::test]
async fn a_reply_lives_with_what_it_answers() {
    let service = Activities::start().await;
    let (coco, worf, jadzia) = (service.person(0xc0c0), service.person(0xf0f), service.person(0xdad));
    let post = service.write(&coco, "Who is there?").await;

    let first = service.post_as(&worf, &format!("/activities/{post}/reply"), &json!({"message": "Me"})).await;
    assert_eq!(first.status, 201);
    assert_eq!(
        steady(first.body.clone()),
        json!({
            "user_uuid": worf.id, "message": "Me", "replies_count": 0, "likes_count": 0,
            "reply_to_activity_uuid": post, "lives_hours": 167,
        })
    );
    let first = first.uuid();
    let second = service.answer(&jadzia, &post, "Me too").await;
    let own = service.answer(&coco, &post, "Welcome").await;
    let nested = service.answer(&coco, &first, "You again").await;

    let thread = service.get(&format!("/activities/{post}")).await;
    assert_eq!(thread.body["replies_count"], 3);
    let replies = thread.body["replies"].as_array().unwrap();
    let uuids: Vec<_> = replies.iter().map(|reply| reply["uuid"].as_str().unwrap()).collect();
    assert_eq!(uuids, [&first, &second, &own]);
    assert_eq!(replies[0]["replies_count"], 1);
    let expiries = replies.iter().map(|reply| &reply["expires_at"]);
    assert!(expiries.into_iter().all(|expires_at| *expires_at == thread.body["expires_at"]));

    // A reply is no post of the home feed, but one of its author's.
    assert_eq!(service.get("/activities/home").await.uuids(), [post.as_str()]);
    assert_eq!(service.get(&format!("/activities/users/{}", worf.id)).await.uuids(), [first.as_str()]);

    // What others answered, the newest first: not one's own, not what others got.
    assert_eq!(service.get_as(&coco, "/activities/notifications").await.uuids(), [second, first]);
    assert_eq!(service.get_as(&worf, "/activities/notifications").await.uuids(), [nested]);
    assert_eq!(service.get_as(&jadzia, "/activities/notifications").await.uuids(), [""; 0]);
}

#[actix_web::test]
async fn a_reply_to_nothing_is_refused() {
    let service = Activities::start().await;
    let coco = service.person(0xc0c0);
    let path = "/activities/00000000-0000-0000-0000-000000000001/reply";
    assert_eq!(service.post_as(&coco, path, &json!({"message": "hi"})).await.problem(), (404, "not-found"));
}
