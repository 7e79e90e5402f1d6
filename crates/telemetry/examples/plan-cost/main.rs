//! What it costs to hear of Postgres: `tests/bench/plans` runs this and says what the columns mean.
//!
//! All variants take turns in one process against one server, so that noise hits all of them.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and stops when something is off"
)]

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use dev_postgres::{Options, Server};
use env::Env;
use futures::future::join_all;
use opentelemetry::Context;
use opentelemetry::trace::{
    FutureExt as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use telemetry::Config;
use telemetry::postgres::{Db, DbConfig, Mode};
use throughline_telemetry as telemetry;

const TABLES: &str = include_str!("../../../activities/migrations/0001_posts.sql");
const ROWS: &str = "
    insert into posts (uuid, user_uuid, message, reply_to, created_at)
    select md5('p' || n)::uuid, md5('u' || n % 100)::uuid, 'post ' || n, null, timestamptz '2026-01-01' + n * interval '1 s'
    from generate_series(1, 10000) n;
    insert into posts (uuid, user_uuid, message, reply_to, created_at)
    select md5('r' || n)::uuid, md5('u' || n % 89)::uuid, 'reply ' || n, md5('p' || n % 10000 + 1)::uuid, timestamptz '2026-02-01'
    from generate_series(1, 20000) n;
    analyze posts";
const PRIMARY_KEY: &str = "select message from posts where uuid = $1";
const FEED: &str = include_str!("../../../activities/sql/user_feed.sql");
/// `/proc` counts in these, on every Linux that we know.
const TICKS_PER_SECOND: f64 = 100.0;

/// One in how many is sampled; none is "off".
const SHARES: [Option<u64>; 4] = [None, Some(100), Some(10), Some(1)];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Query {
    PrimaryKey,
    Feed,
}

#[derive(Clone, Copy, Default)]
struct Measured {
    p50: f64,
    per_second: f64,
    /// Of the server, per query.
    server_cpu: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let argument =
        |n: usize, default: u64| std::env::args().nth(n).map_or(default, |text| text.parse().unwrap());
    let (rounds, millis) = (argument(1, 7), argument(2, 700));
    let guard = telemetry::init(
        Config::from_env(
            "plan-cost",
            &Env::from_pairs([("OTEL_TRACES_EXPORTER", "none"), ("RUST_LOG", "warn")]),
        )
        .unwrap(),
    )
    .unwrap();
    let server = Server::start(Options::ephemeral()).await.unwrap();
    let url = server.bootstrap_one("posts", "posts").await.unwrap();

    println!(
        "{:<12} {:>5} {:<13} {:>7} {:>9} {:>9} {:>9}",
        "query", "tasks", "mode", "sampled", "p50", "per s", "server CPU"
    );
    let mut seeded = false;
    for tasks in [1, 4] {
        let open = |mode| {
            let config = DbConfig {
                mode,
                max_connections: tasks,
                traced_connections: tasks,
                ..DbConfig::new(url.as_str())
            };
            async move { Db::connect(&config).await.unwrap() }
        };
        let databases =
            [(Mode::Transactions, open(Mode::Transactions).await), (Mode::Always, open(Mode::Always).await)];
        if !std::mem::replace(&mut seeded, true) {
            for sql in [TABLES, ROWS] {
                sqlx::raw_sql(sql).execute(databases[0].1.pool()).await.unwrap();
            }
        }
        let keys: Vec<uuid::Uuid> = sqlx::query_scalar("select uuid from posts limit 1000")
            .fetch_all(databases[0].1.pool())
            .await
            .unwrap();
        for query in [Query::PrimaryKey, Query::Feed] {
            let mut all: BTreeMap<(usize, usize), Vec<Measured>> = BTreeMap::new();
            for round in 0..=rounds {
                for (mode, (_, db)) in databases.iter().enumerate() {
                    for (share, one_in) in SHARES.into_iter().enumerate() {
                        let measured = measure(
                            db,
                            query,
                            &keys,
                            tasks,
                            one_in,
                            Duration::from_millis(millis),
                            server.pid(),
                        )
                        .await;
                        // The first fills the caches.
                        if round > 0 {
                            all.entry((mode, share)).or_default().push(measured);
                        }
                    }
                }
            }
            for ((mode, share), measured) in &all {
                let off = &all[&(*mode, 0)];
                let ratio = |of: fn(&Measured) -> f64| {
                    median(measured.iter().zip(off).map(|(this, off)| of(this) / of(off)).collect())
                };
                let absolute = |of: fn(&Measured) -> f64| median(measured.iter().map(of).collect());
                let name = if query == Query::Feed { "feed" } else { "primary key" };
                let percent = SHARES[*share].map_or(0.0, |one_in| 100.0 / one_in as f64);
                let mode = format!("{:?}", databases[*mode].0).to_lowercase();
                if percent == 0.0 {
                    println!(
                        "{name:<12} {tasks:>5} {mode:<13} {:>7} {:>6.0} us {:>9.0} {:>6.0} us",
                        "off",
                        absolute(|m| m.p50) * 1e6,
                        absolute(|m| m.per_second),
                        absolute(|m| m.server_cpu) * 1e6,
                    );
                } else {
                    println!(
                        "{name:<12} {tasks:>5} {mode:<13} {percent:>5} % {:>9.2} {:>9.2} {:>9.2}",
                        ratio(|m| m.p50),
                        ratio(|m| m.per_second),
                        ratio(|m| m.server_cpu),
                    );
                }
            }
        }
    }
    guard.flush(Duration::from_secs(10));
    println!("plans: {}", telemetry::delivery_report()["plans"]);
    server.stop().await;
}

async fn measure(
    db: &Db,
    query: Query,
    keys: &[uuid::Uuid],
    tasks: u32,
    one_in: Option<u64>,
    time: Duration,
    postmaster: u32,
) -> Measured {
    let (start, cpu) = (Instant::now(), server_seconds(postmaster));
    let task = |task: u32| async move {
        let mut latencies = Vec::new();
        let mut n = u64::from(task) * 7;
        while start.elapsed() < time {
            n += 1;
            let sampled = one_in.is_some_and(|one_in| n.is_multiple_of(one_in));
            let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
            let parent = SpanContext::new(
                TraceId::from(u128::from(n) << 64 | 1),
                SpanId::from(n),
                flags,
                true,
                TraceState::NONE,
            );
            let cx = Context::new().with_remote_span_context(parent);
            let began = Instant::now();
            run(db, query, keys[n as usize % keys.len()]).with_context(cx).await.unwrap();
            latencies.push(began.elapsed().as_secs_f64());
        }
        latencies
    };
    let latencies: Vec<f64> = join_all((0..tasks).map(task)).await.into_iter().flatten().collect();
    let (count, took) = (latencies.len() as f64, start.elapsed().as_secs_f64());
    let server_cpu = (server_seconds(postmaster) - cpu) / count;
    Measured { p50: median(latencies), per_second: count / took, server_cpu }
}

async fn run(db: &Db, query: Query, key: uuid::Uuid) -> Result<(), sqlx::Error> {
    match query {
        Query::PrimaryKey => sqlx::query(PRIMARY_KEY).bind(key).fetch_one(db).await.map(drop),
        Query::Feed => {
            let now = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(30_000);
            // md5('u5')
            let user = uuid::Uuid::from_u128(0x4d0a_87b6_3b72_90cd_6440_4e2d_8098_dee1);
            let feed = sqlx::query(FEED).bind(now).bind(now).bind(uuid::Uuid::max()).bind(21_i64).bind(user);
            feed.fetch_all(db).await.map(drop)
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// User and kernel time of the postmaster's children.
fn server_seconds(postmaster: u32) -> f64 {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name, in parentheses, may hold anything.
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = fields.split(' ').collect();
        if fields[1] == postmaster.to_string() {
            ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
    }
    ticks as f64 / TICKS_PER_SECOND
}
