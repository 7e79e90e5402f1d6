//! Sampling changes what is known of the work, never its outcome.

use std::time::Duration;

use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use test_support::{TestDb, postgres};
use throughline_telemetry::postgres::{Db, DbConfig, Mode};

use crate::support::{connect, sampled, unsampled};

const TABLES: &str = "
    create table parent (id int primary key);
    create table child (id int primary key, parent int references parent deferrable initially deferred);
    insert into parent values (1), (2), (3);
";

type Case = (&'static str, fn(&Db) -> BoxFuture<'_, Result<String, sqlx::Error>>);

const CASES: &[Case] = &[
    ("no row", |db| {
        Box::pin(async move { sqlx::query_scalar("select 'x' where false").fetch_one(db).await })
    }),
    ("a row or none", |db| {
        Box::pin(async move {
            let row: Option<i32> = sqlx::query_scalar("select 1 where false").fetch_optional(db).await?;
            Ok(format!("{row:?}"))
        })
    }),
    ("a duplicate", |db| Box::pin(execute(db, "insert into parent values (1)"))),
    ("a column that is not there", |db| Box::pin(execute(db, "select nothing from parent"))),
    ("a division by zero", |db| Box::pin(execute(db, "select 1 / (id - 1) from parent"))),
    ("no number", |db| Box::pin(execute(db, "select 'x'::text::int"))),
    ("a check at COMMIT", |db| Box::pin(execute(db, "insert into child values (1, 99)"))),
    ("too slow", |db| Box::pin(execute(db, "select pg_sleep(60)"))),
    ("three written", |db| Box::pin(execute(db, "update parent set id = id"))),
    ("several statements", |db| {
        Box::pin(async move {
            let done =
                sqlx::raw_sql("insert into child values (2, 1); delete from child").execute(db).await?;
            Ok(done.rows_affected().to_string())
        })
    }),
    ("the second of several fails", |db| {
        Box::pin(async move {
            let sql = "insert into child values (3, 1); select 1 / 0";
            let error = told(sqlx::raw_sql(sql).execute(db).await.map(|_| String::new()));
            let rows: i64 = sqlx::query_scalar("select count(*) from child").fetch_one(db).await?;
            Ok(format!("{error}, {rows} rows"))
        })
    }),
    ("a statement that is not kept", |db| {
        Box::pin(async move {
            let row = sqlx::query("select $1::int + 1").persistent(false).bind(41).fetch_one(db).await?;
            Ok(row.get::<i32, _>(0).to_string())
        })
    }),
    ("a stream that is left early", |db| {
        Box::pin(async move {
            let mut rows = sqlx::query_scalar("select generate_series(1, 1000)").fetch(db);
            let first: Option<i32> = rows.try_next().await?;
            drop(rows);
            let next: i32 = sqlx::query_scalar("select 7").fetch_one(db).await?;
            Ok(format!("{first:?} {next}"))
        })
    }),
    ("a transaction after an error", |db| {
        Box::pin(async move {
            let mut tx = db.begin().await?;
            let _ = sqlx::query("select 1 / 0").execute(&mut tx).await;
            sqlx::query_scalar("select 'x'").fetch_one(&mut tx).await
        })
    }),
    ("a transaction that is dropped", |db| {
        Box::pin(async move {
            let mut tx = db.begin().await?;
            sqlx::query("delete from child; ").execute(&mut tx).await?;
            sqlx::query("insert into parent values (9)").execute(&mut tx).await?;
            drop(tx);
            let rows: i64 = sqlx::query_scalar("select count(*) from parent").fetch_one(db).await?;
            Ok(rows.to_string())
        })
    }),
    ("a transaction that is rolled back", |db| {
        Box::pin(async move {
            let mut tx = db.begin().await?;
            sqlx::query("insert into parent values (9)").execute(&mut tx).await?;
            tx.rollback().await?;
            let rows: i64 = sqlx::query_scalar("select count(*) from parent").fetch_one(db).await?;
            Ok(rows.to_string())
        })
    }),
    ("a check at the COMMIT of a transaction", |db| {
        Box::pin(async move {
            let mut tx = db.begin().await?;
            sqlx::query("insert into child values (4, 99)").execute(&mut tx).await?;
            tx.commit().await?;
            Ok(String::new())
        })
    }),
    ("a connection that is cut", |db| Box::pin(execute(db, "select pg_terminate_backend(pg_backend_pid())"))),
    ("and the next", |db| Box::pin(execute(db, "select id from parent"))),
];

async fn execute(db: &Db, sql: &'static str) -> Result<String, sqlx::Error> {
    sqlx::query(sql).execute(db).await.map(|done| done.rows_affected().to_string())
}

fn told(outcome: Result<String, sqlx::Error>) -> String {
    outcome.unwrap_or_else(|error| match error.as_database_error() {
        Some(told) => format!("{} {}", told.code().unwrap_or_default(), told.message()),
        None => error.to_string(),
    })
}

