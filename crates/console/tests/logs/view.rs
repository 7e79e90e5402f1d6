//! The console's own view of log events: read, followed, kept and pruned.

use serde_json::{Value, json};

use super::{TRACE, now, put, some_lines, stream};
use crate::support::{Console, TempDir, eventually, request, span, text, trace_path};

#[test]
fn the_view_of_logs() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let start = some_lines(&console) * 1_000_000;
    let found = |query: &str| -> Vec<i64> {
        // `&&` is no separator.
        let query = query.replace("&&", "AND");
        let encode = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.replace("AND", "&&");
            format!("{name}={}&", url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>())
        };
        let encoded: String = query.split('&').map(encode).collect();
        let page = console.json(&format!("/api/logs?{encoded}"));
        page["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| (event["time_unix_nano"].as_i64().unwrap() - start) / 1_000_000)
            .collect()
    };
    for (query, expect) in [
        ("", vec![4, 3, 2, 1, 0]),
        ("group=cruddur", vec![3, 2, 1, 0]),
        ("group=cruddur&stream=users/1", vec![3, 1]),
        ("service=gateway", vec![2, 1, 0]),
        ("level=error", vec![2]),
        ("level=WARN,critical", vec![3, 1]),
        (&format!("trace_id={TRACE}"), vec![3, 2, 1]),
        (&format!("trace_id={TRACE}&span_id=00f067aa0ba902b7"), vec![2, 1]),
        (&format!("start={}&end={}", start + 1_000_000, start + 3_000_000), vec![2, 1]),
        ("q=pool", vec![4, 2, 0]),
        ("q=POO", vec![4, 2, 0]),
        ("q=pool timed", vec![2]),
        ("q=\"pool timed\"", vec![2]),
        ("q=\"timed pool\"", vec![]),
        ("q=pool -connection", vec![4]),
        ("q=-pool", vec![3, 1]),
        ("q=memory", vec![3]),
        ("q={ $.user_id = 17 && $.level != \"INFO\" }", vec![2, 1]),
        ("q=[ip, dash, user, request, status = 4*, bytes > 1000]", vec![4]),
        ("q=?slow ?memory", vec![3, 1]),
        ("q=pool&group=nginx", vec![4]),
        ("limit=2", vec![4, 3]),
    ] {
        assert_eq!(found(query), expect, "{query}");
    }
    let events = console.json("/api/logs?level=error")["events"].clone();
    let mut event = events[0].clone();
    assert!(event["id"].is_string());
    event
        .as_object_mut()
        .unwrap()
        .retain(|key, _| !["id", "time_unix_nano", "message"].contains(&key.as_str()));
    assert_eq!(
        event,
        json!({ "group": "cruddur", "stream": "gateway/1", "level": "error", "service": "gateway", "trace_id": TRACE,
            "span_id": "00f067aa0ba902b7", "fields": { "timestamp": "2026-01-01T00:00:00Z", "level": "ERROR", "service": "gateway",
            "message": "connection pool timed out", "trace_id": TRACE, "span_id": "00f067aa0ba902b7", "user_id": 17 } })
    );
    let page = console.json("/api/logs?limit=3");
    let rest = console.json(&format!("/api/logs?limit=3&before={}", page["next"].as_str().unwrap()));
    assert_eq!((rest["events"].as_array().unwrap().len(), &rest["next"]), (2, &Value::Null));
    let page = console.json("/api/logs?q=pool&limit=2");
    let rest = console.json(&format!("/api/logs?q=pool&limit=2&before={}", page["next"].as_str().unwrap()));
    assert_eq!((rest["events"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    let groups = console.json("/api/logs/groups");
    assert_eq!(groups["groups"][0]["name"], "cruddur");
    assert_eq!(groups["groups"][0]["streams"], json!(["gateway/1", "users/1"]));
    assert_eq!((&groups["groups"][0]["events"], &groups["groups"][1]["events"]), (&json!(4), &json!(1)));
    for bad in ["level=loud", "trace_id=7", "start=now", "before=x", "q=%7B%20x%20%7D", "q=%21%21"] {
        assert_eq!(console.get(&format!("/api/logs?{bad}")).status, 400, "{bad}");
    }
}

#[test]
fn the_tail_tells_what_comes_and_only_that() {
    use std::io::{BufRead, BufReader, Write};
    let dir = TempDir::new();
    let console = Console::start(&dir);
    some_lines(&console);
    let mut connection = crate::support::connect(console.ports.web);
    let head = "GET /api/logs/tail?level=error&q=pool HTTP/1.1\r\nhost: localhost\r\n\r\n";
    connection.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(connection).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == ": connected"));
    let line = |level: &str, text: &str| (now(), json!({ "level": level, "message": text }).to_string());
    put(&console, "cruddur", "users/1", &[line("INFO", "pool 1"), line("ERROR", "other")]);
    put(&console, "cruddur", "users/1", &[line("ERROR", "pool 2")]);
    let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
    let event: Value = serde_json::from_str(&data).unwrap();
    let texts: Vec<_> =
        event["events"].as_array().unwrap().iter().map(|event| event["fields"]["message"].clone()).collect();
    assert_eq!(texts, [json!("pool 2")]);
}

