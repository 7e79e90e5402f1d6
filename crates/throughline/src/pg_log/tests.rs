//! Files as a server writes them, and a real server.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use dev_postgres::{Options, Server};
use pg_plan::keys;
use pg_plan::log::LogSpan;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use test_support::eventually;

use super::tail::{Line, Place, Tail};
use super::{Config, Reader};

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("throughline-pg-log-{:016x}", rand::random::<u64>()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.0.join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn lines(tail: &mut Tail) -> Vec<String> {
    let mut lines = Vec::new();
    let mut keep = |line: Line<'_>| {
        lines.push(match line {
            Line::Whole(line) => line.to_owned(),
            Line::TooLong => "too long".to_owned(),
        });
    };
    while tail.read(&mut keep).unwrap() {}
    lines
}

fn from_start(folder: &Path) -> Tail {
    Tail::open(folder, None, true, None).unwrap()
}

#[test]
fn only_whole_lines_in_the_order_of_the_names() {
    let folder = Folder::new();
    folder.append("2.json", "three\nfo");
    folder.append("1.json", "one\ntwo\n");
    folder.append("1.log", "of the other kind\n");
    let mut tail = from_start(&folder.0);
    assert_eq!(lines(&mut tail), ["one", "two", "three"]);
    assert!(lines(&mut tail).is_empty());
    folder.append("2.json", "ur\n");
    // As at a rotation: the last line of the old file and the first of the new one.
    folder.append("2.json", "five\n");
    folder.append("3.json", "six\n");
    assert_eq!(lines(&mut tail), ["four", "five", "six"]);
}

#[test]
fn a_start_begins_at_the_end_and_goes_on_where_the_last_one_stopped() {
    let folder = Folder::new();
    folder.append("1.json", "one\n");
    folder.append("2.json", "two\nthr");
    let mut tail = Tail::open(&folder.0, None, false, None).unwrap();
    folder.append("2.json", "ee\n");
    assert_eq!(lines(&mut tail), ["three"]);
    let place = tail.place();

    folder.append("2.json", "four\n");
    folder.append("3.json", "five\n");
    let on = |place: &Place| Tail::open(&folder.0, Some(place.clone()), false, None).unwrap();
    assert_eq!(lines(&mut on(&place)), ["four", "five"]);
    // The file is gone: with the next.
    fs::remove_file(folder.0.join("2.json")).unwrap();
    assert_eq!(lines(&mut on(&place)), ["five"]);
    // All are gone but an old one: with the first that comes.
    fs::remove_file(folder.0.join("3.json")).unwrap();
    let mut tail = on(&place);
    assert!(lines(&mut tail).is_empty());
    folder.append("4.json", "six\n");
    assert_eq!(lines(&mut tail), ["six"]);
}

#[test]
fn a_file_that_shrinks_or_is_replaced_begins_anew() {
    let folder = Folder::new();
    let path = folder.0.join("1.json");
    folder.append("1.json", "one\ntwo\nthr");
    let mut tail = from_start(&folder.0);
    assert_eq!(lines(&mut tail), ["one", "two"]);
    fs::write(&path, "a\n").unwrap();
    assert_eq!(lines(&mut tail), ["a"]);
    let place = tail.place();
    // The old file stays open under another name, so that its number is not used again.
    fs::rename(&path, folder.0.join("old")).unwrap();
    fs::write(&path, "b\nc\n").unwrap();
    assert_eq!(lines(&mut tail), ["b", "c"]);
    assert_eq!(lines(&mut Tail::open(&folder.0, Some(place), false, None).unwrap()), ["b", "c"]);
}

#[test]
fn a_line_without_end_takes_no_memory() {
    let folder = Folder::new();
    let long = "x".repeat(9 << 20);
    folder.append("1.json", &format!("one\n{long}"));
    let mut tail = from_start(&folder.0);
    assert_eq!(lines(&mut tail), ["one"]);
    assert!(tail.memory() <= 1 << 20, "{}", tail.memory());
    // A reader that starts now leaves it out as well.
    let mut other = Tail::open(&folder.0, Some(tail.place()), false, None).unwrap();
    folder.append("1.json", "\ntwo\n");
    assert_eq!(lines(&mut tail), ["too long", "two"]);
    assert_eq!(lines(&mut other), ["too long", "two"]);
    assert_eq!(tail.place(), other.place());
}

#[test]
fn files_that_were_read_are_deleted_if_asked() {
    let folder = Folder::new();
    for name in ["1", "2", "3", "4"] {
        folder.append(&format!("{name}.json"), "line\n");
        folder.append(&format!("{name}.log"), "");
    }
    let mut tail = Tail::open(&folder.0, None, true, Some(1)).unwrap();
    assert_eq!(lines(&mut tail).len(), 4);
    let mut left: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["3.json", "3.log", "4.json", "4.log"]);
}

