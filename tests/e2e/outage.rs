//! Postgres goes away and comes back. A system of its own, since it is broken on purpose.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::eventually;
use crate::http::Client;
use crate::system::{System, signal};
use crate::xray;

/// The gateway gives an upstream less than this, all its retries included.
const BOUNDED: Duration = Duration::from_secs(20);

#[test]
fn postgres_goes_away_and_comes_back() {
    let system = System::start(&[]);
    let person = system.sign_up();
    let home = system.web("/api/activities/home?limit=3");
    assert_eq!(Client::anonymous().get(&home).status, 200);

    // Frozen: connections stand, nothing answers. Requests end in bounded time with a clear answer.
    let postgres = system.at.pids["postgres"];
    signal_family(Signal::SIGSTOP, postgres);
    let start = Instant::now();
    let reply = Client::anonymous().get(&home);
    assert!(matches!(reply.status, 500..=504), "{}", reply.body);
    reply.assert_problem(reply.status);
    assert!(start.elapsed() < BOUNDED, "an answer took {:?}", start.elapsed());
    signal_family(Signal::SIGCONT, postgres);
    eventually("the feed is back", || (Client::anonymous().get(&home).status == 200).then_some(()));

    // Gone: every connection is cut, and new ones are refused until `up` starts it again.
    signal(Signal::SIGINT, postgres);
    let start = Instant::now();
    let reply = eventually("the outage shows", || {
        let reply = Client::anonymous().get(&home);
        (reply.status != 200).then_some(reply)
    });
    assert!(matches!(reply.status, 500..=504), "{}", reply.body);
    reply.assert_problem(reply.status);
    assert!(!reply.body.contains("postgres://") && !reply.body.contains("127.0.0.1"), "{}", reply.body);
    assert!(start.elapsed() < BOUNDED, "an answer took {:?}", start.elapsed());
    let id = reply.trace_id();

    // Back, without a restart of any role.
    eventually("the feed is back", || (Client::anonymous().get(&home).status == 200).then_some(()));
    let post = person
        .client
        .post(&system.web("/api/activities"), &json!({ "message": "still here", "ttl": "1-day" }));
    assert_eq!(post.status, 201, "{}", post.body);

    // The failed request is a trace too, and says where it failed.
    let trace = system.trace(&id, &["frontend-proxy", "gateway"]);
    assert!(trace.spans.iter().any(|span| span.status == console::wire::Status::Error), "{trace:?}");
    let documents = xray::assert_both(&system, &trace);
    assert!(documents.iter().any(|document| document.fault), "{trace:?}");

    let (status, log) = system.stop();
    assert!(status.success(), "{status}: {log}");
}

/// The postmaster and its backends: stopping the first alone leaves the others answering.
fn signal_family(what: Signal, postmaster: u32) {
    for child in children(postmaster) {
        signal(what, child);
    }
    signal(what, postmaster);
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_else(|_| {
        // No /proc on macOS.
        let output = Command::new("pgrep").args(["-P", &pid.to_string()]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    });
    text.split_whitespace().map(|child| child.parse().unwrap()).collect()
}
