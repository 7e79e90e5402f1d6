//! Postgres goes away and comes back. A system of its own, since it is broken on purpose.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::eventually;
use crate::http::Client;
use crate::system::System;

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
    signal_family("STOP", postgres);
    let start = Instant::now();
    let reply = Client::anonymous().get(&home);
    assert!(matches!(reply.status, 500..=504), "{}", reply.body);
    reply.assert_problem(reply.status);
    assert!(start.elapsed() < BOUNDED, "an answer took {:?}", start.elapsed());
    signal_family("CONT", postgres);
    eventually("the feed is back", || (Client::anonymous().get(&home).status == 200).then_some(()));

    // Gone: every connection is cut, and new ones are refused until `up` starts it again.
    signal("INT", postgres);
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

    let (status, log) = system.stop();
    assert!(status.success(), "{status}: {log}");
}

/// The postmaster and its backends: stopping the first alone leaves the others answering.
fn signal_family(name: &str, postmaster: u32) {
    let children = Command::new("pgrep").args(["-P", &postmaster.to_string()]).output().unwrap();
    for child in String::from_utf8_lossy(&children.stdout).split_whitespace() {
        signal(name, child.parse().unwrap());
    }
    signal(name, postmaster);
}

fn signal(name: &str, pid: u32) {
    // A backend may have ended in between.
    let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
}
