use std::collections::HashSet;

use uuid::Uuid;

use crate::support::{Activities, Person};

/// All uuids of a feed, page by page; `between` runs after each page.
async fn walk(service: &Activities, path: &str, limit: usize, mut between: impl AsyncFnMut()) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), String::new());
    let joint = if path.contains('?') { '&' } else { '?' };
    loop {
        let page = service.get(&format!("{path}{joint}limit={limit}{next}")).await;
        let uuids = page.uuids();
        assert!(uuids.len() <= limit);
        all.extend(uuids.iter().cloned());
        let Some(cursor) = page.body["next"].as_str() else { return all };
        assert_eq!(uuids.len(), limit, "a page with a next one is full");
        next = format!("&before={cursor}");
        between().await;
    }
}

/// What Postgres says of the same feed, in one piece.
async fn expected(service: &Activities, condition: &str) -> Vec<String> {
    let statement = format!("select uuid from posts where {condition} order by created_at desc, uuid desc");
    let rows: Vec<Uuid> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_all(&service.db.pool().await).await.unwrap();
    rows.iter().map(Uuid::to_string).collect()
}

async fn seeded() -> (Activities, Vec<Uuid>) {
    let service = Activities::start().await;
    let authors: Vec<_> = (1..=40).map(Uuid::from_u128).collect();
    let db = telemetry::postgres::Db::connect(&telemetry::postgres::DbConfig::new(service.db.url()))
        .await
        .unwrap();
    activities::seed(&db, &authors).await.unwrap();
    (service, authors)
}

#[actix_web::test]
async fn pages_have_neither_gaps_nor_repeats() {
    let (service, authors) = seeded().await;
    // Some hundred posts of one and the same instant, so that only the uuid tells them apart.
    sqlx::query(
        "update posts set created_at = timestamptz '2020-01-01' where get_byte(uuid_send(uuid), 0) < 20",
    )
    .execute(&service.db.pool().await)
    .await
    .unwrap();
    let author = authors[0];
    for (path, condition) in [
        ("/activities/home".to_owned(), "reply_to is null".to_owned()),
        (format!("/activities/users/{author}"), format!("user_uuid = '{author}'")),
        ("/activities/search?term=fog".to_owned(), "message ilike '%fog%'".to_owned()),
    ] {
        let expected = expected(&service, &condition).await;
        assert!(expected.len() > 50, "{path} is too short to tell");
        for limit in [23, 100] {
            assert_eq!(walk(&service, &path, limit, async || {}).await, expected, "{path} by {limit}");
        }
    }
}

#[actix_web::test]
async fn what_is_posted_meanwhile_moves_nothing() {
    let (service, _) = seeded().await;
    let person: Person = service.person(1);
    let before = expected(&service, "reply_to is null").await;
    let walked = walk(&service, "/activities/home", 50, async || {
        service.write(&person, "one more").await;
    })
    .await;
    assert_eq!(walked, before);
    let all: HashSet<_> = expected(&service, "reply_to is null").await.into_iter().collect();
    assert!(all.len() > before.len());
}

#[actix_web::test]
async fn notifications_have_pages_too() {
    let service = Activities::start().await;
    let (coco, worf) = (service.person(0xc0c0), service.person(0xf0f));
    let post = service.write(&coco, "Who is there?").await;
    let mut replies = Vec::new();
    for n in 0..5 {
        replies.insert(0, service.answer(&worf, &post, &format!("Me, {n}")).await);
    }
    let first = service.get_as(&coco, "/activities/notifications?limit=3").await;
    let next = first.body["next"].as_str().unwrap();
    let second = service.get_as(&coco, &format!("/activities/notifications?limit=3&before={next}")).await;
    assert_eq!([first.uuids(), second.uuids()].concat(), replies);
    assert!(second.body["next"].is_null());
}
