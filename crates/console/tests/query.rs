//! Queries over what was sent: what comes late, twice or goes is in the answer or not, as it is in the store.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use serde_json::{Value, json};

use crate::support::{Answer, Console, JSON, TempDir, attribute, request, span, text};

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
/// Where [`span`]'s times begin, in seconds.
const START: u64 = 1_700_000_000;

fn post(console: &Console, path: &str, body: &Value) -> Answer {
    request(console.ports.web, "POST", path, &[JSON], body.to_string().as_bytes())
}

/// Asks for the first minute of [`span`]'s times.
fn ask(console: &Console, mut query: Value) -> Value {
    let body = query.as_object_mut().unwrap();
    body.insert("start_time".to_owned(), json!(START));
    body.insert("end_time".to_owned(), json!(START + 60));
    let answer = post(console, "/api/query", &query);
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

fn table(answer: &Value) -> Value {
    answer["rows"].as_array().unwrap().iter().map(|row| json!([row["group"], row["values"]])).collect()
}

fn of_user(mut span: Span, user: &str) -> Span {
    span.kind = SERVER;
    span.attributes = vec![text("app.user_id", user)];
    span
}

#[test]
fn latency_by_user() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let spans = (1..=100).map(|n| {
        let user = if n % 10 == 0 { "slow" } else { "quick" };
        of_user(span(n.into(), n, 0, "GET /", n * 100, if n % 10 == 0 { n } else { 1 }), user)
    });
    console.send("gateway", spans.collect());
    let answer = ask(
        &console,
        json!({"calculations": [{"op": "COUNT"}, {"op": "P95", "column": "duration_ms"}, {"op": "HEATMAP", "column": "duration_ms"}],
               "breakdowns": ["app.user_id"], "orders": [{"op": "P95", "column": "duration_ms", "order": "descending"}],
               "granularity": 5}),
    );
    let rows = &answer["rows"];
    assert_eq!(rows[0]["group"], json!({"app.user_id": "slow"}));
    assert_eq!(rows[0]["values"]["COUNT"], 10);
    assert_eq!(rows[0]["values"]["P95(duration_ms)"], 100);
    assert_eq!(rows[0]["exemplars"][0], format!("{:032x}", 100), "the slowest first");
    assert_eq!(rows[1]["values"]["P95(duration_ms)"], 1);
    assert_eq!(answer["times"].as_array().unwrap().len(), 12);
    assert_eq!(rows[0]["series"]["COUNT"].as_array().unwrap()[..3], [json!(4), json!(5), json!(1)]);
    let map = &answer["heatmaps"][0];
    let counts = map["counts"].as_array().unwrap();
    let all: u64 =
        counts.iter().flat_map(|step| step.as_array().unwrap()).map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((all, counts.len()), (100, 12));
    assert_eq!(map["edges"].as_array().unwrap().len(), counts[0].as_array().unwrap().len() + 1);
    assert_eq!(answer["behind"], 0);

    let compared = post(
        &console,
        "/api/query/compare",
        &json!({
            "query": {"start_time": START, "end_time": START + 60},
            "box": {"column": "duration_ms", "min": 5, "max": 1000, "start": START, "end": START + 60}
        }),
    )
    .json();
    assert_eq!((&compared["inside"], &compared["outside"]), (&json!(10), &json!(90)));
    assert_eq!(compared["columns"][0]["column"], "app.user_id");
    assert_eq!(compared["columns"][0]["values"][0], json!({"value": "quick", "inside": 0.0, "outside": 1.0}));
}

