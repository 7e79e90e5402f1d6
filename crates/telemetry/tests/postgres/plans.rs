//! What Postgres says of a statement, below that statement and nowhere else.

use std::collections::HashMap;

use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _};
use opentelemetry::SpanId;
use opentelemetry::trace::SpanKind;
use sqlx::AssertSqlSafe;
use test_support::{TestDb, patience, postgres};
use throughline_telemetry::postgres::{Db, DbConfig, Mode};

use crate::support::{Trace, connect, describe, of_the_server, sampled, told, unsampled};

const TABLES: &str = "
    create table posts (id int primary key, author int, created timestamptz default now(), message text);
    create index posts_author_created on posts (author, created desc);
    insert into posts select n, n % 97, now() - n * interval '1 minute', 'post ' || n from generate_series(1, 5000) n;
    analyze posts;
    create table replies (id int primary key, post int references posts deferrable initially deferred);
";
const FEED: &str = "select id, message from posts where author = $1 order by created desc limit 3";
const BOTH: [Mode; 2] = [Mode::Always, Mode::Transactions];

async fn database(mode: Mode, connections: u32) -> (TestDb, Db) {
    let database = TestDb::new().await;
    let db = connect(&database, mode, connections).await;
    sqlx::raw_sql(TABLES).execute(db.pool()).await.unwrap();
    (database, db)
}

