//! CloudWatch Logs: what `PutLogEvents` takes and refuses, what is read back, and the console's own view of it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Answer, Console, GZIP, TempDir, eventually, gzip, request, span};

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

#[test]
fn groups_and_streams() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let group = |name: &str| json!({ "logGroupName": name });
    assert_eq!(
        call(&console, "CreateLogGroup", &json!({ "logGroupName": "b", "tags": { "team": "x" } })).text(),
        ""
    );
    ask(&console, "CreateLogGroup", &group("a/1"));
    for (operation, body, kind, says) in [
        ("CreateLogGroup", group("b"), "ResourceAlreadyExistsException", "already exists"),
        ("CreateLogGroup", group("no blanks"), "InvalidParameterException", "regular expression pattern"),
        ("CreateLogGroup", group(""), "InvalidParameterException", "greater than or equal to 1"),
        ("CreateLogGroup", group(&"x".repeat(513)), "InvalidParameterException", "less than or equal to 512"),
        ("CreateLogGroup", group("aws/x"), "InvalidParameterException", "reserved"),
        ("CreateLogGroup", json!({}), "InvalidParameterException", "'logGroupName'"),
        (
            "DeleteLogGroup",
            group("none"),
            "ResourceNotFoundException",
            "The specified log group does not exist.",
        ),
        (
            "CreateLogStream",
            json!({ "logGroupName": "none", "logStreamName": "s" }),
            "ResourceNotFoundException",
            "log group",
        ),
        (
            "CreateLogStream",
            json!({ "logGroupName": "b", "logStreamName": "a:b" }),
            "InvalidParameterException",
            "[^:*]*",
        ),
        (
            "DeleteLogStream",
            json!({ "logGroupName": "b", "logStreamName": "s" }),
            "ResourceNotFoundException",
            "log stream",
        ),
        (
            "PutRetentionPolicy",
            json!({ "logGroupName": "b", "retentionInDays": 2 }),
            "InvalidParameterException",
            "retentionInDays",
        ),
        (
            "DescribeLogStreams",
            json!({ "logGroupName": "b", "orderBy": "LastEventTime", "logStreamNamePrefix": "s" }),
            "InvalidParameterException",
            "LastEventTime",
        ),
        ("StartLiveTail", json!({}), "UnknownOperationException", "not kept here"),
        ("CreateLogGroup", json!({ "logGroupName": 7 }), "SerializationException", "not valid"),
    ] {
        let (found, message) = refused(&console, operation, &body);
        assert_eq!(found, kind, "{operation} {body}: {message}");
        assert!(message.contains(says), "{operation} {body}: {message}");
    }
    ask(&console, "PutRetentionPolicy", &json!({ "logGroupName": "b", "retentionInDays": 7 }));
    for name in ["s2", "s1", "t"] {
        ask(&console, "CreateLogStream", &json!({ "logGroupName": "b", "logStreamName": name }));
    }
    let groups = ask(&console, "DescribeLogGroups", &json!({}));
    let names = |list: &Value, key: &str| -> Vec<String> {
        list.as_array().unwrap().iter().map(|it| it[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&groups["logGroups"], "logGroupName"), ["a/1", "b"]);
    assert_eq!(
        (&groups["logGroups"][0]["retentionInDays"], &groups["logGroups"][1]["retentionInDays"]),
        (&Value::Null, &json!(7))
    );
    let arn = groups["logGroups"][1]["arn"].as_str().unwrap();
    assert!(arn.ends_with(":log-group:b:*"), "{arn}");
    let tags = ask(&console, "ListTagsForResource", &json!({ "resourceArn": arn }));
    assert_eq!(tags["tags"], json!({ "team": "x" }));

    let streams = |body: Value| ask(&console, "DescribeLogStreams", &body);
    assert_eq!(
        names(
            &streams(json!({ "logGroupName": "b", "logStreamNamePrefix": "s" }))["logStreams"],
            "logStreamName"
        ),
        ["s1", "s2"]
    );
    let page = streams(json!({ "logGroupName": "b", "limit": 2 }));
    assert_eq!(names(&page["logStreams"], "logStreamName"), ["s1", "s2"]);
    let rest = streams(json!({ "logGroupName": "b", "limit": 2, "nextToken": page["nextToken"] }));
    assert_eq!(
        (names(&rest["logStreams"], "logStreamName"), &rest["nextToken"]),
        (vec!["t".to_owned()], &Value::Null)
    );

    put(&console, "b", "t", &[(now(), "gone soon".to_owned())]);
    ask(&console, "DeleteLogStream", &json!({ "logGroupName": "b", "logStreamName": "t" }));
    assert_eq!(console.json("/api/logs")["events"], json!([]));
    ask(&console, "DeleteLogGroup", &group("b"));
    assert_eq!(names(&ask(&console, "DescribeLogGroups", &json!({}))["logGroups"], "logGroupName"), ["a/1"]);
    // The same names again are others.
    stream(&console, "b", "t");
    assert_eq!(
        ask(&console, "DescribeLogGroups", &json!({ "logGroupNamePrefix": "b" }))["logGroups"][0]["storedBytes"],
        0
    );
}