#[test]
fn what_is_stored_survives_a_restart_and_a_store_of_schema_2_is_taken_over() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let mut before = span(1, 1, 0, "before", 0, 5);
    before.attributes = vec![text("app.user_id", "17")];
    console.send("a", vec![before]);
    let before = console.json(&trace_path(1));
    console.stop();
    let store = rusqlite::Connection::open(dir.path().join("traces.db")).unwrap();
    store
        .execute_batch(
            "DROP TABLE log_groups; DROP TABLE log_streams; DROP TABLE logs; DROP TABLE logs_text; DROP TABLE errors;
             DROP TABLE occurrences; DROP TABLE error_people; DROP TABLE deploys;
             DROP TABLE shapes; ALTER TABLE spans DROP COLUMN shape;
             UPDATE spans SET attributes = '{\"app.user_id\":\"17\"}'; PRAGMA user_version = 2;",
        )
        .unwrap();
    drop(store);
    let console = Console::start(&dir);
    assert_eq!(console.json(&trace_path(1)), before);
    some_lines(&console);
    let before = console.json("/api/logs?q=pool");
    console.stop();
    let console = Console::start(&dir);
    assert_eq!(console.json("/api/logs?q=pool"), before);
    assert_eq!(before["events"].as_array().unwrap().len(), 3);
}

#[test]
fn the_oldest_go_when_the_store_is_full_of_whatever_kind() {
    let dir = TempDir::new();
    let max_bytes = 2 << 20;
    let console = Console::start_with(&dir, &[("CONSOLE_MAX_BYTES", &max_bytes.to_string())]);
    stream(&console, "g", "s");
    let item =
        json!({ "data": { "environment": "test", "body": { "message": { "body": "first" } } } }).to_string();
    let rollbar = |item: &str| {
        request(
            console.ports.web,
            "POST",
            "/api/1/item/",
            &[("x-rollbar-access-token", "x")],
            item.as_bytes(),
        )
        .status
    };
    assert_eq!(rollbar(&item), 200);
    let mut sent = 0;
    for part in 0..40 {
        let events: Vec<_> = (0..500)
            .map(|n| {
                (
                    now(),
                    format!("line {part}.{n} of words that differ: {:x} {:x}", part * 7_919 + n, n * 104_729),
                )
            })
            .collect();
        put(&console, "g", "s", &events);
        sent += 500;
    }
    // While lines are pruned, those that are left are counted a moment before those that are gone.
    let mut stats = Value::Null;
    eventually("the store is below its cap, and what is left and what is gone is what was sent", || {
        stats = console.json("/api/stats");
        let number = |pointer: &str| stats.pointer(pointer).unwrap().as_u64().unwrap();
        let adds_up = number("/pruned/logs") + number("/log_events") == sent;
        (adds_up && number("/bytes") <= max_bytes).then_some(())
    });
    let number = |pointer: &str| stats.pointer(pointer).unwrap().as_u64().unwrap();
    assert_eq!(number("/stored/cloudwatch"), sent);
    assert!(number("/pruned/logs") > 0, "{stats}");
    assert!(number("/log_events") > 5_000, "pruning frees what it prunes: {stats}");
    // The error came first, so it went first, and its group with it.
    assert_eq!((number("/errors"), number("/occurrences"), number("/pruned/occurrences")), (0, 0, 1));
    // What is left is the newest, and the index of words knows no more than that.
    assert_eq!(console.json("/api/logs?q=39.499")["events"].as_array().unwrap().len(), 1);
    assert_eq!(console.json("/api/logs?q=%22line+0.0%22")["events"], json!([]));
    let groups = console.json("/api/logs/groups");
    assert_eq!(groups["groups"][0]["events"].as_u64(), Some(number("/log_events")));
    assert_eq!(rollbar(&item), 200);
    assert_eq!(console.json("/api/stats")["errors"], 1);
}

#[test]
fn those_who_read_need_the_token_and_those_who_send_do_not() {
    let dir = TempDir::new();
    let console = Console::start_with(&dir, &[("CONSOLE_TOKEN", "secret")]);
    let signed = |operation: &str, key: &str, body: &Value| {
        let target = format!("Logs_20140328.{operation}");
        let sign = format!(
            "AWS4-HMAC-SHA256 Credential={key}/20261121/us-east-1/logs/aws4_request, SignedHeaders=host, Signature=00"
        );
        let headers = [("x-amz-target", target.as_str()), ("authorization", sign.as_str())];
        let answer = request(console.ports.web, "POST", "/", &headers, body.to_string().as_bytes());
        (answer.status, answer.header("x-amzn-errortype").map(str::to_owned))
    };
    let denied = (400, Some("UnrecognizedClientException".to_owned()));
    let body = json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": [{ "timestamp": now(), "message": "x" }] });
    let group = json!({ "logGroupName": "g" });
    assert_eq!(signed("CreateLogGroup", "any", &group).0, 200);
    assert_eq!(
        signed("CreateLogStream", "any", &json!({ "logGroupName": "g", "logStreamName": "s" })).0,
        200
    );
    assert_eq!(signed("PutLogEvents", "any", &body).0, 200);
    assert_eq!(signed("FilterLogEvents", "any", &group), denied);
    assert_eq!(signed("DeleteLogGroup", "any", &group), denied);
    assert_eq!(signed("FilterLogEvents", "secret", &group).0, 200);
    for path in ["/api/logs", "/api/errors", "/api/logs/groups", "/api/logs/tail"] {
        assert_eq!(console.get(path).status, 401, "{path}");
    }
    let item = br#"{"data":{"environment":"e","body":{"message":{"body":"x"}}}}"#;
    assert_eq!(
        request(console.ports.web, "POST", "/api/1/item/", &[("x-rollbar-access-token", "x")], item).status,
        200
    );
}