#[tokio::test]
async fn values_and_errors_are_the_same() {
    let mut outcomes = Vec::new();
    for (trace, mode) in [
        (unsampled(), Mode::Always),
        (sampled(), Mode::Always),
        (sampled(), Mode::Transactions),
        (unsampled(), Mode::Transactions),
    ] {
        let database = TestDb::new().await;
        let db = Db::connect(&DbConfig {
            mode,
            max_connections: 1,
            // Longer than any other of these takes on a busy machine.
            statement_timeout: Duration::from_secs(1),
            ..DbConfig::new(database.url())
        })
        .await
        .unwrap();
        sqlx::raw_sql(TABLES).execute(db.pool()).await.unwrap();
        let mut told_here = Vec::new();
        for (name, case) in CASES {
            told_here.push(format!("{name}: {}", told(trace.run(case(&db)).await)));
        }
        outcomes.push(told_here);
    }
    insta::assert_snapshot!(outcomes[0].join("\n"), @r#"
    no row: no rows returned by a query that expected to return at least one row
    a row or none: None
    a duplicate: 23505 duplicate key value violates unique constraint "parent_pkey"
    a column that is not there: 42703 column "nothing" does not exist
    a division by zero: 22012 division by zero
    no number: 22P02 invalid input syntax for type integer: "x"
    a check at COMMIT: 23503 insert or update on table "child" violates foreign key constraint "child_parent_fkey"
    too slow: 57014 canceling statement due to statement timeout
    three written: 3
    several statements: 2
    the second of several fails: 22012 division by zero, 0 rows
    a statement that is not kept: 42
    a stream that is left early: Some(1) 7
    a transaction after an error: 25P02 current transaction is aborted, commands ignored until end of transaction block
    a transaction that is dropped: 3
    a transaction that is rolled back: 3
    a check at the COMMIT of a transaction: 23503 insert or update on table "child" violates foreign key constraint "child_parent_fkey"
    a connection that is cut: 57P01 terminating connection due to administrator command
    and the next: 3
    "#);
    for other in &outcomes[1..] {
        assert_eq!(other, &outcomes[0]);
    }
}

/// The server's own log of one database: what really went over the wire.
#[tokio::test]
async fn unsampled_work_pays_nothing_and_sampled_work_two_messages() {
    let database = TestDb::new().await;
    let mut superuser = database.superuser().await;
    let set = |setting| format!("alter database {} set {setting};", database.name());
    let set = [set("log_statement = 'all'"), set("log_min_messages = 'warning'")].concat();
    sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut superuser).await.unwrap();
    superuser.close().await.unwrap();

    let (always, transactions) =
        (connect(&database, Mode::Always, 1).await, connect(&database, Mode::Transactions, 1).await);
    let work = |db: Db, mark: &'static str| async move {
        let single = format!("select '{mark} single'");
        sqlx::query(AssertSqlSafe(single)).execute(&db).await?;
        let mut tx = db.begin().await?;
        let inside = format!("select '{mark} in tx'");
        sqlx::query(AssertSqlSafe(inside)).execute(&mut tx).await?;
        tx.commit().await
    };
    unsampled().run(work(always.clone(), "unsampled")).await.unwrap();
    sampled().run(work(always, "always")).await.unwrap();
    sampled().run(work(transactions, "transactions")).await.unwrap();

    let log = std::fs::read_to_string(postgres().await.home().join("postgres.log")).unwrap();
    let lines: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("LOG:  ").map(|(_, statement)| statement))
        .filter(|line| !line.starts_with("duration: "))
        .filter_map(|line| line.split_once(": ").map(|(_, sql)| sql))
        .skip_while(|sql| !sql.contains("unsampled single"))
        // Once, when a connection of the traced pool opens.
        .filter(|sql| !sql.starts_with("set "))
        .collect();
    // The ids differ from run to run.
    let text = lines
        .join("\n")
        .split('\'')
        .map(|piece| match piece {
            id if id.starts_with("00-") => "TRACEPARENT",
            id if id.starts_with("1-") => "XRAY",
            other => other,
        })
        .collect::<Vec<_>>()
        .join("'");
    insta::assert_snapshot!(text, @"
    select 'unsampled single'
    BEGIN
    select 'unsampled in tx'
    COMMIT
    BEGIN; SET LOCAL application_name='TRACEPARENT'; SET LOCAL throughline.xray_trace_id='XRAY'; SET LOCAL auto_explain.log_min_duration=0; SET LOCAL client_min_messages=log; SET LOCAL log_min_duration_statement=0
    select 'always single'
    COMMIT
    BEGIN; SET LOCAL application_name='TRACEPARENT'; SET LOCAL throughline.xray_trace_id='XRAY'; SET LOCAL auto_explain.log_min_duration=0; SET LOCAL client_min_messages=log; SET LOCAL log_min_duration_statement=0
    select 'always in tx'
    COMMIT
    select 'transactions single'
    BEGIN; SET LOCAL application_name='TRACEPARENT'; SET LOCAL throughline.xray_trace_id='XRAY'; SET LOCAL auto_explain.log_min_duration=0; SET LOCAL client_min_messages=log; SET LOCAL log_min_duration_statement=0
    select 'transactions in tx'
    COMMIT
    ");
}
