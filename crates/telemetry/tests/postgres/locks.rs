//! A wait for a lock says which trace held it.

use std::fmt::Write as _;

use opentelemetry_sdk::trace::SpanData;
use test_support::{TestDb, eventually};
use throughline_telemetry::postgres::{Db, Mode, Tx};

use crate::support::{Trace, connect, sampled, unsampled};

async fn database() -> (TestDb, Db) {
    database_in(Mode::Always).await
}

async fn database_in(mode: Mode) -> (TestDb, Db) {
    let database = TestDb::new().await;
    let db = connect(&database, mode, 4).await;
    sqlx::raw_sql("create table accounts as select id, 0 as amount from generate_series(1, 2) id")
        .execute(db.pool())
        .await
        .unwrap();
    (database, db)
}

async fn add(tx: &mut Tx, id: i32) -> Result<(), sqlx::Error> {
    sqlx::query("update accounts set amount = amount + 1 where id = $1").bind(id).execute(tx).await.map(drop)
}

/// Until somebody has waited so long that it was asked who is in the way, and the answer is there.
async fn asked(db: &Db) {
    // In two pieces, since this text is in pg_stat_activity as well.
    let sql = "select from pg_stat_activity as asker, pg_stat_activity as waiter
        where asker.datname = current_database() and asker.query like '%pg_blocking' || '_pids%'
            and waiter.datname = current_database() and waiter.wait_event_type = 'Lock'
            and asker.state = 'idle' and asker.query_start > waiter.query_start + interval '90 ms'
            and asker.state_change < clock_timestamp() - interval '50 ms'";
    eventually("the question who holds the lock", || async {
        sqlx::query(sql).fetch_optional(db.pool()).await.unwrap()
    })
    .await;
}

/// What a span says of the lock, with names for the ids of `traces`.
fn told(span: &SpanData, traces: &[(&str, &Trace)]) -> String {
    let mut text = String::new();
    for attribute in
        span.attributes.iter().filter(|attribute| attribute.key.as_str().starts_with("postgresql.lock"))
    {
        let value = match attribute.key.as_str() {
            "postgresql.lock.holder.pid" => "PID".to_owned(),
            _ => attribute.value.to_string(),
        };
        let _ = writeln!(text, "{}: {value}", attribute.key);
    }
    for link in span.links.iter() {
        let _ = writeln!(
            text,
            "link to {} {:?}",
            link.span_context.trace_id(),
            link.attributes[0].value.as_str()
        );
    }
    for event in span.events.iter().filter(|event| event.name != "exception") {
        let _ = writeln!(
            text,
            "event {} {:?}",
            event.name,
            event.attributes.iter().map(|a| a.value.to_string()).collect::<Vec<_>>()
        );
    }
    for (name, trace) in traces {
        text = text
            .replace(&trace.traceparent("transaction"), &format!("TRANSACTION OF {name}"))
            .replace(&trace.id().to_string(), name);
    }
    text
}

fn update(trace: &Trace, nth: usize) -> SpanData {
    trace.spans().into_iter().filter(|span| span.name == "UPDATE accounts").nth(nth).unwrap()
}

#[tokio::test]
async fn the_span_that_waited_names_the_trace_that_held_the_lock() {
    for mode in [Mode::Always, Mode::Transactions] {
        waits(mode).await;
    }
}

async fn waits(mode: Mode) {
    let (_database, db) = database_in(mode).await;
    let (holder, waiter) = (sampled(), sampled());
    let mut held = holder.run(db.begin()).await.unwrap();
    holder.run(add(&mut held, 1)).await.unwrap();
    let release = async {
        asked(&db).await;
        holder.run(held.commit()).await
    };
    let wait = waiter.run(sqlx::query("update accounts set amount = 0 where id = 1").execute(&db));
    let (waited, released) = tokio::join!(wait, release);
    waited.unwrap();
    released.unwrap();
    insta::allow_duplicates! {
        insta::assert_snapshot!(told(&update(&waiter, 0), &[("HOLDER", &holder)]), @r#"
        postgresql.lock.object: transaction
        postgresql.lock.holder.pid: PID
        postgresql.lock.holder.state: idle in transaction
        postgresql.lock.holder.traceparent: TRANSACTION OF HOLDER
        link to HOLDER "lock holder"
        "#);
    }
    assert_eq!(told(&update(&holder, 0), &[]), "", "who did not wait");
}

#[tokio::test]
async fn a_holder_that_nobody_traces_is_told_by_its_session() {
    let (_database, db) = database().await;
    let (holder, waiter) = (unsampled(), sampled());
    let mut held = holder.run(db.begin()).await.unwrap();
    holder.run(add(&mut held, 1)).await.unwrap();
    let release = async {
        asked(&db).await;
        held.commit().await
    };
    let wait = waiter.run(async {
        let mut tx = db.begin().await?;
        add(&mut tx, 1).await?;
        tx.commit().await
    });
    let (waited, released) = tokio::join!(wait, release);
    waited.unwrap();
    released.unwrap();
    insta::assert_snapshot!(told(&update(&waiter, 0), &[]), @"
    postgresql.lock.object: transaction
    postgresql.lock.holder.pid: PID
    postgresql.lock.holder.state: idle in transaction
    ");
}

#[tokio::test]
async fn a_deadlock_names_the_other_trace() {
    let (_database, db) = database().await;
    let (one, other) = (sampled(), sampled());
    let (mut first, mut second) = (one.run(db.begin()).await.unwrap(), other.run(db.begin()).await.unwrap());
    one.run(add(&mut first, 1)).await.unwrap();
    other.run(add(&mut second, 2)).await.unwrap();
    let (a, b) = tokio::join!(
        one.run(async {
            let done = add(&mut first, 2).await;
            first.commit().await.and(done)
        }),
        other.run(async {
            let done = add(&mut second, 1).await;
            second.commit().await.and(done)
        })
    );
    assert!(a.is_err() != b.is_err(), "one of them is the victim: {a:?} {b:?}");
    let (victim, peer) = if a.is_err() { (&one, &other) } else { (&other, &one) };
    insta::assert_snapshot!(told(&update(victim, 1), &[("PEER", peer)]), @r#"
    postgresql.lock.object: transaction
    postgresql.lock.holder.pid: PID
    postgresql.lock.holder.state: active
    postgresql.lock.holder.traceparent: TRANSACTION OF PEER
    link to PEER "lock holder"
    event deadlock ["TRANSACTION OF PEER"]
    "#);
}

#[tokio::test]
async fn a_serialization_failure_names_the_other_trace() {
    let (_database, db) = database().await;
    let (first, second) = (sampled(), sampled());
    let mut held = first.run(db.begin()).await.unwrap();
    first.run(add(&mut held, 1)).await.unwrap();
    let lose = second.run(async {
        let mut tx = db.begin().await?;
        sqlx::query("set transaction isolation level repeatable read").execute(&mut tx).await?;
        add(&mut tx, 1).await?;
        tx.commit().await
    });
    let release = async {
        asked(&db).await;
        first.run(held.commit()).await
    };
    let (lost, released) = tokio::join!(lose, release);
    released.unwrap();
    lost.unwrap_err();
    insta::assert_snapshot!(told(&update(&second, 0), &[("PEER", &first)]), @r#"
    postgresql.lock.object: transaction
    postgresql.lock.holder.pid: PID
    postgresql.lock.holder.state: idle in transaction
    postgresql.lock.holder.traceparent: TRANSACTION OF PEER
    link to PEER "lock holder"
    event serialization failure ["TRANSACTION OF PEER"]
    "#);
}
