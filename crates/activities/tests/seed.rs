use telemetry::postgres::{Db, DbConfig};
use test_support::TestDb;
use uuid::Uuid;

#[actix_web::test]
async fn an_empty_database_is_filled_once() {
    let db = TestDb::new().await;
    let handle = Db::connect(&DbConfig::new(db.url())).await.unwrap();
    let authors: Vec<_> = (1..=40).map(Uuid::from_u128).collect();
    assert_eq!(activities::seed(&handle, &authors).await.unwrap(), 4500);
    assert_eq!(activities::seed(&handle, &authors).await.unwrap(), 0);
    let (posts, writers, answered, future): (i64, i64, i64, i64) = sqlx::query_as(
        "select count(*) filter (where reply_to is null), count(distinct user_uuid), count(distinct reply_to),
                count(*) filter (where created_at > now()) from posts",
    )
    .fetch_one(&db.pool().await)
    .await
    .unwrap();
    assert_eq!((posts, writers, future), (3000, 40, 0));
    assert!(answered > 500, "{answered}");
}

#[actix_web::test]
async fn without_authors_there_is_nothing_to_write() {
    let db = TestDb::new().await;
    let handle = Db::connect(&DbConfig::new(db.url())).await.unwrap();
    assert_eq!(activities::seed(&handle, &[]).await.unwrap(), 0);
}
