//! A Postgres that goes away and comes back.

use std::time::{Duration, Instant};

use dev_postgres::{Options, Server};
use sqlx::Connection as _;
use test_support::{TestDb, eventually, free_port, patience};
use throughline_telemetry::postgres::{Db, DbConfig, Mode};

use crate::support::{connect, sampled};

#[tokio::test]
async fn statements_fail_in_bounded_time_and_work_again_without_a_restart() {
    let options = Options { port: Some(free_port()), ephemeral: false, ..Options::ephemeral() };
    let server = Server::start(options.clone()).await.unwrap();
    let url = server.bootstrap_one("app", "app").await.unwrap();
    let acquire_timeout = Duration::from_millis(500);
    let config = DbConfig { acquire_timeout, mode: Mode::Always, ..DbConfig::new(url) };
    let db = Db::connect(&config).await.unwrap();
    let ask = || async { sampled().run(sqlx::query_scalar::<_, i32>("select 1").fetch_one(&db)).await };
    assert_eq!(ask().await.unwrap(), 1);
    let mut tx = db.begin().await.unwrap();

    server.stop().await;
    sqlx::query("select 1").execute(&mut tx).await.unwrap_err();
    drop(tx);
    for _ in 0..3 {
        let start = Instant::now();
        ask().await.unwrap_err();
        assert!(start.elapsed() < patience(), "{:?}", start.elapsed());
    }

    let server = Server::start(options.clone()).await.unwrap();
    eventually("an answer", || async { ask().await.ok() }).await;
    server.stop().await;
    std::fs::remove_dir_all(options.home).unwrap();
}

/// BEGIN is the first that such a connection hears, and another takes its place.
#[tokio::test]
async fn a_connection_that_died_while_it_was_idle_costs_no_statement() {
    let database = TestDb::new().await;
    for mode in [Mode::Always, Mode::Transactions] {
        let db = connect(&database, mode, 3).await;
        let mut superuser = database.superuser().await;
        for _ in 0..5 {
            let held = [db.begin().await.unwrap(), db.begin().await.unwrap(), db.begin().await.unwrap()];
            for tx in held {
                tx.commit().await.unwrap();
            }
            eventually("three idle connections", || async { (db.pool().num_idle() == 3).then_some(()) })
                .await;
            let ended: Vec<bool> = sqlx::query_scalar(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity \
                 where datname = $1 and backend_type = 'client backend' and pid <> pg_backend_pid()",
            )
            .bind(database.name())
            .fetch_all(&mut superuser)
            .await
            .unwrap();
            assert!(ended.len() >= 3 && ended.iter().all(|ended| *ended), "{ended:?}");

            let one = sampled().run(sqlx::query_scalar::<_, i32>("select 1").fetch_one(&db)).await;
            assert_eq!(one.unwrap(), 1);
            let transaction = async {
                let mut tx = db.begin().await?;
                sqlx::query("select 1").execute(&mut tx).await?;
                tx.commit().await
            };
            sampled().run(transaction).await.unwrap();
        }
        superuser.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_start_without_a_server_says_why() {
    let acquire_timeout = Duration::from_millis(200);
    let url = format!("postgres://app:secret@127.0.0.1:{}/app", free_port());
    let error = Db::connect(&DbConfig { acquire_timeout, ..DbConfig::new(url) }).await.unwrap_err();
    assert!(error.to_string().contains("Connection refused"), "{error}");
}
