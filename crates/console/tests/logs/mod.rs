//! CloudWatch Logs, and the console's own view of log events; here what the tests of both share.

mod api;
mod view;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Answer, Console, request};

const TRACE: &str = "68b329da9893e34099c7d8ad5cb9c940";
const DAY: i64 = 24 * 60 * 60 * 1_000;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn call(console: &Console, operation: &str, body: &Value) -> Answer {
    let target = format!("Logs_20140328.{operation}");
    let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.1")];
    request(console.ports.web, "POST", "/", &headers, body.to_string().as_bytes())
}

/// What a call that must succeed answers.
fn ask(console: &Console, operation: &str, body: &Value) -> Value {
    let answer = call(console, operation, body);
    assert_eq!(answer.status, 200, "{operation}: {}", answer.text());
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

fn refused(console: &Console, operation: &str, body: &Value) -> (String, String) {
    let answer = call(console, operation, body);
    assert_eq!(answer.status, 400, "{operation}: {}", answer.text());
    let kind = answer.json()["__type"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("x-amzn-errortype"), Some(kind.as_str()));
    (kind, answer.json()["message"].as_str().unwrap().to_owned())
}

fn stream(console: &Console, group: &str, stream: &str) {
    let _ = call(console, "CreateLogGroup", &json!({ "logGroupName": group }));
    ask(console, "CreateLogStream", &json!({ "logGroupName": group, "logStreamName": stream }));
}

fn put(console: &Console, group: &str, stream: &str, events: &[(i64, String)]) -> Value {
    let events: Vec<_> =
        events.iter().map(|(time, text)| json!({ "timestamp": time, "message": text })).collect();
    ask(
        console,
        "PutLogEvents",
        &json!({ "logGroupName": group, "logStreamName": stream, "logEvents": events }),
    )
}

fn messages(answer: &Value) -> Vec<String> {
    let events = answer["events"].as_array().unwrap();
    events.iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

fn some_lines(console: &Console) -> i64 {
    stream(console, "cruddur", "gateway/1");
    stream(console, "cruddur", "users/1");
    stream(console, "nginx", "access");
    let start = now() - 10_000;
    let line = |level: &str, text: &str, trace: &str| {
        json!({ "timestamp": "2026-01-01T00:00:00Z", "level": level, "service": "gateway", "message": text, "trace_id": trace,
            "span_id": "00f067aa0ba902b7", "user_id": 17 })
        .to_string()
    };
    let other = "00000000000000000000000000000002";
    put(
        console,
        "cruddur",
        "gateway/1",
        &[
            (start, line("INFO", "connection pool is ready", other)),
            (start + 2, line("ERROR", "connection pool timed out", TRACE)),
        ],
    );
    put(console, "cruddur", "users/1", &[
        (start + 1, line("warning", "slow query", TRACE)),
        (start + 3, "2026-01-01 00:00:00 [CRITICAL] out of memory, Root=1-68b329da-9893e34099c7d8ad5cb9c940;Sampled=1".to_owned()),
    ]);
    put(
        console,
        "nginx",
        "access",
        &[(start + 4, "127.0.0.1 - frank \"GET /pool HTTP/1.1\" 404 1534".to_owned())],
    );
    start
}
