//! What is kept, for how long, and in what order it may come.

use prost::Message;
use serde_json::{Value, json};

use crate::support::{Console, PROTOBUF, TempDir, export, span, text, trace_path};

#[test]
fn a_batch_sent_again_is_stored_once() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let batch = || vec![span(1, 1, 0, "a", 0, 5), span(1, 2, 1, "b", 1, 2), span(2, 1, 0, "c", 2, 2)];
    for _ in 0..10 {
        console.send("a", batch());
    }
    let stats = console.json("/api/stats");
    assert_eq!(stats["received"]["otlp"], 30);
    assert_eq!(stats["stored"]["otlp"], 3);
    assert_eq!(stats["duplicates"]["otlp"], 27);
    assert_eq!((&stats["spans"], &stats["traces"]), (&json!(3), &json!(2)));
    assert_eq!(console.json(&trace_path(1))["span_count"], 2);
}

#[test]
fn a_summary_follows_what_arrives() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let check = |expect: serde_json::Value| {
        let mut summary = console.json("/api/traces")["traces"][0].clone();
        summary.as_object_mut().unwrap().retain(|key, _| expect.get(key).is_some());
        assert_eq!(summary, expect);
    };
    let mut failed = span(1, 3, 2, "SELECT", 20, 10);
    failed.status = Some(opentelemetry_proto::tonic::trace::v1::Status { code: 2, message: String::new() });
    console.send("users", vec![failed]);
    check(json!({"name": "SELECT", "service": "users", "root": false, "span_count": 1, "error_count": 1,
                 "services": ["users"], "duration_nano": 10_000_000}));
    console.send("gateway", vec![span(1, 2, 1, "GET", 10, 30)]);
    check(json!({"name": "GET", "service": "gateway", "root": false, "span_count": 2, "error_count": 1,
                 "services": ["gateway", "users"], "duration_nano": 30_000_000}));
    console.send("web", vec![span(1, 1, 0, "click", 15, 100)]);
    check(json!({"name": "click", "service": "web", "root": true, "span_count": 3, "error_count": 1,
                 "services": ["gateway", "users", "web"], "duration_nano": 105_000_000}));
}

#[test]
fn a_restart_keeps_everything() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    console.send("a", vec![span(1, 1, 0, "before", 0, 5)]);
    let before = console.json(&trace_path(1));
    console.stop();
    let console = Console::start(&dir);
    assert_eq!(console.json(&trace_path(1)), before);
    console.send("a", vec![span(1, 1, 0, "before", 0, 5), span(1, 2, 1, "after", 1, 5)]);
    let stats = console.json("/api/stats");
    assert_eq!((&stats["spans"], &stats["traces"]), (&json!(2), &json!(1)));
    assert_eq!(stats["duplicates"]["otlp"], 1);
}

#[test]
fn a_second_console_on_the_same_files_does_not_start() {
    let dir = TempDir::new();
    let _console = Console::start(&dir);
    let env = env::Env::from_pairs([
        ("LISTEN", "127.0.0.1:0"),
        ("CONSOLE_OTLP_HTTP", "127.0.0.1:0"),
        ("CONSOLE_OTLP_GRPC", "127.0.0.1:0"),
        ("CONSOLE_DATA_DIR", dir.path().to_str().unwrap()),
    ]);
    let config = console::Config::from_env(&env).unwrap();
    let Err(error) = actix_web::rt::System::new().block_on(console::Application::build(config)) else {
        panic!("a second console started");
    };
    let expect = format!(
        "CONSOLE_DATA_DIR: {} is used by another console; give this one a CONSOLE_DATA_DIR of its own",
        dir.path().display()
    );
    assert_eq!(error.to_string(), expect);
}

#[test]
fn a_file_that_is_no_database_is_put_aside() {
    let dir = TempDir::new();
    std::fs::write(dir.path().join("traces.db"), "this is no database, but it is someone's".repeat(100))
        .unwrap();
    let console = Console::start(&dir);
    console.send("a", vec![span(1, 1, 0, "x", 0, 5)]);
    assert_eq!(console.json(&trace_path(1))["span_count"], 1);
    let aside = std::fs::read_dir(dir.path())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .find(|name| name.starts_with("traces.db.broken-"));
    assert!(aside.is_some(), "the old file is kept");
}