#[test]
fn where_there_is_no_log_the_remedy_is_told() {
    let folder = Folder::new();
    for path in [folder.0.clone(), folder.0.join("nothing")] {
        let Err(error) = Tail::open(&path, None, false, None) else { panic!("{}", path.display()) };
        let error = format!("{error:#}");
        assert!(
            error.contains("log_destination='jsonlog'") && error.contains("log_file_mode=0640"),
            "{error}"
        );
    }
}

/// A server and a reader of its log that never stops for long.
struct Read {
    config: Config,
    reader: Reader,
    spans: Vec<LogSpan>,
    /// Lines of readers before this one.
    before: u64,
}

impl Read {
    fn new(folder: PathBuf, state: Option<PathBuf>) -> Self {
        let config = Config { dir: folder, state, from_start: true, keep: None };
        Self { reader: Reader::open(&config).unwrap(), config, spans: Vec::new(), before: 0 }
    }

    fn on(&mut self) {
        while self.reader.read(&mut self.spans).unwrap() {}
    }

    /// As a stop and a start.
    fn again(&mut self) {
        self.on();
        self.reader.log.flush(&mut self.spans);
        self.reader.save().unwrap();
        self.sound();
        self.before += self.reader.log.counts().lines;
        self.reader = Reader::open(&self.config).unwrap();
    }

    fn sound(&self) {
        let counts = self.reader.log.counts();
        assert_eq!((counts.missing, counts.repeated, counts.unreadable), (0, 0, 0), "{counts:?}");
    }

    fn named(&self, name: &str) -> Vec<&LogSpan> {
        self.spans.iter().filter(|span| span.name == name).collect()
    }

    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let (start, patience) = (Instant::now(), test_support::patience());
        loop {
            self.on();
            if done(self) {
                return;
            }
            assert!(start.elapsed() < patience, "not in time: {what}; {:?}", self.spans);
            tokio::task::yield_now().await;
        }
    }
}

async fn server() -> Server {
    Server::start(Options { server_log: true, ..Options::ephemeral() }).await.unwrap()
}

fn traceparent(trace: u8) -> String {
    format!("00-{trace:032x}-{trace:016x}-01")
}

async fn session(server: &Server, name: &str) -> PgConnection {
    let mut connection = server.superuser("postgres").connect().await.unwrap();
    run(&mut connection, &format!("set application_name = '{name}'; set deadlock_timeout = '100ms'"))
        .await
        .unwrap();
    run(&mut connection, "set log_min_duration_statement = 0").await.unwrap();
    connection
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), String> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await;
    done.map(drop).map_err(|e| e.as_database_error().map_or(e.to_string(), |e| e.code().unwrap().into()))
}

/// Runs beside the test.
fn beside(mut connection: PgConnection, sql: &'static str) -> tokio::task::JoinHandle<Result<(), String>> {
    tokio::spawn(async move { run(&mut connection, sql).await })
}

#[tokio::test]
async fn what_no_client_hears_of_is_in_its_trace() {
    let server = server().await;
    let mut read = Read::new(server.home().join("data/log"), None);
    let mut other = server.superuser("postgres").connect().await.unwrap();
    run(&mut other, "create table t (id int primary key, n int); insert into t values (1, 1), (2, 2)")
        .await
        .unwrap();

    let mut impatient = session(&server, &traceparent(1)).await;
    run(&mut impatient, "set statement_timeout = '50ms'").await.unwrap();
    assert_eq!(run(&mut impatient, "select pg_sleep(30), 'canary'").await.unwrap_err(), "57014");

    let mut cancelled = session(&server, &traceparent(2)).await;
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut cancelled).await.unwrap();
    let cancelled = beside(cancelled, "select pg_sleep(30), 'canary'");
    while !cancelled.is_finished() {
        sqlx::query(
            "select pg_cancel_backend(pid) from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'",
        )
        .bind(pid)
        .execute(&mut other)
        .await
        .unwrap();
    }
    assert_eq!(cancelled.await.unwrap().unwrap_err(), "57014");

    let mut holder = session(&server, &traceparent(3)).await;
    for sql in ["begin", "update t set n = 3 where id = 1"] {
        run(&mut holder, sql).await.unwrap();
    }
    let waiter = beside(session(&server, &traceparent(4)).await, "update t set n = 4 where id = 1");
    let waits = || {
        let files = fs::read_dir(server.home().join("data/log")).unwrap();
        let mut texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap_or_default());
        texts.any(|text| text.contains("still waiting for ShareLock")).then_some(())
    };
    eventually("the server says that somebody waits", || async { waits() }).await;
    run(&mut holder, "commit").await.unwrap();
    waiter.await.unwrap().unwrap();

    let (mut five, mut six) =
        (session(&server, &traceparent(5)).await, session(&server, &traceparent(6)).await);
    for (connection, sql) in
        [(&mut five, "update t set n = 5 where id = 1"), (&mut six, "update t set n = 6 where id = 2")]
    {
        run(connection, "begin").await.unwrap();
        run(connection, sql).await.unwrap();
    }
    let five = beside(five, "update t set n = 5 where id = 2");
    let six = beside(six, "update t set n = 6 where id = 1");
    let (five, six) = (five.await.unwrap(), six.await.unwrap());
    let (loser, winner) = if five.is_err() { (5, 6) } else { (6, 5) };
    assert_eq!([five, six].into_iter().filter_map(Result::err).collect::<Vec<_>>(), ["40P01"]);

    read.until("the deadlock is in the log", |read| !read.named("deadlock detected").is_empty()).await;
    read.sound();
    let one = |name| {
        let spans = read.named(name);
        assert_eq!(spans.len(), 1, "{name}: {:?}", read.spans);
        spans[0]
    };
    assert_eq!(one("statement timeout").parent, Some(traceparent(1)));
    assert_eq!(one("statement canceled").parent, Some(traceparent(2)));
    assert_eq!(one("statement canceled").get(keys::DB_QUERY_TEXT), Some(&"select pg_sleep(?), ?".into()));
    let deadlock = one("deadlock detected");
    assert_eq!((&deadlock.parent, &deadlock.holder), (&Some(traceparent(loser)), &Some(traceparent(winner))));
    let waits = read.named("wait for ShareLock on transaction");
    let of = |trace| waits.iter().find(|wait| wait.parent == Some(traceparent(trace))).unwrap();
    assert_eq!(of(4).holder, Some(traceparent(3)));
    assert!(of(4).length().as_millis() >= 100 && of(4).get(keys::LOCK_OUTCOME) == Some(&"acquired".into()));
    assert_eq!(of(loser).holder, Some(traceparent(winner)));
    assert_eq!(of(loser).get(keys::LOCK_OUTCOME), Some(&"deadlock".into()));
    assert!(!format!("{:?}", read.spans).contains("canary"));
    server.stop().await;
}

