use std::time::Duration;

use serde_json::json;
use test_support::{TestDb, eventually};
use uuid::Uuid;

use crate::support::Activities;

/// Moves the life of a post and its replies into the past, as if its hours had gone by.
async fn let_expire(service: &Activities, uuid: &str) {
    sqlx::query(
        "update posts set created_at = now() - interval '2 hours', expires_at = now() - interval '1 second'
         where uuid = $1 or reply_to = $1",
    )
    .bind(uuid.parse::<Uuid>().unwrap())
    .execute(&service.db.pool().await)
    .await
    .unwrap();
}

async fn rows(service: &Activities) -> i64 {
    sqlx::query_scalar("select count(*) from posts").fetch_one(&service.db.pool().await).await.unwrap()
}

#[actix_web::test]
async fn what_has_expired_is_gone_from_every_read_at_once() {
    let service = Activities::start().await;
    let (coco, worf) = (service.person(0xc0c0), service.person(0xf0f));
    let gone = service.write(&coco, "gone soon").await;
    let reply = service.answer(&worf, &gone, "gone with it").await;
    let stays = service.write(&coco, "stays, gone or not").await;
    let answered = service.answer(&worf, &stays, "stays too").await;
    let_expire(&service, &gone).await;

    assert_eq!(service.get("/activities/home").await.uuids(), [stays.as_str()]);
    assert_eq!(service.get(&format!("/activities/users/{}", coco.id)).await.uuids(), [stays.as_str()]);
    assert_eq!(service.get(&format!("/activities/users/{}", worf.id)).await.uuids(), [answered.as_str()]);
    assert_eq!(service.get("/activities/search?term=gone").await.uuids(), [stays]);
    assert_eq!(service.get_as(&coco, "/activities/notifications").await.uuids(), [answered]);
    for uuid in [&gone, &reply] {
        assert_eq!(service.get(&format!("/activities/{uuid}")).await.problem(), (404, "not-found"));
        let path = format!("/activities/{uuid}/reply");
        assert_eq!(
            service.post_as(&worf, &path, &json!({"message": "hi"})).await.problem(),
            (404, "not-found")
        );
    }
    // Hidden, not yet deleted: the sweeper of this test comes in an hour.
    assert_eq!(rows(&service).await, 4);
}

#[actix_web::test]
async fn the_sweeper_deletes_what_has_expired_and_nothing_else() {
    let service = Activities::with(TestDb::new().await, &[("SWEEP_INTERVAL", "50")]).await;
    let coco = service.person(0xc0c0);
    let stays = service.write(&coco, "stays").await;
    service.answer(&coco, &stays, "stays too").await;
    let gone = service.write(&coco, "gone soon").await;
    service.answer(&coco, &gone, "gone with it").await;
    // More than one batch.
    sqlx::query(
        "insert into posts (uuid, user_uuid, message, created_at, expires_at)
         select gen_random_uuid(), gen_random_uuid(), 'old', now() - interval '2 days', now() - interval '1 day'
         from generate_series(1, 1200)",
    )
    .execute(&service.db.pool().await)
    .await
    .unwrap();
    let_expire(&service, &gone).await;

    eventually("two rows left", || async { (rows(&service).await == 2).then_some(()) }).await;
    assert_eq!(service.get(&format!("/activities/{stays}")).await.body["replies_count"], 1);
}

#[actix_web::test]
async fn the_sweep_is_a_trace_of_its_own() {
    let service = Activities::with(TestDb::new().await, &[("SWEEP_INTERVAL", "50")]).await;
    let gone = service.write(&service.person(0xc0c0), "gone soon").await;
    let_expire(&service, &gone).await;
    eventually("no row left", || async { (rows(&service).await == 0).then_some(()) }).await;
    let sweep = crate::spans::find("a sweep of one post", |span| {
        span.name == "sweep expired posts"
            && span.attributes.get("app.result_length").is_some_and(|n| n == "1")
    })
    .await;
    assert_eq!(sweep.parent, "");
    let delete = crate::spans::find("its DELETE", |span| {
        span.trace_id == sweep.trace_id
            && span.attributes.get("db.operation.name").is_some_and(|it| it == "DELETE")
    })
    .await;
    assert_eq!(delete.parent, sweep.id);
}

#[actix_web::test]
async fn the_service_stops_with_its_sweeper() {
    let stopped = {
        let db = TestDb::new().await;
        let env = env::Env::from_pairs([
            ("LISTEN", "127.0.0.1:0"),
            ("DATABASE_URL", db.url()),
            ("SWEEP_INTERVAL", "10"),
        ]);
        let application =
            activities::Application::build(activities::Config::from_env(&env).unwrap()).await.unwrap();
        let handle = application.handle();
        let running = telemetry::spawn(application.run());
        handle.stop(true).await;
        tokio::time::timeout(test_support::patience() + Duration::from_secs(1), running).await
    };
    stopped.expect("the sweeper let go").unwrap().unwrap();
}
