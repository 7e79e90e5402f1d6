//! What the spans say.

use std::time::{Duration, Instant};

use opentelemetry::trace::{FutureExt as _, TraceContextExt as _, Tracer as _, TracerProvider as _};
use sqlx::AssertSqlSafe;
use test_support::{TestDb, eventually};
use throughline_telemetry::postgres::{Db, DbConfig, Mode};

use crate::support::{Trace, connect, describe, sampled};

const TABLE: &str = "create table activities (uuid int primary key, message text)";

async fn database() -> (TestDb, Db) {
    let database = TestDb::new().await;
    let db = connect(&database, Mode::Always, 1).await;
    sqlx::raw_sql(TABLE).execute(db.pool()).await.unwrap();
    (database, db)
}

fn only(trace: &Trace) -> String {
    let mut spans = trace.spans();
    // On a busy machine there may be a wait for a connection as well.
    if spans.len() > 1 {
        spans.retain(|span| span.name != "acquire connection");
    }
    assert_eq!(spans.len(), 1, "{}", trace.tree());
    describe(&spans[0])
}

#[tokio::test]
async fn a_write_says_how_many_rows_it_changed() {
    let (_database, db) = database().await;
    let trace = sampled();
    let sql = "insert into activities values ($1, 'a secret'), (2, $2) -- a comment";
    trace.run(sqlx::query(sql).bind(1).bind("b").execute(&db)).await.unwrap();
    insta::assert_snapshot!(only(&trace), @"
    INSERT activities (client)
      db.collection.name: activities
      db.namespace: DATABASE
      db.operation.name: INSERT
      db.query.text: insert into activities values ($1, ?), (?, $2)
      db.system.name: postgresql
      server.address: 127.0.0.1
      server.port: PORT
      throughline.db.affected_rows: 2
    ");
}

#[tokio::test]
async fn a_read_says_how_many_rows_it_returned() {
    let (_database, db) = database().await;
    sqlx::query("insert into activities select generate_series(1, 3)").execute(db.pool()).await.unwrap();
    let trace = sampled();
    let sql = "select * from activities where uuid < $1 and message is distinct from 'a secret'";
    trace.run(sqlx::query(sql).bind(3).fetch_all(&db)).await.unwrap();
    insta::assert_snapshot!(only(&trace), @"
    SELECT activities (client)
      db.collection.name: activities
      db.namespace: DATABASE
      db.operation.name: SELECT
      db.query.text: select * from activities where uuid < $1 and message is distinct from ?
      db.response.returned_rows: 2
      db.system.name: postgresql
      server.address: 127.0.0.1
      server.port: PORT
    ");
}

#[tokio::test]
async fn an_error_is_told_once() {
    let (_database, db) = database().await;
    let trace = sampled();
    let sql = "insert into activities values (1), (1)";
    trace.run(sqlx::query(sql).execute(&db)).await.unwrap_err();
    insta::assert_snapshot!(only(&trace), @r#"
    INSERT activities (client)
      status: error, duplicate key value violates unique constraint "activities_pkey"
      db.collection.name: activities
      db.namespace: DATABASE
      db.operation.name: INSERT
      db.query.text: insert into activities values (?), (?)
      db.response.status_code: 23505
      db.system.name: postgresql
      error.type: 23505
      server.address: 127.0.0.1
      server.port: PORT
      event exception
        exception.type: sqlx::Error::Database
        exception.message: duplicate key value violates unique constraint "activities_pkey"
    "#);
}

#[tokio::test]
async fn a_cancelled_statement_has_its_span() {
    let (database, db) = database().await;
    let others = database.pool().await;
    let trace = sampled();
    let sleep = trace.run(sqlx::query("select pg_sleep(60)").execute(&db));
    let started = eventually("the statement runs", || async {
        sqlx::query(
            "select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
        )
        .fetch_optional(&others)
        .await
        .unwrap()
    });
    tokio::select! { _ = sleep => panic!("slept"), _ = started => {} }
    let mut spans = trace.spans();
    // Nor the wait for a connection, which a busy machine may have.
    spans.retain(|span| span.name == "SELECT");
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].events.events.iter().map(|event| &*event.name).collect::<Vec<_>>(), ["cancelled"]);
}

#[tokio::test]
async fn a_transaction_is_one_branch_of_the_tree() {
    let (_database, db) = database().await;
    let trace = sampled();
    trace
        .run(async {
            sqlx::query("select count(*) from activities").fetch_one(&db).await?;
            let mut tx = db.begin().await?;
            sqlx::query("insert into activities values (1)").execute(&mut tx).await?;
            // A span of the caller's own, as #[instrument] makes one.
            let tracer = opentelemetry::global::tracer_provider().tracer("test");
            let own = opentelemetry::Context::current().with_span(tracer.start("find replies"));
            sqlx::query("select * from activities").fetch_all(&mut tx).with_context(own).await?;
            tx.commit().await?;
            drop(db.begin().await?);
            db.begin().await?.rollback().await
        })
        .await
        .unwrap();
    insta::assert_snapshot!(trace.tree(), @"
    test: SELECT activities
    test: transaction
      test: BEGIN
      test: INSERT activities
      test: COMMIT
    test: find replies
      test: SELECT activities
    test: transaction
      test: BEGIN
    test: transaction
      test: BEGIN
      test: ROLLBACK
    ");
}

#[tokio::test]
async fn a_long_wait_for_a_connection_is_a_span_and_a_vain_one_an_error() {
    let database = TestDb::new().await;
    let config = DbConfig {
        max_connections: 1,
        traced_connections: 0,
        acquire_timeout: Duration::from_secs(1),
        ..DbConfig::new(database.url())
    };
    let db = Db::connect(&config).await.unwrap();
    let only_one = db.begin().await.unwrap();

    let trace = sampled();
    let error = trace.run(sqlx::query("select 1").execute(&db)).await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error}");
    insta::assert_snapshot!(only(&trace), @"
    acquire connection (internal)
      status: error, pool timed out while waiting for an open connection
      db.namespace: DATABASE
      db.system.name: postgresql
      error.type: sqlx::Error::PoolTimedOut
      server.address: 127.0.0.1
      server.port: PORT
      throughline.db.pool.max_connections: 1
      event exception
        exception.type: sqlx::Error::PoolTimedOut
        exception.message: pool timed out while waiting for an open connection
    ");

    let trace = sampled();
    let release = async {
        // Polled after the statement, which waits by then.
        let start = Instant::now();
        eventually("a wait that is worth a span", || async {
            (start.elapsed() > Duration::from_millis(30)).then_some(())
        })
        .await;
        only_one.commit().await
    };
    let (done, released) = tokio::join!(trace.run(sqlx::query("select 1").execute(&db)), release);
    done.unwrap();
    released.unwrap();
    assert_eq!(trace.tree(), "test: acquire connection\ntest: SELECT\n");
}

#[tokio::test]
async fn a_text_of_any_length_is_fine() {
    let (_database, db) = database().await;
    let trace = sampled();
    let sql = format!("select {}1", "1 + ".repeat(2_000));
    trace.run(sqlx::query(AssertSqlSafe(sql)).execute(&db)).await.unwrap();
    let text = only(&trace);
    assert!(text.contains("...") && text.len() < 5_000, "{} bytes", text.len());
}