#[test]
fn put_log_events_refuses_what_aws_refuses() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    stream(&console, "g", "s");
    let time = now();
    let request = |events: Value| json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": events });
    let event = |time: i64, text: &str| json!({ "timestamp": time, "message": text });
    let many = |count: usize| vec![event(time, "x"); count];
    let invalid = "InvalidParameterException";
    for (name, body, kind, says) in [
        (
            "no group",
            json!({ "logGroupName": "none", "logStreamName": "s", "logEvents": many(1) }),
            "ResourceNotFoundException",
            "The specified log group does not exist.",
        ),
        (
            "no stream",
            json!({ "logGroupName": "g", "logStreamName": "none", "logEvents": many(1) }),
            "ResourceNotFoundException",
            "The specified log stream does not exist.",
        ),
        ("nothing", request(json!([])), invalid, "greater than or equal to 1"),
        ("10,001 events", request(json!(many(10_001))), invalid, "less than or equal to 10000"),
        (
            "an empty message",
            request(json!([event(time, "x"), event(time, "")])),
            invalid,
            "logEvents.2.member.message",
        ),
        ("no message", request(json!([{ "timestamp": time }])), invalid, "logEvents.1.member.message"),
        ("a negative time", request(json!([event(-1, "x")])), invalid, "greater than or equal to 0"),
        (
            "out of order",
            request(json!([event(time, "x"), event(time - 1, "x")])),
            invalid,
            "must be in chronological order.",
        ),
        (
            "more than a day",
            request(json!([event(time - DAY - 1, "x"), event(time, "x")])),
            invalid,
            "cannot span more than 24 hours.",
        ),
        (
            "1 MiB and a byte",
            request(json!([event(time, &"x".repeat(1_048_551))])),
            invalid,
            "Upload too large: 1048577 bytes exceeds limit of 1048576",
        ),
        (
            "a time that is none",
            request(json!([{ "timestamp": "now", "message": "x" }])),
            "SerializationException",
            "not valid",
        ),
    ] {
        let (found, message) = refused(&console, "PutLogEvents", &body);
        assert_eq!(found, kind, "{name}: {message}");
        assert!(message.contains(says), "{name}: {message}");
    }
    ask(&console, "PutLogEvents", &request(json!([event(time, &"ü".repeat(524_275))])));
    ask(&console, "PutLogEvents", &request(json!(many(10_000))));
    let stats = console.json("/api/stats");
    let of = |what: &str| stats[what]["cloudwatch"].as_u64().unwrap();
    assert_eq!(of("stored"), 10_001);
    assert_eq!(of("received"), of("stored") + of("duplicates") + of("dropped"));
    assert_eq!(stats["log_events"], 10_001);
}

