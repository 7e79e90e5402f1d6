//! A trace in other tools' forms: Jaeger's query API, and OTLP's JSON from one console to another.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use serde_json::{Value, json};

use crate::support::{Console, JSON, TempDir, attribute, eventually, span, text, trace_path};

/// A gateway's request with a failed database call of users.
fn fill(console: &Console) {
    let mut root = span(1, 1, 0, "GET /home", 1_000, 90);
    root.kind = 2;
    root.attributes = vec![
        text("http.route", "/home"),
        attribute("http.response.status_code", Any::IntValue(500)),
        attribute("ratio", Any::DoubleValue(0.5)),
        attribute("cached", Any::BoolValue(false)),
    ];
    let mut call = span(1, 2, 1, "SELECT users", 1_010, 20);
    call.kind = 3;
    call.status = Some(Status { code: 2, message: "gone".to_owned() });
    call.events = vec![Event {
        time_unix_nano: call.start_time_unix_nano + 1_000_000,
        name: "exception".to_owned(),
        attributes: vec![text("exception.message", "gone")],
        ..Default::default()
    }];
    call.links = vec![Link { trace_id: vec![9; 16], span_id: vec![8; 8], ..Default::default() }];
    console.send("gateway", vec![root]);
    console.send("users", vec![call]);
    console.send("users", vec![span(2, 3, 0, "sweep", 5_000, 5)]);
    eventually("both services are known", || {
        (console.json("/api/services")["data"].as_array().unwrap().len() == 2).then_some(())
    });
}

#[test]
fn grafana_reads_it_as_jaeger() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    fill(&console);
    let data = |path: &str| console.json(&format!("/jaeger/api{path}"))["data"].clone();
    let mut services: Vec<String> = serde_json::from_value(data("/services")).unwrap();
    services.sort();
    assert_eq!(services, ["gateway", "users"]);
    assert_eq!(data("/services/gateway/operations"), json!(["GET /home"]));
    assert_eq!(data("/operations?service=gateway"), json!([{ "name": "GET /home", "spanKind": "" }]));

    let found = |query: &str| -> Vec<String> {
        let query = query.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
        let found = data(&format!("/traces?{query}"));
        let ids = found.as_array().unwrap().iter();
        ids.map(|it| it["traceID"].as_str().unwrap()[30..].to_owned()).collect()
    };
    let check = |query: &str, expect: &[&str]| assert_eq!(found(query), expect, "{query}");
    check("service=gateway", &["01"]);
    check("service=users&limit=20", &["02", "01"]);
    check("service=users&limit=1", &["02"]);
    check("service=users&operation=SELECT%20users", &["01"]);
    check("service=users&operation=all", &["02", "01"]);
    check("service=users&minDuration=10ms", &["01"]);
    check("service=users&maxDuration=10ms", &["02"]);
    check(r#"service=users&tags={"error":"true"}"#, &["01"]);
    check(r#"service=gateway&tags={"http.response.status_code":"500"}"#, &["01"]);
    check(r#"service=gateway&tags={"span.kind":"client"}"#, &[]);
    check("service=nobody", &[]);
    for bad in ["tags=x", "minDuration=soon"] {
        let answer = console.get(&format!("/jaeger/api/traces?{bad}"));
        let errors: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &errors["errors"][0]["code"]), (400, &json!(400)), "{bad}");
    }

    let trace = &data(&format!("/traces/{}", &trace_path(1)["/api/traces/".len()..]))[0];
    let spans = trace["spans"].as_array().unwrap();
    let call = &spans[1];
    assert_eq!(trace["processes"]["p2"]["serviceName"], "users");
    assert_eq!(
        (call["operationName"].as_str(), call["processID"].as_str()),
        (Some("SELECT users"), Some("p2"))
    );
    assert_eq!(call["references"][0]["refType"], "CHILD_OF");
    assert_eq!(call["references"][0]["spanID"], spans[0]["spanID"]);
    assert_eq!(call["references"][1]["refType"], "FOLLOWS_FROM");
    assert_eq!(call["duration"], 20_000);
    assert_eq!(call["logs"][0]["fields"][1]["value"], "gone");
    let tags = spans[0]["tags"].as_array().unwrap().iter();
    let tags: Vec<_> = tags.map(|it| (it["key"].as_str().unwrap(), it["type"].as_str().unwrap())).collect();
    let expect = [
        ("cached", "bool"),
        ("http.response.status_code", "int64"),
        ("http.route", "string"),
        ("ratio", "float64"),
        ("span.kind", "string"),
        ("otel.scope.name", "string"),
    ];
    assert_eq!(tags, expect);
    assert_eq!(console.get("/jaeger/api/traces/77").status, 404);
}

#[test]
fn a_trace_moves_to_another_console_as_a_file() {
    let (dir, other_dir) = (TempDir::new(), TempDir::new());
    let (console, other) = (Console::start(&dir), Console::start(&other_dir));
    fill(&console);
    let file = console.get(&format!("{}/otlp", trace_path(1))).body;
    assert_eq!(other.post("/v1/traces", &[JSON], &file).status, 200);
    let read = |console: &Console| console.json(&trace_path(1))["spans"].clone();
    assert_eq!(read(&other), read(&console));
}
