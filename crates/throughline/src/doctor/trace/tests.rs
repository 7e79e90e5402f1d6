//! Lists of spans, and what is found in them.

#![allow(clippy::unwrap_used, reason = "a test may end where it fails")]

use console::wire::Trace;
use serde_json::{Value, json};

use super::{breaks, may_be_torn};

/// `(id, parent, service, kind, start ms, length ms)`.
type Line = (&'static str, &'static str, &'static str, &'static str, i64, i64);

const GATEWAY: Line = ("1", "", "gateway", "server", 0, 100);
const CALL: Line = ("2", "1", "gateway", "client", 10, 50);
const ACTIVITIES: Line = ("3", "2", "activities", "server", 20, 30);

/// Calls go to `http://callee:1/path`, and that is what servers were asked for. The trace's id is sixteen times `id`.
fn trace(id: &str, spans: &[Line]) -> Trace {
    let id = id.repeat(16);
    let spans: Vec<Value> = spans
        .iter()
        .map(|(span_id, parent, service, kind, start, length)| {
            let mut attributes =
                json!({ "http.request.method": "GET", "server.address": "callee", "server.port": 1 });
            match *kind {
                "client" => {
                    attributes["url.full"] = json!("http://callee:1/path?q=1");
                    attributes["http.response.status_code"] = json!(200);
                }
                "server" => attributes["url.path"] = json!("/path"),
                _ => attributes = json!({}),
            }
            json!({
                "trace_id": id, "span_id": span_id, "parent_span_id": (!parent.is_empty()).then_some(parent),
                "name": format!("{kind} {span_id}"), "kind": kind, "service": service,
                "start_unix_nano": start * 1_000_000, "duration_nano": length * 1_000_000,
                "status": "unset", "status_message": null, "attributes": attributes,
                "resource": {}, "scope": null, "events": [], "links": [], "source": "otlp",
            })
        })
        .collect();
    let trace = json!({
        "trace_id": id, "xray_trace_id": "", "start_unix_nano": 0, "duration_nano": 0,
        "span_count": spans.len(), "pruned_unix_nano": null, "spans": spans,
    });
    serde_json::from_value(trace).unwrap()
}

fn check(spans: &[Line], expect: &[&str]) {
    check_among(&trace("aa", spans), &[], expect);
}

fn check_among(trace: &Trace, others: &[Trace], expect: &[&str]) {
    let told: Vec<String> =
        breaks(trace, others).iter().map(|it| format!("{}: {}", it.hop, it.trouble.cause)).collect();
    assert_eq!(told, expect);
}

#[test]
fn a_whole_trace() {
    check(&[GATEWAY, CALL, ACTIVITIES], &[]);
    // Calls to those who make no spans are no breaks.
    check(&[GATEWAY, CALL], &[]);
}

#[test]
fn a_parent_that_nobody_sent() {
    check(
        &[GATEWAY, ACTIVITIES],
        &[
            "? -> activities: \"server 3\" of activities has the parent 2, which nobody sent: traceparent arrived, the caller's span did not",
        ],
    );
    check(
        &[GATEWAY, CALL, ACTIVITIES, ("5", "4", "activities", "internal", 25, 1)],
        &["activities: \"internal 5\" of activities has the parent 4, which activities did not send"],
    );
}

#[test]
fn a_second_root() {
    check(
        &[GATEWAY, CALL, ("3", "", "activities", "server", 20, 30)],
        &[
            "gateway -> activities: \"server 3\" of activities is a second root: X-Amzn-Trace-Id arrived with Root and without Parent, traceparent was missing or malformed",
        ],
    );
}

#[test]
fn sampling_that_is_decided_anew() {
    check(
        &[GATEWAY, CALL, ACTIVITIES, ("6", "1", "gateway", "client", 70, 10)],
        &[
            "gateway -> activities: \"client 6\" of gateway reached activities, whose span is missing, while other calls to it have theirs",
        ],
    );
}

#[test]
fn a_clock_that_is_off() {
    check(
        &[GATEWAY, CALL, ("3", "2", "activities", "server", -500, 30)],
        &[
            "gateway -> activities: \"server 3\" of activities starts 510 ms before the call of gateway that caused it",
        ],
    );
    check(
        &[GATEWAY, CALL, ("3", "2", "activities", "server", 560, 30)],
        &[
            "gateway -> activities: \"server 3\" of activities starts 500 ms after the end of the call of gateway that caused it",
        ],
    );
    // As far apart as machines of one network are.
    check(&[GATEWAY, CALL, ("3", "2", "activities", "server", 5, 30)], &[]);
    // A browser's clock is not a server's.
    check(
        &[("1", "", "frontend-proxy-web", "client", 0, 100), ("3", "1", "gateway", "server", -500, 30)],
        &[],
    );
}

#[test]
fn the_first_on_the_way_comes_first() {
    check(
        &[
            ("9", "", "browser", "client", -10, 200),
            ("1", "0", "gateway", "server", 0, 100),
            CALL,
            ("3", "", "activities", "server", 20, 30),
        ],
        &[
            "? -> gateway: \"server 1\" of gateway has the parent 0, which nobody sent: traceparent arrived, the caller's span did not",
            "gateway -> activities: \"server 3\" of activities is a second root: X-Amzn-Trace-Id arrived with Root and without Parent, traceparent was missing or malformed",
        ],
    );
}

/// A header that did not arrive makes two traces of one; either of them says where.
#[test]
fn a_trace_in_two_pieces() {
    let (caller, id) = (trace("aa", &[GATEWAY, CALL]), "b".repeat(32));
    let callee = trace("bb", &[("3", "", "activities", "server", 20, 30)]);
    assert!(may_be_torn(&caller) && may_be_torn(&callee));
    let began = format!("gateway -> activities: \"server 3\" of activities began trace {id} of its own");
    let missing = "traceparent was missing or malformed at activities";
    check_among(
        &caller,
        std::slice::from_ref(&callee),
        &[&format!("{began}, called by \"client 2\" of gateway in this trace: {missing}")],
    );
    let there = format!("in trace {}, which waited for it", "a".repeat(32));
    check_among(
        &callee,
        std::slice::from_ref(&caller),
        &[&format!("{began}, called by \"client 2\" of gateway {there}: {missing}")],
    );
    // A public door begins anew on purpose, and says so by a link.
    let mut door = callee.clone();
    let link = json!({ "trace_id": "a".repeat(32), "span_id": "2", "attributes": {} });
    door.spans[0].links = vec![serde_json::from_value(link).unwrap()];
    let linked = "with a link to \"client 2\" of gateway in this trace: traceparent arrived, and activities trusts no caller from outside";
    check_among(&caller, &[door], &[&format!("{began}, {linked}")]);
    // Another time, another path: others' requests.
    check_among(&caller, &[trace("bb", &[("3", "", "activities", "server", 90, 30)])], &[]);
    let mut elsewhere = callee;
    elsewhere.spans[0].attributes.insert("url.path".to_owned(), json!("/other"));
    check_among(&caller, &[elsewhere], &[]);
}
