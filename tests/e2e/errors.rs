//! One error, followed: from the answer that a caller got to the item, to the log lines, to the trace, and back.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::eventually;
use crate::http::{Client, Reply};
use crate::system::{System, shared};
use crate::trace::text;

#[test]
fn an_error_is_found_by_the_trace_id_that_its_caller_was_told() {
    let system = shared();
    for (service, what, status) in [
        ("activities", "error", 502),
        ("users", "error", 502),
        ("users", "panic", 502),
        ("gateway", "error", 500),
        ("gateway", "panic", 500),
        ("frontend-proxy", "error", 500),
        ("frontend-proxy", "panic", 500),
    ] {
        follow(system, service, what, status);
    }
}

/// Of a request that fails: its trace, and the one item in it, from the service that broke.
fn item(system: &System, service: &str, what: &str, status: u16) -> (String, Value) {
    let reply = broken(system, service, what);
    reply.assert_problem(status);
    let trace_id = reply.json()["trace_id"].as_str().unwrap().to_owned();
    // However many services passed the failure on.
    let group = error_group(system, &trace_id);
    assert_eq!(group["service"], service, "{group}");
    assert_eq!(group["level"], if what == "panic" { "critical" } else { "error" }, "{group}");
    assert_eq!(group["context"], format!("GET /debug/{what}"), "{group}");
    let id = group["id"].as_str().unwrap();
    let detail = console(system, &format!("/api/errors/{id}"));
    let occurrence = of_trace(&detail["occurrences"], &trace_id).clone();
    (trace_id, occurrence)
}

fn follow(system: &System, service: &str, what: &str, status: u16) {
    let (trace_id, occurrence) = eventually("an item with a stack", || {
        let (trace_id, occurrence) = item(system, service, what, status);
        // A service takes none while it reads that of another error: other tests make some, too.
        let stack = occurrence.pointer("/trace_chain/0/frames/0").is_some();
        stack.then_some((trace_id, occurrence))
    });
    let chain = occurrence["trace_chain"].as_array().unwrap();
    let newest = chain[0]["frames"].as_array().unwrap().last().unwrap();
    let place = if what == "panic" { "crates/service/src/debug.rs" } else { "crates/service/src/problem.rs" };
    assert_eq!(newest["file"], place, "{occurrence:#}");
    if what == "error" {
        assert_eq!(chain[1]["message"], "invalid digit found in string", "{occurrence:#}");
    }

    // The log lines, by the same id; the one of the error is of the same span.
    let lines = eventually(&format!("log lines of {trace_id}"), || {
        let lines = console(system, &format!("/api/logs?trace_id={trace_id}&limit=50"));
        let lines = lines["events"].as_array().unwrap().clone();
        let of_error = |line: &&Value| line["level"] == "error" && line["service"] == service;
        lines.iter().find(of_error).cloned()
    });
    assert_eq!(lines["span_id"], occurrence["span_id"], "{lines} {occurrence}");

    // The trace; the span that the item names is in it, of that service, and failed.
    let trace = system.trace(&trace_id, &[service]);
    let span_id = occurrence["span_id"].as_str().unwrap();
    let span = trace.spans.iter().find(|span| span.span_id == span_id).unwrap();
    assert_eq!(span.service, service);
    assert_eq!(text(span, "http.route"), Some(format!("/debug/{what}").as_str()), "{span:?}");

    // And back: the item's own links, and its spelling for X-Ray.
    let custom = &occurrence["custom"];
    assert_eq!(custom["links"]["console"], format!("{}/trace/{trace_id}", system.at.console));
    let xray = custom["xray_trace_id"].as_str().unwrap();
    assert_eq!(console(system, &format!("/api/traces/{xray}"))["trace_id"], trace_id.as_str());
}

/// Asks the service itself where it can be asked, the others through the gateway as the app would.
fn broken(system: &System, service: &str, what: &str) -> Reply {
    let client = Client::anonymous();
    match service {
        "gateway" => client.get(&system.gateway(&format!("/debug/{what}"))),
        "frontend-proxy" => client.get(&system.web(&format!("/debug/{what}"))),
        behind => client.get(&system.web(&format!("/api/debug/{behind}/{what}"))),
    }
}

fn error_group(system: &System, trace_id: &str) -> Value {
    let groups = eventually(&format!("an item of {trace_id}"), || {
        let groups = console(system, &format!("/api/errors?status=all&trace_id={trace_id}"));
        let groups = groups["groups"].as_array().unwrap().clone();
        (!groups.is_empty()).then_some(groups)
    });
    assert_eq!(groups.len(), 1, "a cause is an item once: {groups:#?}");
    groups[0].clone()
}

fn of_trace<'a>(occurrences: &'a Value, trace_id: &str) -> &'a Value {
    let found = occurrences.as_array().unwrap().iter().find(|it| it["trace_id"] == trace_id);
    found.unwrap_or_else(|| panic!("no occurrence of {trace_id} in {occurrences:#}"))
}

#[track_caller]
fn console(system: &System, path: &str) -> Value {
    let reply = Client::anonymous().get(&format!("{}{path}", system.at.console));
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.json()
}

#[test]
fn rollbars_hello_is_a_warning() {
    let system = shared();
    let reply = Client::anonymous().get(&system.gateway("/rollbar/test"));
    assert_eq!((reply.status, reply.body.as_str()), (200, "Hello World!"));
    let group = error_group(system, &reply.trace_id());
    assert_eq!(
        (group["title"].as_str(), group["level"].as_str()),
        (Some("Hello World!"), Some("warning")),
        "{group}"
    );
    assert_eq!(group["context"], "GET /rollbar/test");
}

#[test]
fn in_production_nothing_can_be_broken_on_purpose() {
    let system = System::start(&[("THROUGHLINE_ENV", "production")]);
    let client = Client::anonymous();
    for url in [
        system.gateway("/debug/error"),
        system.gateway("/api/debug/users/error"),
        system.gateway("/api/debug/activities/panic"),
        format!("{}/debug/panic", system.at.users.as_deref().unwrap()),
        format!("{}/debug/error", system.at.activities.as_deref().unwrap()),
    ] {
        assert_eq!(client.get(&url).status, 404, "{url}");
    }
    let laboratory = format!("{}/api/laboratory", system.at.console);
    assert_eq!(client.post(&laboratory, &json!({ "fault": "lock-wait" })).status, 404);
}

/// An error of the app, in a real browser, is an item under the trace id of a span that the browser sent.
#[test]
fn an_error_in_the_browser_is_an_item_of_its_trace() {
    let Some(chromium) = crate::browser::ready() else { return };
    let system = shared();
    let output = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/browser-error.mjs"))
        .env("CHROMIUM", &chromium)
        .env("WEB", &system.at.web)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let trace_id = said.trim();
    let group = error_group(system, trace_id);
    assert_eq!(group["service"], "cruddur-web", "{group}");
    assert_eq!(group["title"], "TypeError: the feed has no author", "{group}");
    assert_eq!(group["context"], "/search", "{group}");
    let trace = system.trace(trace_id, &["cruddur-web"]);
    assert!(trace.spans.iter().any(|span| text(span, "error.type") == Some("TypeError")), "{trace:?}");
}
