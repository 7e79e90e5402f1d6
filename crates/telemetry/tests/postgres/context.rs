//! What Postgres knows of the trace, and what it does not.

use futures::StreamExt as _;
use futures::future::join_all;
use opentelemetry::Context;
use opentelemetry::trace::FutureExt as _;
use sqlx::{AssertSqlSafe, Row as _};
use test_support::{TestDb, eventually};
use throughline_telemetry::postgres::{Db, Mode};

use crate::support::{Trace, WHOSE, Whose, connect, sampled, unsampled};

const NOBODY: (&str, &str) = ("", "");

/// What the connections of the pool carry when no work is on them.
async fn idle(db: &Db) -> Whose {
    sqlx::query_as(WHOSE).fetch_one(db.pool()).await.unwrap()
}

fn check(trace: &Trace, span: &str, seen: &Whose) {
    let expected: Whose = (trace.traceparent(span), trace.xray_id());
    assert_eq!(seen, &expected);
}

#[tokio::test]
async fn every_kind_of_sampled_statement_names_its_own_span_in_both_spellings() {
    let database = TestDb::new().await;
    let db = connect(&database, Mode::Always, 1).await;
    sqlx::raw_sql("create table seen (application text, xray text)").execute(db.pool()).await.unwrap();
    let write = format!("insert into seen {WHOSE}");

    let trace = sampled();
    check(&trace, "SELECT", &trace.run(async { sqlx::query_as(WHOSE).fetch_one(&db).await }).await.unwrap());
    let trace = sampled();
    check(
        &trace,
        "SELECT",
        &trace.run(async { sqlx::query_as(WHOSE).fetch_all(&db).await }).await.unwrap().remove(0),
    );
    let trace = sampled();
    let row = trace.run(async { sqlx::query_as(WHOSE).fetch(&db).collect::<Vec<_>>().await }).await.remove(0);
    check(&trace, "SELECT", &row.unwrap());
    let trace = sampled();
    let row = trace.run(async { sqlx::raw_sql(WHOSE).fetch_one(&db).await }).await.unwrap();
    check(&trace, "SELECT", &(row.get(0), row.get(1)));

    let trace = sampled();
    trace.run(async { sqlx::query(AssertSqlSafe(write.clone())).execute(&db).await }).await.unwrap();
    check(&trace, "INSERT seen", &sqlx::query_as("select * from seen").fetch_one(db.pool()).await.unwrap());
    let trace = sampled();
    let returning = format!("{write} returning *");
    let row = trace.run(async { sqlx::query_as(AssertSqlSafe(returning)).fetch_one(&db).await }).await;
    check(&trace, "INSERT seen", &row.unwrap());

    let trace = sampled();
    let row = trace
        .run(async {
            let mut tx = db.begin().await?;
            sqlx::query(AssertSqlSafe(write)).execute(&mut tx).await?;
            let row = sqlx::query_as(WHOSE).fetch_one(&mut tx).await?;
            tx.commit().await?;
            Ok::<Whose, sqlx::Error>(row)
        })
        .await;
    check(&trace, "transaction", &row.unwrap());

    assert_eq!(idle(&db).await, (String::new(), String::new()), "left on a pooled connection");
}

#[tokio::test]
async fn work_that_is_not_sampled_tells_nothing() {
    let database = TestDb::new().await;
    let [always, transactions] =
        [connect(&database, Mode::Always, 1).await, connect(&database, Mode::Transactions, 1).await];
    let single = |db: Db| async move { sqlx::query_as::<_, Whose>(WHOSE).fetch_one(&db).await.unwrap() };
    let in_tx = |db: Db| async move {
        let mut tx = db.begin().await.unwrap();
        let row: Whose = sqlx::query_as(WHOSE).fetch_one(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        row
    };
    let nobody: Whose = (NOBODY.0.to_owned(), NOBODY.1.to_owned());

    for trace in [unsampled(), Trace(sampled().0.with_telemetry_suppressed()), Trace(Context::new())] {
        assert_eq!(trace.run(single(always.clone())).await, nobody);
        assert_eq!(trace.run(in_tx(always.clone())).await, nobody);
        assert_eq!(trace.run(in_tx(transactions.clone())).await, nobody);
        assert_eq!(trace.spans(), []);
    }
    // By the mode, a sampled single statement has its span and no transaction; a transaction tells.
    let trace = sampled();
    assert_eq!(trace.run(single(transactions.clone())).await, nobody);
    assert_eq!(trace.tree(), "test: SELECT\n");
    let trace = sampled();
    check(&trace, "transaction", &trace.run(in_tx(transactions.clone())).await);
}

#[tokio::test]
async fn a_slow_statement_can_be_seen_with_its_trace() {
    let database = TestDb::new().await;
    let db = connect(&database, Mode::Always, 1).await;
    let others = database.pool().await;
    let mut lock = others.acquire().await.unwrap();
    sqlx::query("select pg_advisory_lock(1)").execute(&mut *lock).await.unwrap();

    let trace = sampled();
    let slow = trace.run(async { sqlx::query("select pg_advisory_lock(1)").execute(&db).await });
    let watch = async {
        let seen: String = eventually("the waiting statement in pg_stat_activity", || async {
            sqlx::query_scalar(
                "select application_name from pg_stat_activity \
                 where datname = current_database() and wait_event = 'advisory'",
            )
            .fetch_optional(&others)
            .await
            .unwrap()
        })
        .await;
        sqlx::query("select pg_advisory_unlock(1)").execute(&mut *lock).await.unwrap();
        seen
    };
    let (done, seen) = tokio::join!(slow, watch);
    done.unwrap();
    assert_eq!(seen, trace.traceparent("SELECT"));
}

/// One thread, eight connections, five hundred traces at once.
#[tokio::test]
async fn interleaved_requests_never_see_each_others_trace() {
    let database = TestDb::new().await;
    let db = connect(&database, Mode::Always, 8).await;
    let request = |n: u32| {
        let (db, trace) = (db.clone(), if n.is_multiple_of(3) { unsampled() } else { sampled() });
        async move {
            let read = sqlx::query_as(WHOSE).fetch_one(&db);
            let transaction = async {
                let mut tx = db.begin().await?;
                let row = sqlx::query_as(WHOSE).fetch_one(&mut tx).await?;
                tx.commit().await?;
                Ok(row)
            };
            let (read, transaction): (Result<Whose, sqlx::Error>, Result<Whose, sqlx::Error>) =
                async { tokio::join!(read, transaction) }.with_context(trace.0.clone()).await;
            (n, trace, read.unwrap(), transaction.unwrap())
        }
    };
    for (n, trace, read, transaction) in join_all((0..500).map(request)).await {
        if n.is_multiple_of(3) {
            assert_eq!((read.0.as_str(), transaction.0.as_str()), NOBODY);
            assert_eq!(trace.spans(), []);
        } else {
            assert_eq!(transaction, (trace.traceparent("transaction"), trace.xray_id()));
            assert_eq!(read.1, trace.xray_id());
            let of_spans: Vec<String> = trace
                .spans()
                .iter()
                .filter(|span| span.name == "SELECT")
                .map(|span| format!("00-{}-{}-01", trace.id(), span.span_context.span_id()))
                .collect();
            assert!(of_spans.contains(&read.0), "{read:?} is none of {of_spans:?}");
        }
    }
}