#[test]
fn columns_are_named_as_honeycomb_names_them() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let mut failed = span(1, 2, 1, "SELECT posts", 1, 2);
    failed.kind = CLIENT;
    failed.status = Some(Status { code: 2, message: "gone".to_owned() });
    failed.attributes = vec![
        attribute("db.rows", Any::IntValue(7)),
        attribute("ratio", Any::DoubleValue(0.5)),
        attribute("cached", Any::BoolValue(true)),
        text("service.name", "mine wins"),
    ];
    console.send("activities", vec![failed]);
    let answer = ask(
        &console,
        json!({"breakdowns": [
        "trace.trace_id", "trace.span_id", "trace.parent_id", "name", "span.kind", "type", "status_code", "status_message", "error",
        "duration_ms", "meta.signal_type", "library.name", "host.name", "db.rows", "ratio", "cached", "service.name", "no.such"]}),
    );
    assert_eq!(
        answer["rows"][0]["group"],
        json!({
        "trace.trace_id": "0000000000000001", "trace.span_id": "0000000000000002", "trace.parent_id": "0000000000000001",
        "name": "SELECT posts", "span.kind": "client", "type": "client", "status_code": 2, "status_message": "gone", "error": true,
        "duration_ms": 2, "meta.signal_type": "trace", "library.name": "test", "host.name": "desk", "db.rows": 7, "ratio": 0.5,
        "cached": true, "service.name": "mine wins", "no.such": null})
    );
    let columns = console.json("/api/columns");
    let find = |name: &str| {
        columns["columns"].as_array().unwrap().iter().find(|column| column["name"] == name).cloned()
    };
    assert_eq!(find("ratio"), Some(json!({"name": "ratio", "type": "float", "count": 1})));
    assert_eq!(find("error"), Some(json!({"name": "error", "type": "boolean", "count": 1})));
    assert_eq!(console.json("/api/datasets"), json!({"datasets": [{"name": "mine wins", "count": 1}]}));
    assert_eq!(
        console.json("/api/columns/values?column=name&prefix=sel"),
        json!({"values": [{"value": "SELECT posts", "count": 1}]})
    );
}

#[test]
fn what_comes_late_twice_or_after_a_restart_counts_once() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let count = json!({"calculations": [{"op": "COUNT"}, {"op": "SUM", "column": "meta.network_ms"}], "breakdowns": ["name"]});
    let mut server = span(1, 2, 1, "GET /", 12, 30);
    server.kind = SERVER;
    console.send("gateway", vec![server.clone()]);
    assert_eq!(
        table(&ask(&console, count.clone())),
        json!([[{"name": "GET /"}, {"COUNT": 1, "SUM(meta.network_ms)": null}]])
    );
    // The caller ends later, as callers do.
    let mut client = span(1, 1, 0, "fetch", 10, 35);
    client.kind = CLIENT;
    console.send("web", vec![client, server]);
    let expect = json!([[{"name": "GET /"}, {"COUNT": 1, "SUM(meta.network_ms)": null}],
                        [{"name": "fetch"}, {"COUNT": 1, "SUM(meta.network_ms)": 5}]]);
    assert_eq!(table(&ask(&console, count.clone())), expect);
    console.stop();
    let console = Console::start(&dir);
    let answer = crate::support::eventually("columns are there again", || {
        Some(ask(&console, count.clone())).filter(|answer| answer["behind"] == 0)
    });
    assert_eq!(table(&answer), expect);
}

#[test]
fn questions_and_spans_at_the_same_time() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let count = |query: Value| ask(&console, query)["rows"][0]["values"]["COUNT"].as_u64().unwrap();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for round in 0..40_u64 {
                let spans =
                    (0..50).map(|n| of_user(span(round.into(), round * 50 + n + 1, 0, "GET /", n, 1), "u"));
                let before = count(json!({}));
                console.send("gateway", spans.filter(|span| span.trace_id != [0; 16]).collect());
                // What was acknowledged is in the next answer.
                assert_eq!(count(json!({})), before + if round == 0 { 0 } else { 50 });
            }
        });
        let mut last = 0;
        while !sender.is_finished() {
            let now = count(json!({"filters": [{"column": "app.user_id", "op": "=", "value": "u"}]}));
            assert!(now >= last, "{now} after {last}");
            last = now;
        }
    });
    assert_eq!(count(json!({})), 39 * 50);
}

#[test]
fn what_is_pruned_is_in_no_answer() {
    let dir = TempDir::new();
    let console = Console::start_with(&dir, &[("CONSOLE_MAX_BYTES", "1048576")]);
    let filler = "x".repeat(2_000);
    for round in 0..20_u64 {
        let spans = (0..100).map(|n| {
            let id = round * 100 + n + 1;
            let mut span = span(id.into(), id, 0, "filler", n, 1);
            span.attributes = vec![text("filler", &format!("{id}{filler}"))];
            span
        });
        console.send("a", spans.collect());
    }
    let answer = crate::support::eventually("the columns hold what the store holds", || {
        let answer = ask(
            &console,
            json!({"calculations": [{"op": "COUNT"}, {"op": "COUNT_DISTINCT", "column": "filler"}]}),
        );
        let spans = console.json("/api/stats")["spans"].clone();
        (answer["rows"][0]["values"]["COUNT"] == spans).then_some(answer)
    });
    let count = answer["rows"][0]["values"]["COUNT"].as_u64().unwrap();
    assert!((1..2_000).contains(&count), "{count}");
    assert_eq!(answer["rows"][0]["values"]["COUNT_DISTINCT(filler)"], count);
}

