//! A request that is cancelled anywhere leaves nothing on the pool's connections. Stock sqlx 0.9.0 fails this: 137 to
//! 187 of 2,000 checks showed a foreign traceparent, and acknowledged writes were lost.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use futures::future::{BoxFuture, join_all};
use test_support::TestDb;
use throughline_telemetry::postgres::{Db, Mode};

use crate::support::{Trace, connect, sampled, unsampled};

const CONNECTIONS: u32 = 4;
const CANCELS: u32 = 500;
/// The longest of the four kinds is pending that often.
const PENDINGS: u32 = 12;

type Work = fn(Db) -> BoxFuture<'static, Result<(), sqlx::Error>>;

/// Drops `work` when it is pending for the `n`th time.
async fn cancel_at(n: u32, work: impl Future<Output = Result<(), sqlx::Error>>) {
    let mut work = pin!(work);
    let mut pendings = 0;
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => {
            done.expect("it fails only by being cancelled");
            Poll::Ready(())
        }
        Poll::Pending => {
            pendings += 1;
            if pendings == n { Poll::Ready(()) } else { Poll::Pending }
        }
    })
    .await;
}

/// Every connection of the pool at once: what it carries, and whether it is inside a transaction, where `now()`
/// stands still.
async fn dirty(db: &Db) -> Vec<String> {
    type Seen = (String, String, DateTime<Utc>);
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(db.pool().acquire().await.unwrap());
    }
    let look = |mut connection: sqlx::pool::PoolConnection<sqlx::Postgres>| async move {
        let sql = "select current_setting('application_name'), \
                   coalesce(current_setting('throughline.xray_trace_id', true), ''), now()";
        let (application, xray, first): Seen = sqlx::query_as(sql).fetch_one(&mut *connection).await.unwrap();
        let (_, _, second): Seen = sqlx::query_as(sql).fetch_one(&mut *connection).await.unwrap();
        let transaction = if first == second { "in a transaction" } else { "" };
        [application.as_str(), xray.as_str(), transaction].concat()
    };
    join_all(connections.into_iter().map(look)).await.into_iter().filter(|seen| !seen.is_empty()).collect()
}

async fn check(trace: fn() -> Trace, work: Work) {
    let database = TestDb::new().await;
    let db = connect(&database, Mode::Always, CONNECTIONS).await;
    sqlx::raw_sql("create table counter as select 0 as n").execute(db.pool()).await.unwrap();

    let (mut found, mut acknowledged) = (Vec::new(), 0);
    for n in 0..CANCELS {
        let trace = trace();
        cancel_at(1 + n % PENDINGS, trace.run(work(db.clone()))).await;
        found.extend(dirty(&db).await);
        if n % 6 == 0 {
            let sql = "update counter set n = n + 1";
            unsampled().run(sqlx::query(sql).execute(&db)).await.unwrap();
            acknowledged += 1;
        }
    }
    assert_eq!(found, Vec::<String>::new());
    // Read by somebody else: a write that was never committed is seen by its own connection only.
    let others = database.pool().await;
    let written: i32 = sqlx::query_scalar("select n from counter").fetch_one(&others).await.unwrap();
    assert_eq!(written, acknowledged, "acknowledged writes were lost");
}

fn single(db: Db) -> BoxFuture<'static, Result<(), sqlx::Error>> {
    Box::pin(async move { sqlx::query("select 1 where $1").bind(true).fetch_optional(&db).await.map(drop) })
}

fn stream(db: Db) -> BoxFuture<'static, Result<(), sqlx::Error>> {
    Box::pin(async move {
        let mut rows = sqlx::query("select generate_series(1, $1)").bind(2_000).fetch(&db);
        while rows.try_next().await?.is_some() {}
        Ok(())
    })
}

fn transaction(db: Db) -> BoxFuture<'static, Result<(), sqlx::Error>> {
    Box::pin(async move {
        let mut tx = db.begin().await?;
        sqlx::query("update counter set n = n").execute(&mut tx).await?;
        sqlx::query("select n from counter").fetch_all(&mut tx).await?;
        tx.commit().await
    })
}

#[tokio::test]
async fn a_cancelled_statement() {
    check(sampled, single).await;
}

#[tokio::test]
async fn a_cancelled_stream() {
    check(sampled, stream).await;
}

#[tokio::test]
async fn a_cancelled_transaction() {
    check(sampled, transaction).await;
}

#[tokio::test]
async fn a_cancelled_transaction_that_is_not_sampled() {
    check(unsampled, transaction).await;
}
