//! Spans -> text.

use console::tree::render;
use console::wire::Trace;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Status;

use crate::support::{Console, TempDir, attribute, span, text, trace_path};

fn drawn(console: &Console, trace: u128) -> String {
    let trace: Trace = serde_json::from_value(console.json(&trace_path(trace))).unwrap();
    render(&trace)
}

#[test]
fn a_request_across_services() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let trace = 0x68b3_29da_9893_e340_99c7_d8ad_5cb9_c940;
    let mut select = span(trace, 5, 4, "SELECT activities", 4, 3);
    select.attributes = vec![
        text("db.query.text", "select *\nfrom activities"),
        attribute("db.response.returned_rows", Any::IntValue(20)),
    ];
    let mut users = span(trace, 6, 2, "GET /users", 9, 2);
    users.status = Some(Status { code: 2, message: "gone".to_owned() });
    let mut home = span(trace, 2, 1, "GET /api/activities/home", 1, 11);
    home.attributes =
        vec![attribute("http.response.status_code", Any::IntValue(200)), text("app.user_id", "u-1")];
    // The children first: exporters of different processes know no order.
    console.send("activities", vec![select, span(trace, 4, 3, "GET /activities/home", 3, 5)]);
    console.send("gateway", vec![home, span(trace, 3, 2, "GET", 2, 6), users]);
    console.send("web", vec![span(trace, 1, 0, "click crud", 0, 1500)]);
    insta::assert_snapshot!(drawn(&console, trace), @r"
    trace 68b329da9893e34099c7d8ad5cb9c940  1-68b329da-9893e34099c7d8ad5cb9c940  1.50 s  6 spans
    web  click crud  1.50 s
    └─ gateway  GET /api/activities/home  11.0 ms  [status=200 user=u-1]
       ├─ gateway  GET  6.0 ms
       │  └─ activities  GET /activities/home  5.0 ms
       │     └─ activities  SELECT activities  3.0 ms  [sql=select * from activities rows=20]
       └─ gateway  GET /users  2.0 ms  ERROR gone
    ");
}

#[test]
fn whatever_arrives_can_be_drawn() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let spans = vec![
        span(1, 1, 0, "root", 0, 9),
        span(1, 2, 1, "child", 1, 1),
        span(1, 3, 0xdead, "orphan", 2, 1),
        span(1, 4, 3, "under the orphan", 3, 1),
        span(1, 5, 6, "loop, later", 5, 1),
        span(1, 6, 5, "loop, earlier", 4, 1),
        span(1, 7, 5, "under the loop", 6, 1),
        span(1, 8, 8, "its own parent", 7, 1),
        span(1, 9, 0, "second root\u{1b}[31m", 8, 1),
    ];
    console.send("a", spans);
    insta::assert_snapshot!(drawn(&console, 1), @r"
    trace 00000000000000000000000000000001  1-00000000-000000000000000000000001  9.0 ms  9 spans
    a  root  9.0 ms
    └─ a  child  1.0 ms
    a  orphan  1.0 ms  (its parent has not arrived)
    └─ a  under the orphan  1.0 ms
    a  second root [31m  1.0 ms
    a  loop, earlier  1.0 ms  (its parents form a loop)
    └─ a  loop, later  1.0 ms
       └─ a  under the loop  1.0 ms
    a  its own parent  1.0 ms  (its parents form a loop)
    ");
    let summary = &console.json("/api/traces")["traces"][0];
    assert_eq!(summary["name"], "root");
    assert_eq!(summary["span_count"], 9);
}

/// Recursion would end the process.
#[test]
fn a_trace_deeper_than_any_stack() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let spans = (1..=10_000).map(|id| span(1, id, id - 1, "deeper", id, 1)).collect();
    console.send("a", spans);
    let trace: Trace = serde_json::from_value(console.json(&trace_path(1))).unwrap();
    let forest = console::tree::Forest::new(&trace.spans);
    assert_eq!(forest.nodes.len(), 10_000);
    assert_eq!(forest.nodes.last().unwrap().depth, 9_999);
    assert_eq!(forest.tops().count(), 1);
    assert!(render(&trace).len() < 10_000_000);
}
