//! Many at once, all sampled: what was made arrived by OTLP and in X-Ray, and every trace is one tree, the same in both.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::eventually;
use crate::http::Client;
use crate::system::System;
use crate::{trace, xray};

const REQUESTS: usize = 2_000;
/// More only wait for each other: all processes share two cores here, and a request has a deadline.
const IN_FLIGHT: usize = 12;
/// Every role that exports; the console traces nothing.
const ROLES: [&str; 4] = ["frontend-proxy", "gateway", "activities", "users"];

#[test]
fn two_thousand_home_feeds_lose_no_span() {
    // The sweeper's traces would go on growing while these are counted.
    let system = System::start(&[("SWEEP_INTERVAL", "3600000")]);
    let (next, ids) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let slow = AtomicUsize::new(0);
    let client = Client::anonymous();
    std::thread::scope(|scope| {
        for _ in 0..IN_FLIGHT {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < REQUESTS {
                    let reply = client.get(&system.web("/api/activities/home"));
                    // On a busy machine a deadline may pass, or the wait for a connection (503, and 502 when the
                    // gateway tells of it); that request has a trace like any other.
                    assert!(matches!(reply.status, 200 | 502..=504), "{}", reply.body);
                    slow.fetch_add(usize::from(reply.status != 200), Ordering::Relaxed);
                    ids.lock().unwrap().push(reply.trace_id());
                }
            });
        }
    });
    let mut ids = ids.into_inner().unwrap();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), REQUESTS, "each request is a trace of its own");

    // What the four processes say they made, and what the console says it got.
    let (made, received) = eventually("every queue is empty and the console has it all", || {
        let made: u64 = ROLES.iter().map(|role| made(&system, role)).sum();
        let stats = system.stats();
        let received = stats["received"]["otlp"].as_u64().unwrap();
        (made == received).then_some((made, received))
    });
    eventually("X-Ray has them all too", || (system.stats()["stored"]["xray"] == made).then_some(()));
    let (mut orphans, mut more_roots, mut no_root, mut spans, mut documents) = (0, 0, 0, 0, 0);
    for id in &ids {
        let trace = system.trace_now(id).unwrap_or_else(|| panic!("the console lacks trace {id}"));
        spans += trace.spans.len();
        documents += xray::check(&system, &trace);
        orphans += trace::orphans(&trace).len();
        more_roots += usize::from(trace::roots(&trace).len() > 1);
        no_root += usize::from(trace::roots(&trace).is_empty());
    }
    assert_eq!(documents, spans, "documents in X-Ray, spans by OTLP");
    let slow = slow.into_inner();
    println!(
        "{REQUESTS} requests ({slow} of them too slow): {made} spans made, {received} received, \
         {spans} of them in the requests' traces"
    );
    assert!(slow < REQUESTS / 10, "{slow} of {REQUESTS} requests passed their deadline");
    assert_eq!((orphans, more_roots, no_root), (0, 0, 0), "orphans, traces with two roots, without one");
    let stats = system.stats();
    assert_eq!(stats["stored"]["otlp"].as_u64(), Some(received), "{stats}");
    assert_eq!(stats["dropped"]["otlp"].as_u64(), Some(0), "{stats}");
    assert_eq!(stats["dropped"]["xray"].as_u64(), Some(0), "{stats}");
    let (ended, log) = system.stop();
    assert!(ended.success(), "{log}");
}

/// Spans that ended in a role; see `/ready`.
fn made(system: &System, role: &str) -> u64 {
    let url = match role {
        "frontend-proxy" => &system.at.web,
        "gateway" => &system.at.gateway,
        "activities" => system.at.activities.as_ref().unwrap(),
        _ => system.at.users.as_ref().unwrap(),
    };
    let telemetry = &Client::anonymous().get(&format!("{url}/ready")).json()["telemetry"];
    // Plans become spans a little later.
    let plans = telemetry["plans"]["waiting"].as_u64().unwrap();
    telemetry["spans"]["ended"].as_u64().unwrap() + plans
}