#[test]
fn too_old_and_too_new_events_are_left_out_with_a_200() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    stream(&console, "g", "s");
    ask(&console, "PutRetentionPolicy", &json!({ "logGroupName": "g", "retentionInDays": 3 }));
    let hour = DAY / 24;
    let now = now();
    let events = |times: &[i64]| -> Vec<(i64, String)> {
        times.iter().map(|time| (now + time, "x".to_owned())).collect()
    };
    // AWS's ends are exclusive, its start is the first one.
    for (name, times, info) in [
        ("all good", vec![-hour, 0, hour], Value::Null),
        (
            "too old",
            vec![-14 * DAY - hour, -14 * DAY - 1_000],
            json!({ "tooOldLogEventEndIndex": 2, "expiredLogEventEndIndex": 2 }),
        ),
        ("expired", vec![-3 * DAY - hour, -3 * DAY + hour], json!({ "expiredLogEventEndIndex": 1 })),
        ("too new", vec![0, hour, 3 * hour, 4 * hour], json!({ "tooNewLogEventStartIndex": 2 })),
    ] {
        let answer = put(&console, "g", "s", &events(&times));
        assert_eq!(answer["rejectedLogEventsInfo"], info, "{name}");
    }
    let stats = console.json("/api/stats");
    assert_eq!(stats["cloudwatch"]["refused"], json!({ "too_old": 2, "expired": 1, "too_new": 2 }));
    assert_eq!((&stats["stored"]["cloudwatch"], &stats["received"]["cloudwatch"]), (&json!(6), &json!(11)));
}