#[tokio::test]
async fn a_statement_goes_on_into_its_plan() {
    for mode in BOTH {
        let (_database, db) = database(mode, 2).await;
        let trace = sampled();
        trace.run(sqlx::query(FEED).bind(8).fetch_all(&db)).await.unwrap();
        insta::allow_duplicates! {
            insta::assert_snapshot!(trace.whole_tree(), @"
            test: SELECT posts
              test: parse
              test: plan
              test: execute
                test: Limit
                  test: Index Scan using posts_author_created on posts
            ");
        }
        let mut spans = trace.all_spans();
        spans.retain(|span| !["parse", "plan"].contains(&&*span.name));
        for pair in spans.windows(2) {
            assert!(
                pair[0].start_time <= pair[1].start_time && pair[1].end_time <= pair[0].end_time,
                "{pair:?}"
            );
        }
        assert_eq!(spans[3].span_kind, SpanKind::Internal);
        let text = describe(&spans[3]);
        for line in [
            "db.system.name: postgresql",
            "postgresql.plan.index: posts_author_created",
            "postgresql.plan.index_cond: (author = ?)",
            "postgresql.plan.rows.actual: 3",
            "throughline.synthetic: true",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}

#[tokio::test]
async fn each_statement_of_a_transaction_has_its_own() {
    for mode in BOTH {
        let (_database, db) = database(mode, 1).await;
        let trace = sampled();
        trace
            .run(async {
                let mut tx = db.begin().await?;
                sqlx::query(FEED).bind(8).fetch_all(&mut tx).await?;
                sqlx::query("insert into replies values (1, 1)").execute(&mut tx).await?;
                sqlx::query("select count(*) from replies").fetch_one(&mut tx).await?;
                tx.commit().await
            })
            .await
            .unwrap();
        insta::allow_duplicates! {
            insta::assert_snapshot!(trace.whole_tree(), @"
            test: transaction
              test: BEGIN
              test: SELECT posts
                test: parse
                test: plan
                test: execute
                  test: Limit
                    test: Index Scan using posts_author_created on posts
              test: INSERT replies
                test: parse
                test: plan
                test: execute
                  test: Insert on replies
                    test: Result
              test: SELECT replies
                test: parse
                test: plan
                test: execute
                  test: Aggregate
                    test: Seq Scan on replies
              test: COMMIT
                test: SELECT posts
                  test: LockRows
                    test: Index Scan using posts_pkey on posts
            ");
        }
    }
}

#[tokio::test]
async fn what_a_function_runs_is_below_its_caller() {
    let (_database, db) = database(Mode::Always, 1).await;
    let function = "create function latest(who int) returns text language plpgsql as $$
        begin return (select message from posts where author = who order by created desc limit 1); end $$";
    sqlx::raw_sql(function).execute(db.pool()).await.unwrap();
    let trace = sampled();
    trace.run(sqlx::query("select latest($1)").bind(3).fetch_one(&db)).await.unwrap();
    insta::assert_snapshot!(trace.whole_tree(), @"
    test: SELECT
      test: parse
      test: plan
      test: execute
        test: Result
          test: SELECT posts
            test: Result
              test: InitPlan 1: Limit
                test: Index Scan using posts_author_created on posts
    ");
}

#[tokio::test]
async fn what_is_not_sampled_asks_for_no_plan() {
    for mode in BOTH {
        let (_database, db) = database(mode, 2).await;
        let trace = unsampled();
        trace.run(sqlx::query(FEED).bind(8).fetch_all(&db)).await.unwrap();
        assert_eq!(trace.all_spans(), []);
        // On the same connections, right after sampled work.
        for trace in [sampled(), unsampled()] {
            let setting = "select current_setting('auto_explain.log_min_duration')";
            let read = async {
                let mut tx = db.begin().await?;
                sqlx::query_scalar::<_, String>(setting).fetch_one(&mut tx).await
            };
            let expect = if trace.0.span_is_sampled() { "0" } else { "-1" };
            assert_eq!(trace.run(read).await.unwrap(), expect);
        }
    }
}

trait Sampled {
    fn span_is_sampled(&self) -> bool;
}

impl Sampled for opentelemetry::Context {
    fn span_is_sampled(&self) -> bool {
        opentelemetry::trace::TraceContextExt::span(self).span_context().is_sampled()
    }
}

/// Ten thousand statements, each with a text of its own, among 32 tasks and 8 connections: some cancelled, some the
/// first in a transaction and cancelled, some streams that are left early. pg-plan calls a plan `execute` only if its
/// text is the statement's.
#[tokio::test]
async fn no_plan_is_taken_for_another_statements() {
    const TASKS: u32 = 32;
    const EACH: u32 = 312;
    for mode in BOTH {
        let database = TestDb::new().await;
        let config = DbConfig {
            mode,
            max_connections: 8,
            traced_connections: 8,
            acquire_timeout: patience(),
            ..DbConfig::new(database.url())
        };
        let db = Db::connect(&config).await.unwrap();
        let task = |task: u32| {
            let db = db.clone();
            async move {
                let mut traces = Vec::new();
                for n in 0..EACH {
                    let trace = if n % 11 == 0 { unsampled() } else { sampled() };
                    trace.run(statement(&db, task * EACH + n)).await;
                    traces.push(trace);
                }
                traces
            }
        };
        let traces: Vec<Trace> = join_all((0..TASKS).map(task)).await.into_iter().flatten().collect();
        let mut of_trace: HashMap<_, Vec<_>> = HashMap::new();
        for span in told().spans() {
            of_trace.entry(span.span_context.trace_id()).or_default().push(span);
        }
        let (mut completed, mut cancelled) = (0, 0);
        for trace in traces {
            let spans = of_trace.remove(&trace.id()).unwrap_or_default();
            let below = |parent: SpanId| spans.iter().filter(move |span| span.parent_span_id == parent);
            for span in spans.iter().filter(|span| span.name == "SELECT") {
                let mut names: Vec<&str> =
                    below(span.span_context.span_id()).map(|span| &*span.name).collect();
                let all = names.len();
                names.retain(|name| !["parse", "plan"].contains(name));
                assert!(all - names.len() <= 2, "{mode:?}: one parse and one plan");
                if span.events.is_empty() {
                    // On a busy machine the traced pool may have had no connection in time.
                    let unasked = mode == Mode::Transactions && names.is_empty();
                    assert!(names == ["execute"] || unasked, "{mode:?} {names:?}");
                    completed += u32::from(!unasked);
                } else {
                    assert!(names.iter().all(|name| *name == "execute"), "{mode:?} {names:?}");
                    cancelled += 1;
                }
            }
            for span in spans.iter().filter(|span| span.name != "SELECT" && !of_the_server(span)) {
                assert_eq!(below(span.span_context.span_id()).filter(|span| of_the_server(span)).count(), 0);
            }
        }
        assert!(completed > 7_000 && cancelled > 1_000, "{completed} completed, {cancelled} cancelled");
    }
}

async fn statement(db: &Db, n: u32) {
    let sql = |what: &str| AssertSqlSafe(format!("select {what}, {n} as n"));
    match n % 13 {
        3 => {
            // Cancelled while it runs.
            let work = sqlx::query(sql("pg_sleep(0.01)")).execute(db);
            let _ = tokio::time::timeout(std::time::Duration::from_millis(3), work).await;
        }
        5 => {
            let mut rows = sqlx::query(sql("generate_series(1, 50)")).fetch(db);
            rows.try_next().await.unwrap();
        }
        7 => {
            let mut tx = db.begin().await.unwrap();
            let work = sqlx::query(sql("pg_sleep(0.005)")).execute(&mut tx);
            let _ = tokio::time::timeout(std::time::Duration::from_millis(2), work).await;
            sqlx::query(sql("'next'")).fetch_all(&mut tx).await.unwrap();
            let mut rows = sqlx::query(sql("generate_series(1, 50)")).fetch(&mut tx);
            rows.next().await.unwrap().unwrap();
            drop(rows);
            sqlx::query(sql("'last'")).fetch_one(&mut tx).await.unwrap();
            tx.commit().await.unwrap();
        }
        _ => drop(sqlx::query(sql("$1")).bind("text").fetch_one(db).await.unwrap()),
    }
}

/// A prepared statement has a custom plan five times and then maybe a generic one; each run brings its own.
#[tokio::test]
async fn a_prepared_statement_brings_a_plan_each_time() {
    for mode in BOTH {
        let (_database, db) = database(mode, 1).await;
        for n in 0..8 {
            let trace = sampled();
            trace.run(sqlx::query(FEED).bind(n).fetch_all(&db)).await.unwrap();
            let tree = trace.whole_tree();
            assert_eq!(tree.matches("execute").count(), 1, "{tree}");
            assert!(tree.contains("Index Scan using posts_author_created"), "{tree}");
        }
        let prepared: i64 =
            sqlx::query_scalar("select count(*) from pg_prepared_statements where statement = $1")
                .bind(FEED)
                .fetch_one(db.pool())
                .await
                .unwrap();
        assert_eq!(prepared, i64::from(mode == Mode::Always));
    }
}

/// A role of its own, since a grant is not of one database.
async fn role(name: &str) -> (String, sqlx::PgConnection) {
    let url = postgres().await.bootstrap_one(name, name).await.unwrap();
    let superuser = sqlx::ConnectOptions::connect(&postgres().await.superuser(name)).await.unwrap();
    (url, superuser)
}

/// With `sql` done by the superuser: one warning that says what to do, the same answers, and no plan.
async fn without_plans(name: &str, sql: &str, warning: &str) {
    told();
    let (url, mut superuser) = role(name).await;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut superuser).await.unwrap();
    for mode in BOTH {
        let before = told().lines("\"level\":\"WARN\"").iter().filter(|line| line.contains(warning)).count();
        let db = Db::connect(&DbConfig { mode, ..DbConfig::new(url.as_str()) }).await.unwrap();
        let trace = sampled();
        let work = async {
            let one: i32 = sqlx::query_scalar("select 1").fetch_one(&db).await?;
            let mut tx = db.begin().await?;
            let two: i32 = sqlx::query_scalar("select 2").fetch_one(&mut tx).await?;
            tx.commit().await?;
            Ok::<_, sqlx::Error>((one, two))
        };
        assert_eq!(trace.run(work).await.unwrap(), (1, 2));
        assert_eq!(trace.all_spans(), trace.spans());
        let warnings = told().lines("\"level\":\"WARN\"");
        let warnings: Vec<_> = warnings.iter().filter(|line| line.contains(warning)).collect();
        assert_eq!(warnings.len(), before + 1, "{warnings:#?}");
    }
}

#[tokio::test]
async fn without_auto_explain_a_trace_ends_at_its_query() {
    let sql = "alter database no_library reset session_preload_libraries";
    without_plans("no_library", sql, "auto_explain is not loaded; a superuser runs").await;
}

#[tokio::test]
async fn without_the_grant_a_trace_ends_at_its_query() {
    let sql = "revoke set on parameter auto_explain.log_min_duration from no_grant";
    let remedy = "grant set on parameter auto_explain.log_min_duration to no_grant";
    without_plans("no_grant", sql, remedy).await;
}

#[tokio::test]
async fn plans_that_cannot_be_read_are_not_asked_for() {
    let sql = "alter database as_text set auto_explain.log_format = 'text'";
    without_plans("as_text", sql, "auto_explain.log_format is not json").await;
}

#[tokio::test]
async fn a_grant_that_is_taken_back_later_costs_the_plans_and_no_statement() {
    let (url, mut superuser) = role("taken_back").await;
    for mode in BOTH {
        let grant = "grant set on parameter auto_explain.log_min_duration to taken_back";
        sqlx::raw_sql(grant).execute(&mut superuser).await.unwrap();
        let db =
            Db::connect(&DbConfig { mode, max_connections: 1, ..DbConfig::new(url.as_str()) }).await.unwrap();
        let revoke = "revoke set on parameter auto_explain.log_min_duration from taken_back";
        sqlx::raw_sql(revoke).execute(&mut superuser).await.unwrap();
        let trace = sampled();
        let work = async {
            let one: i32 = sqlx::query_scalar("select 1").fetch_one(&db).await?;
            let mut tx = db.begin().await?;
            let two: i32 = sqlx::query_scalar("select 2").fetch_one(&mut tx).await?;
            tx.commit().await?;
            Ok::<_, sqlx::Error>((one, two))
        };
        assert_eq!(trace.run(work).await.unwrap(), (1, 2));
        assert_eq!(trace.whole_tree().matches("execute").count(), mode as usize, "{}", trace.whole_tree());
    }
}

/// In parameters, rows, texts, notices and errors.
#[tokio::test]
async fn secrets_are_in_no_span_and_no_line() {
    const SECRET: &str = "canary-90c1f7";
    const NUMBER: i32 = 77_331_199;
    for mode in BOTH {
        let (_database, db) = database(mode, 2).await;
        let trace = sampled();
        let work = async {
            let insert = "insert into posts (id, author, message) values ($1, 1, $2)";
            sqlx::query(insert).bind(NUMBER).bind(SECRET).execute(&db).await?;
            let read =
                format!("select * from posts where message = '{SECRET}' or id = {NUMBER} or message = $1");
            sqlx::query(AssertSqlSafe(read)).bind(SECRET).fetch_all(&db).await?;
            let notice =
                format!("do $$ begin raise notice 'duration: {SECRET}'; raise warning '{SECRET}'; end $$");
            sqlx::query(AssertSqlSafe(notice)).execute(&db).await?;
            // The server quotes what it could not read, and its DETAIL names the key that is there already.
            for refused in ["select $1::int", "select $1::text::uuid", "select $1::date"] {
                let refused = sqlx::query(refused).bind(SECRET);
                refused.execute(&db).await.unwrap_err();
            }
            let syntax = format!("select 1 1 '{SECRET}'; select '{SECRET}' '{SECRET}'");
            sqlx::query(AssertSqlSafe(syntax)).execute(&db).await.unwrap_err();
            sqlx::query(insert).bind(NUMBER).bind(SECRET).execute(&db).await.unwrap_err();
            let mut tx = db.begin().await?;
            sqlx::query("select * from posts where id = $1 and message like $2 || '%'")
                .bind(NUMBER)
                .bind(SECRET)
                .fetch_all(&mut tx)
                .await?;
            tx.commit().await
        };
        trace.run(work).await.unwrap();
        assert!(trace.all_spans().len() > 10, "{}", trace.whole_tree());
        for span in trace.all_spans() {
            let text = format!("{span:?}");
            assert!(!text.contains(SECRET) && !text.contains(&NUMBER.to_string()), "{text}");
        }
    }
    assert_eq!(told().lines(SECRET), Vec::<String>::new());
    assert_eq!(told().lines(&NUMBER.to_string()), Vec::<String>::new());
}

#[tokio::test]
async fn below_a_span_of_the_callers() {
    use tracing::Instrument as _;
    let (_database, db) = database(Mode::Always, 1).await;
    let trace = sampled();
    let work = async {
        async { sqlx::query(FEED).bind(8).fetch_all(&db).await.unwrap() }
            .instrument(tracing::info_span!("feed"))
            .await
    };
    trace.run(work).await;
    insta::assert_snapshot!(trace.whole_tree(), @"
    test: feed
      test: SELECT posts
        test: parse
        test: plan
        test: execute
          test: Limit
            test: Index Scan using posts_author_created on posts
    ");
}