#[tokio::test]
async fn rotations_and_restarts_lose_no_line_and_tell_none_twice() {
    let server = server().await;
    let log = server.home().join("data/log");
    let folder = Folder::new();
    let mut read = Read::new(log.clone(), Some(folder.0.join("state.json")));
    let mut other = server.superuser("postgres").connect().await.unwrap();
    let mut client = session(&server, "nightly report").await;
    let files = |folder: &Path| {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|e| e == "json")).count()
    };
    let mut ran = 0;
    for rotation in 2..=5 {
        run(&mut other, "select pg_rotate_logfile()").await.unwrap();
        // The names tell seconds: a rotation within one goes on in the same file.
        let start = Instant::now();
        while files(&log) < rotation {
            assert!(start.elapsed() < test_support::patience(), "no rotation");
            run(&mut client, "delete from pg_class where false").await.unwrap();
            ran += 1;
            if ran % 10 == 0 {
                run(&mut other, "select pg_rotate_logfile()").await.unwrap();
                read.on();
            }
            if ran % 100 == 0 {
                read.again();
            }
        }
    }
    run(&mut client, "truncate_me").await.unwrap_err();
    read.until("the last line is read", |read| !read.named("syntax error").is_empty()).await;
    read.sound();
    assert_eq!(read.named("DELETE").len(), ran, "of {} lines", read.before + read.reader.log.counts().lines);

    // The same without one of its lines.
    client.close().await.unwrap();
    server_log_without_a_line(&log, &folder.0);
    let mut read = Read::new(folder.0.clone(), None);
    read.on();
    assert_eq!(read.reader.log.counts().missing, 1);
    server.stop().await;
}

/// It reads again what it had read since it wrote its place down, and skips nothing.
#[test]
fn a_killed_reader_loses_no_line() {
    let folder = Folder::new();
    let failed = |number| {
        let line = format!(
            r#"{{"timestamp":"2026-01-01 12:00:0{number}.000 UTC","session_id":"a.1","line_num":{number},
                "error_severity":"ERROR","state_code":"57014","statement":"select 1","message":"canceling statement due to user request"}}"#
        );
        folder.append("1.json", &(line.replace('\n', "") + "\n"));
    };
    failed(1);
    let mut read = Read::new(folder.0.clone(), Some(folder.0.join("state")));
    read.again();
    failed(2);
    read.on();
    assert_eq!(read.spans.len(), 2);
    read.reader = Reader::open(&read.config).unwrap();
    failed(3);
    read.on();
    read.sound();
    let seconds: Vec<u64> =
        read.named("statement canceled").iter().map(|span| span.start.as_secs() % 60).collect();
    assert_eq!(seconds, [1, 2, 2, 3]);
}

fn server_log_without_a_line(log: &Path, copy: &Path) {
    let mut left = true;
    for entry in fs::read_dir(log).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = fs::read_to_string(&path).unwrap();
            let mut lines: Vec<&str> = text.lines().collect();
            let report = lines.iter().position(|line| line.contains("delete from pg_class"));
            if let Some(at) = report.filter(|_| left) {
                lines.remove(at);
                left = false;
            }
            fs::write(copy.join(path.file_name().unwrap()), lines.join("\n") + "\n").unwrap();
        }
    }
    assert!(!left);
}
