//! The trace goes on inside Postgres: below each sampled statement its plan, and nowhere else.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use console::wire::{Kind, Span, Trace};
use serde_json::json;

use crate::browser::{EVERYONE, clicks};
use crate::eventually;
use crate::http::Client;
use crate::system::{System, shared};
use crate::trace::{self, of_a_plan, text};

const REQUESTS: usize = 2_000;
const IN_FLIGHT: usize = 16;
/// Of one mix of requests; each asks one or two services, and those one database each.
const PATHS: [&str; 4] = [
    "/api/activities/home?limit=5",
    "/api/activities/@andrewbrown",
    "/api/activities/search?term=train",
    "/api/users/@andrewbrown",
];

/// What stands right below a statement.
const PHASES: [&str; 3] = ["parse", "plan", "execute"];

/// From the root to this span, who and what.
fn way_to(trace: &Trace, span: &Span) -> String {
    let mut way: Vec<String> = std::iter::successors(Some(span), |span| trace::parent(trace, span))
        .map(|span| format!("{} {}", span.service, span.name))
        .collect();
    way.reverse();
    way.join("\n")
}

#[test]
fn a_click_ends_in_an_index_scan() {
    let Some(clicks) = clicks() else { return };
    let whole = || {
        let trace = shared().trace(&clicks.profile, &EVERYONE);
        trace.spans.iter().any(|span| span.name.starts_with("Index Scan using posts_author")).then_some(trace)
    };
    let trace = eventually("the plan of the profile's feed", whole);
    let scan =
        trace.spans.iter().find(|span| text(span, "postgresql.plan.index") == Some("posts_author_created"));
    insta::assert_snapshot!(way_to(&trace, scan.unwrap()), @r"
    cruddur-web navigate /@{handle}
    cruddur-web GET /api/activities/@{handle}
    frontend-proxy GET /api/{path}*
    frontend-proxy GET
    gateway GET /api/activities/@{handle}
    gateway GET
    activities GET /activities/users/{user_uuid}
    activities activities_users
    activities SELECT posts
    activities execute
    activities Limit
    activities Index Scan using posts_author_created on posts
    ");
}

/// The console's switch: it asks the app, and says where the trace is that shows the cause.
#[test]
fn the_console_asks_the_laboratory() {
    let system = shared();
    let ask = |fault: &str| {
        Client::anonymous().post(&format!("{}/api/laboratory", system.at.console), &json!({ "fault": fault }))
    };
    let reply = ask("lock-wait");
    assert_eq!(reply.status, 200, "{}", reply.body);
    let answer = reply.json();
    assert_eq!(answer["status"], 200, "{answer}");
    eventually("the statement that waited, and who held the lock", || {
        let trace = system.trace(answer["trace_id"].as_str().unwrap(), &EVERYONE[1..]);
        let holder = |span: &Span| text(span, "postgresql.lock.holder.traceparent").map(str::to_owned);
        trace.spans.iter().find_map(holder)
    });
    let refused = ask("no-such-fault");
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.json()["detail"].as_str().unwrap().contains("lock-wait"), "{}", refused.body);
}

#[test]
fn of_two_thousand_requests_the_sampled_ones_have_plans() {
    let system = System::start(&[
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.1"),
    ]);
    let (next, replies) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let client = Client::anonymous();
    std::thread::scope(|scope| {
        for _ in 0..IN_FLIGHT {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= REQUESTS {
                        break;
                    }
                    let reply = client.get(&system.gateway(PATHS[n % PATHS.len()]));
                    let sampled = reply.header("traceresponse").unwrap().ends_with("-01");
                    replies.lock().unwrap().push((reply.trace_id(), sampled, reply.status));
                }
            });
        }
    });
    let (mut sampled, mut statements, mut plan_spans) = (0, 0, 0);
    for (id, is_sampled, status) in replies.into_inner().unwrap() {
        if !is_sampled {
            assert!(system.trace_now(&id).is_none(), "nobody sampled {id}");
            continue;
        }
        let services: &[&str] = if status == 200 { &["gateway", "users"] } else { &["gateway"] };
        let trace = system.trace(&id, services);
        sampled += 1;
        for span in trace.spans.iter().filter(|span| of_a_plan(span)) {
            let parent = trace::parent(&trace, span).unwrap();
            assert_eq!(parent.service, span.service);
            assert!(span.start_unix_nano >= parent.start_unix_nano, "{}", way_to(&trace, span));
            assert!(
                of_a_plan(parent) || (parent.kind == Kind::Client && PHASES.contains(&span.name.as_str())),
                "{}",
                way_to(&trace, span)
            );
            plan_spans += 1;
        }
        let reads = |span: &&Span| {
            span.kind == Kind::Client
                && text(span, "db.operation.name") == Some("SELECT")
                && text(span, "error.type").is_none()
                && span.events.is_empty()
        };
        for read in trace.spans.iter().filter(reads) {
            let below = |span: &&Span| {
                span.name == "execute" && span.parent_span_id.as_deref() == Some(read.span_id.as_str())
            };
            assert_eq!(trace.spans.iter().filter(below).count(), 1, "{}", trace::tree(&trace));
            statements += 1;
        }
    }
    println!(
        "{sampled} of {REQUESTS} requests sampled, {statements} statements, {plan_spans} spans of plans"
    );
    assert!((120..280).contains(&sampled), "{sampled} of {REQUESTS} at 10 %");
    assert!(statements >= sampled, "{statements} statements in {sampled} requests");
    for role in [system.at.activities.as_ref().unwrap(), system.at.users.as_ref().unwrap()] {
        let plans = &Client::anonymous().get(&format!("{role}/ready")).json()["telemetry"]["plans"];
        assert_eq!((plans["dropped"].as_u64(), plans["unreadable"].as_u64()), (Some(0), Some(0)), "{plans}");
    }
}