#[test]
fn the_map_of_services() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let kind = |mut span: Span, kind: i32| {
        span.kind = kind;
        span
    };
    let mut query = kind(span(1, 4, 3, "SELECT", 12, 4), CLIENT);
    query.attributes = vec![text("db.system.name", "postgresql"), text("db.namespace", "users")];
    let mut failed = kind(span(1, 3, 2, "GET /users", 11, 6), SERVER);
    failed.status = Some(Status { code: 2, message: String::new() });
    console.send(
        "gateway",
        vec![kind(span(1, 1, 0, "GET /", 0, 20), SERVER), kind(span(1, 2, 1, "GET", 10, 8), CLIENT)],
    );
    console.send("users", vec![failed, query]);
    let map = console.json(&format!("/api/service-map?start={START}&end={}", START + 60));
    assert_eq!(
        map,
        json!({
        "nodes": [
            {"service": "gateway", "kind": "service", "requests": 1, "errors": 0, "p50_ms": 20.0, "p95_ms": 20.0},
            {"service": "postgresql users", "kind": "database", "requests": 1, "errors": 0, "p50_ms": 4.0, "p95_ms": 4.0},
            {"service": "users", "kind": "service", "requests": 1, "errors": 1, "p50_ms": 6.0, "p95_ms": 6.0}],
        "edges": [
            {"from": "gateway", "to": "users", "requests": 1, "errors": 1, "p95_ms": 6.0},
            {"from": "users", "to": "postgresql users", "requests": 1, "errors": 0, "p95_ms": 4.0}]})
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let check = |path: &str, body: Value, detail: &str| {
        let answer = post(&console, path, &body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["detail"].as_str().unwrap().starts_with(detail), "{}", answer.text());
    };
    check(
        "/api/query",
        json!({"calculations": [{"op": "P95"}]}),
        "calculations[0].column: P95 needs a column",
    );
    check("/api/query", json!({"dataset": 1}), "dataset: must be a string");
    check("/api/query", json!({"breakdowns": ["root.name"]}), "breakdowns[0]: ");
    check("/api/query", json!([]), "a query is a JSON object");
    let r#box = json!({"column": "duration_ms", "min": 0, "max": 1, "start": 0, "end": 1});
    check("/api/query/compare", json!({"query": {"limit": 0}, "box": r#box}), "query.limit: ");
}

#[test]
fn saved_queries_are_files() {
    let dir = TempDir::new();
    let queries = dir.path().join("queries");
    let console = Console::start_with(&dir, &[("CONSOLE_QUERIES_DIR", queries.to_str().unwrap())]);
    assert_eq!(console.json("/api/queries"), json!({"queries": [], "invalid": []}));
    let put = |name: &str, body: Value| {
        request(
            console.ports.web,
            "PUT",
            &format!("/api/queries/{name}"),
            &[JSON],
            body.to_string().as_bytes(),
        )
    };
    let spec = json!({"calculations": [{"op": "COUNT"}], "limit": 10});
    let saved = put("by-name", json!({"title": "By name", "query": spec}));
    assert_eq!(saved.status, 200, "{}", saved.text());
    let file: Value = serde_json::from_slice(&std::fs::read(queries.join("by-name.json")).unwrap()).unwrap();
    assert_eq!(file, spec, "the bare specification");
    assert_eq!(console.json("/api/queries")["queries"][0]["title"], "By name");
    for (name, body) in [
        ("By-Name", json!({"title": "x", "query": {}})),
        ("..%2Fx", json!({"title": "x", "query": {}})),
        ("x", json!({"title": "", "query": {}})),
        ("x", json!({"title": "x", "query": {"limit": 0}})),
        ("x", json!({"title": "x", "query": {}, "more": 1})),
    ] {
        assert_eq!(put(name, body.clone()).status, 400, "{name} {body}");
    }
    assert_eq!(std::fs::read_dir(&queries).unwrap().count(), 2);
}

#[test]
fn the_queries_that_come_along_are_valid_and_run() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let saved = console.json("/api/queries");
    assert_eq!(saved["invalid"], json!([]));
    let queries = saved["queries"].as_array().unwrap();
    assert!(queries.len() >= 7);
    for saved in queries {
        let answer = post(&console, "/api/query", &saved["query"]);
        assert_eq!(answer.status, 200, "{}: {}", saved["name"], answer.text());
    }
}