#[test]
fn the_oldest_traces_go_when_the_store_is_full() {
    let dir = TempDir::new();
    let max_bytes = 2 << 20;
    let console = Console::start_with(&dir, &[("CONSOLE_MAX_BYTES", &max_bytes.to_string())]);
    let ballast = "x".repeat(10_000);
    let mut sent = 0;
    for trace in 1..=400_u128 {
        let mut root = span(trace, 1, 0, "root", trace as u64, 1);
        root.attributes = vec![text("ballast", &ballast)];
        console.send("a", vec![root, span(trace, 2, 1, "child", trace as u64, 1)]);
        sent += 2;
    }
    let stats = console.json("/api/stats");
    let number = |pointer: &str| stats.pointer(pointer).unwrap().as_u64().unwrap();
    assert!(number("/bytes") <= max_bytes, "{stats}");
    assert!(std::fs::metadata(dir.path().join("traces.db")).unwrap().len() <= max_bytes + (1 << 20));
    assert_eq!(number("/stored/otlp"), sent);
    assert_eq!(number("/pruned/spans") + number("/spans"), sent);
    assert_eq!(number("/pruned/traces") + number("/traces"), 400);
    assert!(number("/pruned/traces") > 100, "{stats}");
    // Whole traces only, the first ones, and a link to one says what became of it.
    assert_eq!(console.json(&trace_path(400))["span_count"], 2);
    let gone = console.get(&trace_path(1));
    assert_eq!(gone.status, 410, "{}", gone.text());
    let detail = gone.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("pruned at 2"), "{detail}");
    assert!(detail.ends_with(" UTC by the cap of 2 MiB (CONSOLE_MAX_BYTES)"), "{detail}");
    assert_eq!(console.get(&trace_path(401)).status, 404);
    // A late span begins it anew, and the answer says that it is not whole.
    console.send("a", vec![span(1, 3, 1, "late", 0, 1)]);
    let late = console.json(&trace_path(1));
    assert_eq!(late["span_count"], 1);
    assert!(late["pruned_unix_nano"].as_i64().unwrap() > 1_700_000_000_000_000_000);
}

#[test]
fn a_very_large_trace_is_read_whole_and_in_order() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    for part in 0..20_u64 {
        // Backwards, so that order of arrival and order of start differ.
        let first = (19 - part) * 5_000;
        let spans = (first + 1..=first + 5_000).map(|id| span(1, id, id / 10, "span", id, 1)).collect();
        console.send("a", spans);
    }
    let answer = console.get(&(trace_path(1) + "?brief=true")).text();
    assert!(answer.contains(r#""span_count":100000,"#) && answer.ends_with("]}"), "{}", &answer[..200]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let parts = answer["columns"].as_array().unwrap().iter();
    let starts: Vec<i64> = parts
        .flat_map(|part| part["start"].as_array().unwrap().iter().map(|start| start.as_i64().unwrap()))
        .collect();
    assert_eq!(starts.len(), 100_000);
    assert!(starts.is_sorted());
}

#[test]
fn a_trace_without_end_stops_at_its_limit() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    for part in 0..25_u64 {
        let spans = (part * 10_000 + 1..=(part + 1) * 10_000).map(|id| span(1, id, 0, "", id, 1)).collect();
        console.send("a", spans);
    }
    let body = export("a", vec![span(1, 999_999, 0, "", 0, 1), span(2, 1, 0, "", 0, 1)]).encode_to_vec();
    let answer = console.post("/v1/traces", &[PROTOBUF], &body);
    assert!(answer.text().contains("as many spans as the console keeps"), "{}", answer.text());
    let stats = console.json("/api/stats");
    assert_eq!(stats["refused"]["trace_too_large"], 1);
    assert_eq!((&stats["spans"], &stats["traces"]), (&json!(250_001), &json!(2)));
}
