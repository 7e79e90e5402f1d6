//! `up --pg-log`: what Postgres' own log tells is in the trace, also after Postgres was away.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use crate::eventually;
use crate::http::Client;
use crate::system::{System, alive, shared, signal};
use crate::trace::{self, text};

#[test]
fn the_servers_log_is_in_the_trace_of_who_it_speaks_of() {
    let system = System::start_with(&["--pg-log"], &[]);
    deadlock(&system);

    // It comes back with another file.
    signal(Signal::SIGINT, system.at.pids["postgres"]);
    let home = system.web("/api/activities/home?limit=3");
    eventually("the outage shows", || (Client::anonymous().get(&home).status != 200).then_some(()));
    eventually("the feed is back", || (Client::anonymous().get(&home).status == 200).then_some(()));
    deadlock(&system);

    let reader = system.at.pids["pg-log"];
    let (status, log) = system.stop();
    assert!(status.success(), "{log}");
    assert!(!alive(reader), "the reader outlived `up`");
}

fn deadlock(system: &System) {
    let reply =
        Client::anonymous().get_with(&system.web("/api/activities/home"), &[("x-lab-fault", "deadlock")]);
    assert_eq!(reply.status, 502, "{}", reply.body);
    let id = reply.trace_id();
    let told = || {
        let trace = system.trace_now(&id)?;
        let found = trace.spans.iter().any(|span| span.name == "deadlock detected");
        (found && trace::is_one_tree(&trace)).then_some(trace)
    };
    let trace = eventually("the reader told of the deadlock", told);
    for name in ["deadlock detected", "wait for ShareLock on transaction"] {
        let span = trace.spans.iter().find(|span| span.service == "postgresql" && span.name == name).unwrap();
        assert_eq!(trace::parent(&trace, span).unwrap().name, "transaction");
        // The other transaction, in the trace of the other request.
        let peer = text(span, "postgresql.lock.holder.traceparent").unwrap();
        assert_eq!((&peer[3..35], &peer[36..52]), (&*span.links[0].trace_id, &*span.links[0].span_id));
        assert_ne!(span.links[0].trace_id, trace.trace_id);
        let other = || system.trace_now(&span.links[0].trace_id);
        let other = eventually("the other request's trace", other);
        assert!(other.spans.iter().any(|it| it.span_id == span.links[0].span_id && it.name == "transaction"));
    }
}

/// What has not left is not written down as read.
#[test]
fn a_killed_reader_loses_nothing() {
    let (system, log) = (shared(), Log::new());
    let told = || system.trace_now(&log.trace).map_or(0, |trace| trace.spans.len());
    log.failed(1);
    log.failed(2);

    // A receiver that takes nothing.
    let away = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut reader = log.read(&format!("http://{}", away.local_addr().unwrap()));
    for _ in 0..3 {
        drop(away.accept().unwrap());
    }
    kill(&mut reader);
    assert!(!log.state().exists());

    let mut reader = log.read(&system.at.otlp_http);
    eventually("both lines are told", || (told() == 2).then_some(()));
    eventually("the place is written down", || log.state().exists().then_some(()));
    kill(&mut reader);

    log.failed(3);
    let mut reader = log.read(&system.at.otlp_http);
    eventually("the third is told, and no other again", || (told() == 3).then_some(()));
    kill(&mut reader);
}

fn kill(reader: &mut Child) {
    reader.kill().unwrap();
    reader.wait().unwrap();
}

/// A server's log of one session, of one trace.
struct Log {
    folder: PathBuf,
    trace: String,
}

impl Log {
    fn new() -> Self {
        let trace = format!("{:032x}", rand::random::<u128>() | 1);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("e2e-pg-log-{trace}"));
        fs::create_dir(&folder).unwrap();
        Self { folder, trace }
    }

    fn failed(&self, number: u32) {
        let trace = &self.trace;
        let line = format!(
            r#"{{"timestamp":"2026-01-01 12:00:0{number}.000 UTC","session_id":"a.1","line_num":{number},"application_name":"00-{trace}-000000000000000a-01","error_severity":"ERROR","state_code":"57014","message":"canceling statement due to user request"}}"#
        );
        let mut file = OpenOptions::new().create(true).append(true).open(self.folder.join("1.json")).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn read(&self, receiver: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_throughline"))
            .args(["pg-log", "--from-start"])
            .args([Path::new("--dir"), &self.folder, Path::new("--state"), &self.state()])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