#[test]
fn pages_end_as_aws_ends_them() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    stream(&console, "g", "s");
    let get = |more: Value| {
        let mut body = json!({ "logGroupName": "g", "logStreamName": "s" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask(&console, "GetLogEvents", &body)
    };
    let empty = get(json!({ "startFromHead": true }));
    let start = now() - 60_000;
    let events: Vec<_> = (0..10).map(|n| (start + n, format!("e{n}"))).collect();
    put(&console, "g", "s", &events);
    // The token of an empty stream leads to what came later.
    assert_eq!(messages(&get(json!({ "nextToken": empty["nextForwardToken"], "limit": 2 }))), ["e0", "e1"]);

    let head = get(json!({ "startFromHead": true, "limit": 4 }));
    assert_eq!(messages(&head), ["e0", "e1", "e2", "e3"]);
    let second = get(json!({ "nextToken": head["nextForwardToken"], "limit": 7 }));
    assert_eq!(messages(&second), ["e4", "e5", "e6", "e7", "e8", "e9"]);
    let end = get(json!({ "nextToken": second["nextForwardToken"] }));
    assert_eq!(
        (messages(&end).len(), &end["nextForwardToken"]),
        (0, &second["nextForwardToken"]),
        "the same token is the end"
    );
    let back = get(json!({ "nextToken": second["nextBackwardToken"], "limit": 3 }));
    assert_eq!(messages(&back), ["e1", "e2", "e3"], "backwards, but in order");
    let tail = get(json!({ "limit": 3 }));
    assert_eq!(messages(&tail), ["e7", "e8", "e9"], "without startFromHead the newest, in order");
    let first = get(json!({ "startTime": start + 2, "endTime": start + 4 }));
    assert_eq!(messages(&first), ["e2", "e3"], "the end is exclusive");

    let filter = |more: Value| {
        let mut body = json!({ "logGroupName": "g" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask(&console, "FilterLogEvents", &body)
    };
    ask(&console, "CreateLogStream", &json!({ "logGroupName": "g", "logStreamName": "t" }));
    put(&console, "g", "t", &[(start + 3, "f3".to_owned()), (start + 20, "f20".to_owned())]);
    let mut all = Vec::new();
    let mut page = filter(json!({ "limit": 5 }));
    loop {
        all.extend(messages(&page));
        let Some(token) = page.get("nextToken").cloned() else { break };
        page = filter(json!({ "limit": 5, "nextToken": token }));
    }
    assert_eq!(
        all,
        ["e0", "e1", "e2", "e3", "f3", "e4", "e5", "e6", "e7", "e8", "e9", "f20"],
        "over streams in order of time"
    );
    assert_eq!(messages(&filter(json!({ "logStreamNames": ["t"] }))), ["f3", "f20"]);
    assert_eq!(messages(&filter(json!({ "logStreamNamePrefix": "s", "filterPattern": "e9" }))), ["e9"]);
    let found = filter(json!({ "filterPattern": "f20" }));
    assert_eq!(found["events"][0]["logStreamName"], "t");
    assert_eq!(found["events"][0]["eventId"].as_str().unwrap().len(), 56);
    for (operation, body, says) in [
        (
            "GetLogEvents",
            json!({ "logGroupName": "g", "logStreamName": "s", "nextToken": "f/1" }),
            "nextToken",
        ),
        ("GetLogEvents", json!({ "logGroupName": "g", "logStreamName": "s", "limit": 10_001 }), "limit"),
        (
            "FilterLogEvents",
            json!({ "logGroupName": "g", "filterPattern": "{ $.x = }" }),
            "Invalid filter pattern: a value is missing here (at character 8)",
        ),
        (
            "FilterLogEvents",
            json!({ "logGroupName": "g", "logStreamNames": ["s"], "logStreamNamePrefix": "s" }),
            "Only one of",
        ),
    ] {
        let (kind, message) = refused(&console, operation, &body);
        assert!(
            kind == "InvalidParameterException" && message.contains(says),
            "{operation}: {kind}: {message}"
        );
    }
}

/// Five lines of three makers.
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
    console.send("a", vec![span(1, 1, 0, "before", 0, 5)]);
    console.stop();
    let store = rusqlite::Connection::open(dir.path().join("traces.db")).unwrap();
    store
        .execute_batch(
            "DROP TABLE log_groups; DROP TABLE log_streams; DROP TABLE logs; DROP TABLE logs_text; DROP TABLE errors;
             DROP TABLE occurrences; DROP TABLE error_people; DROP TABLE deploys; PRAGMA user_version = 2;",
        )
        .unwrap();
    drop(store);
    let console = Console::start(&dir);
    assert_eq!(console.json("/api/stats")["traces"], 1);
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
    let stats = eventually("the store is below its cap", || {
        let stats = console.json("/api/stats");
        (stats["bytes"].as_u64().unwrap() <= max_bytes).then_some(stats)
    });
    let number = |pointer: &str| stats.pointer(pointer).unwrap().as_u64().unwrap();
    assert_eq!(number("/stored/cloudwatch"), sent);
    assert_eq!(number("/pruned/logs") + number("/log_events"), sent);
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

#[test]
fn hostile_requests() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    stream(&console, "g", "s");
    let send = |headers: &[(&str, &str)], body: &[u8]| {
        let mut all = vec![("x-amz-target", "Logs_20140328.PutLogEvents")];
        all.extend(headers);
        request(console.ports.web, "POST", "/", &all, body).status
    };
    let body = json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": [{ "timestamp": now(), "message": "{\"level\":\"ERROR\",\"trace_id\":7}" }] }).to_string();
    let bomb = gzip(&vec![b' '; 20 << 20]);
    for (name, status, expect) in [
        ("packed", send(&[GZIP], &gzip(body.as_bytes())), 200),
        ("a bomb", send(&[GZIP], &bomb), 413),
        ("not gzip", send(&[GZIP], b"{}"), 400),
        ("no JSON", send(&[], b"{"), 400),
        ("nested without end", send(&[], &b"[".repeat(100_000)), 400),
        ("not UTF-8", send(&[], b"{\"logGroupName\":\"\xff\"}"), 400),
        ("another host", send(&[("host", "evil.example")], body.as_bytes()), 403),
        ("another origin", send(&[("origin", "https://evil.example")], body.as_bytes()), 400),
    ] {
        assert_eq!(status, expect, "{name}");
    }
    let texts = ["\u{0}", "\" OR 1=1 --", "'; DROP TABLE logs", "{\"level\":", "\u{202e}trojan", "\u{1F600}"];
    let events: Vec<_> = texts.iter().map(|text| (now(), (*text).to_owned())).collect();
    put(&console, "g", "s", &events);
    let read = ask(
        &console,
        "GetLogEvents",
        &json!({ "logGroupName": "g", "logStreamName": "s", "startFromHead": true }),
    );
    assert_eq!(messages(&read)[1..], texts, "as they came");
    // Questions that could be read as expressions of the index.
    for q in ["a%20NEAR(b)", "message:x", "%22", "x*y", "^x", "a%20AND", "(", "%27", "{", "%5B", "%25"] {
        let status = console.get(&format!("/api/logs?q={q}")).status;
        assert!([200, 400].contains(&status), "{q}: {status}");
    }
}
