//! CloudWatch Logs' API: what it takes, refuses and gives back.

use serde_json::{Value, json};

use super::{DAY, ask, call, messages, now, put, refused, stream};
use crate::support::{Console, GZIP, TempDir, gzip, request};

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
