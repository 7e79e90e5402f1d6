use test_support::{TestDb, eventually};

use crate::line::Line;
use crate::support::Activities;

/// A Postgres that goes away and comes back: clear errors meanwhile, nothing hangs, no restart.
#[actix_web::test]
async fn a_database_that_is_away_is_a_503_until_it_is_back() {
    let db = TestDb::new().await;
    let port = test_support::postgres().await.port();
    let line = Line::to(port).await;
    let url = db.url().replace(&format!(":{port}/"), &format!(":{}/", line.port()));
    let service =
        Activities::with(db, &[("DATABASE_URL", &url), ("DATABASE_ACQUIRE_TIMEOUT_MS", "1500")]).await;
    let coco = service.person(0xc0c0);
    let post = service.write(&coco, "before").await;

    line.cut().await;
    for path in ["/activities/home", "/activities/search?term=before", &format!("/activities/{post}")] {
        let answer = service.get(path).await;
        assert_eq!(answer.problem(), (503, "unavailable"), "{path}: {answer:?}");
    }
    assert_eq!(service.get("/ready").await.status, 503);
    assert_eq!(service.get("/health").await.status, 200);

    line.mend().await;
    eventually("the feed is back", || async {
        (service.get("/activities/home").await.status == 200).then_some(())
    })
    .await;
    service.write(&coco, "after").await;
    assert_eq!(service.get("/activities/home").await.uuids().len(), 2);
    assert_eq!(service.get("/ready").await.status, 200);
}
