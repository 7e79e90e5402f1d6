//! X-Ray's daemon and API: what is taken, what is dropped and counted, and how documents and OTLP spans become one trace.

use std::net::UdpSocket;

use opentelemetry_proto::tonic::trace::v1::{Status, span};
use serde_json::{Value, json};

use crate::support::{Answer, Console, TempDir, eventually, request, span, text};

const HEADER: &str = "{\"format\": \"json\", \"version\": 1}\n";

/// What it answers is under `/TraceSegments` and its sisters.
pub(crate) fn call(console: &Console, path: &str, body: &Value) -> Answer {
    request(console.ports.web, "POST", path, &[], body.to_string().as_bytes())
}

pub(crate) fn ask(console: &Console, path: &str, body: &Value) -> Value {
    let answer = call(console, path, body);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

fn datagram(console: &Console, bytes: &[u8]) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(bytes, ("127.0.0.1", console.ports.xray_daemon)).unwrap();
}

fn send(console: &Console, document: &Value) {
    datagram(console, format!("{HEADER}{document}").as_bytes());
}

/// Waits until the daemon has made up its mind about `count` datagrams.
pub(crate) fn settled(console: &Console, count: u64) -> Value {
    eventually("the daemon has seen to every datagram", || {
        let stats = console.json("/api/stats");
        let of = |key: &str| stats[key]["xray"].as_u64().unwrap();
        (of("received") == count && of("received") == of("stored") + of("duplicates") + of("dropped"))
            .then_some(stats)
    })
}

/// `1-8-24` of a number as W3C spells it.
pub(crate) fn trace_id(trace: u128) -> String {
    let hex = format!("{trace:032x}");
    format!("1-{}-{}", &hex[..8], &hex[8..])
}

pub(crate) fn id(number: u64) -> String {
    format!("{number:016x}")
}

pub(crate) fn segment(trace: u128, number: u64, name: &str) -> Value {
    json!({ "trace_id": trace_id(trace), "id": id(number), "name": name, "start_time": 1_700_000_000.5, "end_time": 1_700_000_001.75 })
}

pub(crate) fn subsegment(trace: u128, number: u64, parent: u64, name: &str) -> Value {
    let mut document = segment(trace, number, name);
    document["type"] = "subsegment".into();
    document["parent_id"] = id(parent).into();
    document
}

#[test]
fn nothing_that_arrives_stops_the_daemon() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let with_header = |document: &str| format!("{HEADER}{document}").into_bytes();
    let changed = |key: &str, value: Value| {
        let mut document = segment(0xbad, 1, "bad");
        document[key] = value;
        with_header(&document.to_string())
    };
    let without = |key: &str| {
        let mut document = segment(0xbad, 1, "bad");
        document.as_object_mut().unwrap().remove(key);
        with_header(&document.to_string())
    };
    let mut orphan = subsegment(0xbad, 1, 2, "orphan");
    orphan.as_object_mut().unwrap().remove("parent_id");
    let long = "x".repeat(65_507 - HEADER.len() - 200);
    // What is sent, the reason by which it is counted, how many times so far.
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "missing_header"),
        ("no newline", segment(1, 1, "a").to_string().into_bytes(), "missing_header"),
        ("only a header", HEADER.as_bytes().to_vec(), "missing_header"),
        ("no header", b"\n{}".to_vec(), "invalid_header"),
        ("version 2", b"{\"format\":\"json\",\"version\":2}\n{}".to_vec(), "invalid_header"),
        ("another format", b"{\"format\":\"xml\",\"version\":1}\n{}".to_vec(), "invalid_header"),
        ("a header that is not JSON", b"json 1\n{}".to_vec(), "invalid_header"),
        ("binary noise", vec![0xff, 0x0a, 0xfe, 0x00], "invalid_header"),
        ("a pretty header", b"{\n\"format\":\"json\",\"version\":1}\n{}".to_vec(), "invalid_header"),
        ("no JSON", with_header("hello"), "ParseError"),
        ("half a document", with_header(&segment(1, 1, "a").to_string()[..60]), "ParseError"),
        ("invalid UTF-8", [HEADER.as_bytes(), b"{\"name\":\xff\"\"}"].concat(), "ParseError"),
        ("a list", with_header("[]"), "InvalidSegment"),
        ("no trace id", without("trace_id"), "InvalidTraceId"),
        ("a W3C trace id", changed("trace_id", json!("0".repeat(31) + "1")), "InvalidTraceId"),
        (
            "a short trace id",
            changed("trace_id", json!("1-5759e988-bd862e3fe1be46a99427279")),
            "InvalidTraceId",
        ),
        (
            "a trace id of another version",
            changed("trace_id", json!("2-5759e988-bd862e3fe1be46a994272793")),
            "InvalidTraceId",
        ),
        ("no id", without("id"), "MissingId"),
        ("a long id", changed("id", json!("00000000000000011")), "InvalidId"),
        ("an id that is no hex", changed("id", json!("000000000000000g")), "InvalidId"),
        ("a number as id", changed("id", json!(5)), "MissingId"),
        ("no name", without("name"), "InvalidName"),
        ("a name with a brace", changed("name", json!("GET /{id}")), "InvalidName"),
        ("a name of 201 letters", changed("name", json!("n".repeat(201))), "InvalidName"),
        ("no end", without("end_time"), "MissingEndTime"),
        ("times reversed", changed("end_time", json!(1_600_000_000.0)), "InvalidSegment"),
        ("a time as text", changed("start_time", json!("now")), "InvalidSegment"),
        ("an orphan without a parent's id", with_header(&orphan.to_string()), "MissingParentId"),
        ("the largest datagram, of no use", with_header(&long), "ParseError"),
    ];
    let count = cases.len() as u64;
    let mut expected = std::collections::BTreeMap::<&str, u64>::new();
    for (name, bytes, reason) in cases {
        assert!(bytes.len() <= 65_507, "{name} fits a datagram");
        datagram(&console, &bytes);
        *expected.entry(reason).or_default() += 1;
    }
    let stats = settled(&console, count);
    for (reason, times) in expected {
        assert_eq!(stats["xray"]["refused"][reason], times, "{reason}: {}", stats["xray"]);
    }
    assert_eq!(stats["dropped"]["xray"], count);
    assert_eq!(stats["traces"], 0);
    assert_eq!(stats["xray"]["recently_refused"].as_array().unwrap().len(), 20);

    // It still receives, whatever else is in the document, up to the largest that fits.
    let mut odd = segment(7, 1, "odd");
    odd["unknown"] = json!({ "deep": [1, null] });
    odd["annotations"] = json!({ "kept": 1, "left out": [] });
    odd["metadata"] = json!({ "default": { "long": "y".repeat(60_000) }, "flat": 1 });
    datagram(
        &console,
        format!("{{\"version\":1,\"format\":\"JSON\",\"more\":0}}\r\n\n\n{odd}\n\n").as_bytes(),
    );
    let stats = settled(&console, count + 1);
    assert_eq!(stats["stored"]["xray"], 1);
    let stored = console.json(&format!("/api/xray/traces/{}", trace_id(7)));
    assert_eq!(stored["segments"][0]["document"], odd, "as received");
}

#[test]
fn a_trace_of_segments_is_shown_as_spans() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let trace = 0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793;
    // The order of SDKs: what was streamed comes before its segment.
    send(&console, &subsegment(trace, 4, 3, "deeper"));
    let mut call = subsegment(trace, 3, 1, "api.example.com");
    call["namespace"] = "remote".into();
    call["http"] = json!({ "request": { "url": "https://api.example.com/a", "method": "GET" }, "response": { "status": 503 } });
    call["fault"] = true.into();
    call["cause"] = json!({ "exceptions": [{ "id": id(9), "type": "Timeout", "message": "too late",
        "stack": [{ "path": "a.py", "line": 7, "label": "get" }] }] });
    send(&console, &call);
    settled(&console, 2);
    let early = console.json(&format!("/api/traces/{}", trace_id(trace)));
    assert_eq!(early["spans"][0]["service"], "unknown_service");

    let mut front = segment(trace, 1, "front");
    front["http"] = json!({ "request": { "url": "http://front/", "method": "POST", "client_ip": "1.2.3.4", "user_agent": "curl" }, "response": { "status": 404 } });
    front["error"] = true.into();
    front["user"] = "alice".into();
    front["annotations"] = json!({ "plan": "pro", "size": 3 });
    front["aws"] = json!({ "xray": { "sdk": "X-Ray for Python", "sdk_version": "2.15.0", "sampling_rule_name": "Default" } });
    front["service"] = json!({ "version": "1.2" });
    let mut embedded = subsegment(trace, 2, 1, "## render");
    for key in ["trace_id", "parent_id", "type"] {
        embedded.as_object_mut().unwrap().remove(key);
    }
    front["subsegments"] = json!([embedded]);
    send(&console, &front);
    let stats = settled(&console, 3);
    assert_eq!(
        (&stats["stored"]["xray"], &stats["spans"], &stats["traces"]),
        (&json!(3), &json!(4), &json!(1))
    );

    let shown = console.json(&format!("/api/traces/{}", trace_id(trace)));
    assert_eq!((&shown["sources"], &shown["span_count"]), (&json!(["xray"]), &json!(4)));
    let find = |number: u64| {
        shown["spans"].as_array().unwrap().iter().find(|span| span["span_id"] == id(number)).unwrap().clone()
    };
    let (front, render, call, deeper) = (find(1), find(2), find(3), find(4));
    for (span, parent, kind, status) in [
        (&front, Value::Null, "server", "unset"),
        (&render, json!(id(1)), "internal", "unset"),
        (&call, json!(id(1)), "client", "error"),
        (&deeper, json!(id(3)), "internal", "unset"),
    ] {
        let got =
            (&span["parent_span_id"], &span["kind"], &span["status"], &span["service"], &span["source"]);
        assert_eq!(got, (&parent, &json!(kind), &json!(status), &json!("front"), &json!("xray")), "{span}");
    }
    assert_eq!(front["start_unix_nano"], 1_700_000_000_500_000_000_i64);
    assert_eq!(front["duration_nano"], 1_250_000_000);
    let attributes = json!({
        "aws.xray.sampling_rule": "Default", "client.address": "1.2.3.4", "enduser.id": "alice",
        "http.request.method": "POST", "http.response.status_code": 404, "plan": "pro", "size": 3,
        "url.full": "http://front/", "user_agent.original": "curl",
    });
    assert_eq!(front["attributes"], attributes);
    assert_eq!(front["resource"], json!({ "service.name": "front", "service.version": "1.2" }));
    assert_eq!(front["scope"], json!({ "name": "X-Ray for Python", "version": "2.15.0" }));
    assert_eq!(deeper["resource"], front["resource"], "a subsegment on its own is of its parent's service");
    assert_eq!(call["status_message"], "too late");
    assert_eq!(
        call["events"][0]["attributes"],
        json!({ "exception.type": "Timeout", "exception.message": "too late", "exception.stacktrace": "    at get (a.py:7)" })
    );
    let listed = &console.json("/api/traces")["traces"][0];
    assert_eq!((&listed["name"], &listed["service"]), (&json!("front"), &json!("front")));
    assert_eq!((&listed["services"], &listed["error_count"]), (&json!(["front"]), &json!(1)));
}

#[test]
fn a_complete_document_replaces_one_in_progress_and_nothing_replaces_it() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let mut open = segment(5, 1, "slow");
    open.as_object_mut().unwrap().remove("end_time");
    open["in_progress"] = true.into();
    send(&console, &open);
    settled(&console, 1);
    let path = format!("/api/traces/{}", trace_id(5));
    let span = console.json(&path)["spans"][0].clone();
    assert_eq!(
        (&span["duration_nano"], &span["attributes"]["aws.xray.in_progress"]),
        (&json!(0), &json!(true))
    );

    let mut complete = segment(5, 1, "slow");
    complete["fault"] = true.into();
    send(&console, &complete);
    settled(&console, 2);
    send(&console, &open);
    send(&console, &segment(5, 1, "slow"));
    let stats = settled(&console, 4);
    assert_eq!((&stats["stored"]["xray"], &stats["duplicates"]["xray"]), (&json!(2), &json!(2)));
    assert_eq!((&stats["spans"], &stats["traces"]), (&json!(1), &json!(1)));
    let span = console.json(&path)["spans"][0].clone();
    assert_eq!((&span["duration_nano"], &span["status"]), (&json!(1_250_000_000), &json!("error")));
    assert_eq!(console.json("/api/traces")["traces"][0]["error_count"], 1);
    let stored = console.json(&format!("/api/xray/traces/{}", trace_id(5)));
    assert_eq!(stored["segments"].as_array().unwrap().len(), 1);
    assert_eq!(stored["segments"][0]["document"], complete);
}

#[test]
fn a_trace_that_comes_both_ways_is_one_whichever_is_first() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let otlp = |trace: u128| {
        let mut root = span(trace, 1, 0, "GET /", 500, 1_000);
        root.kind = span::SpanKind::Server as i32;
        root.attributes = vec![text("http.route", "/")];
        root.status = Some(Status { code: 2, message: "from OTLP".to_owned() });
        vec![root, span(trace, 2, 1, "only by OTLP", 600, 100)]
    };
    let documents = |trace: u128| {
        let mut front = segment(trace, 1, "front");
        front["end_time"] = json!(1_700_000_001.5);
        [front, subsegment(trace, 3, 2, "only by X-Ray")]
    };
    console.send("front", otlp(11));
    for document in documents(11) {
        send(&console, &document);
    }
    settled(&console, 2);
    for document in documents(12) {
        send(&console, &document);
    }
    settled(&console, 4);
    console.send("front", otlp(12));

    for trace in [11, 12] {
        let shown = console.json(&format!("/api/traces/{trace:032x}"));
        assert_eq!(
            (&shown["sources"], &shown["span_count"]),
            (&json!(["otlp", "xray"]), &json!(3)),
            "{trace}"
        );
        let spans: Vec<_> = shown["spans"]
            .as_array()
            .unwrap()
            .iter()
            .map(|span| {
                let text = |key: &str| span[key].as_str().unwrap_or("-").to_owned();
                (text("span_id"), text("name"), text("service"), text("source"), span["sources"].clone())
            })
            .collect();
        let expect = |number, name: &str, source: &str, sources| {
            (id(number), name.to_owned(), "front".to_owned(), source.to_owned(), sources)
        };
        assert_eq!(spans.len(), 3);
        for span in [
            expect(1, "GET /", "otlp", json!(["otlp", "xray"])),
            expect(2, "only by OTLP", "otlp", json!(["otlp"])),
            expect(3, "only by X-Ray", "xray", json!(["xray"])),
        ] {
            assert!(spans.contains(&span), "{trace}: {span:?} in {spans:?}");
        }
        let root = &shown["spans"][0];
        assert_eq!(
            (&root["status_message"], &root["attributes"]),
            (&json!("from OTLP"), &json!({ "http.route": "/" }))
        );
    }
    let stats = console.json("/api/stats");
    assert_eq!((&stats["stored"]["otlp"], &stats["duplicates"]["otlp"]), (&json!(4), &json!(0)));
    for row in console.json("/api/traces")["traces"].as_array().unwrap() {
        assert_eq!(
            (&row["name"], &row["error_count"], &row["span_count"]),
            (&json!("GET /"), &json!(1), &json!(3))
        );
        assert_eq!(row["services"], json!(["front"]));
    }
    // Sent again by either way it is the same.
    console.send("front", otlp(11));
    for document in documents(11) {
        send(&console, &document);
    }
    let stats = settled(&console, 6);
    assert_eq!((&stats["duplicates"]["otlp"], &stats["duplicates"]["xray"]), (&json!(2), &json!(2)));
    assert_eq!(stats["spans"], 6);
}

#[test]
fn documents_are_pruned_with_their_trace_and_survive_a_restart() {
    let dir = TempDir::new();
    let console = Console::start_with(&dir, &[("CONSOLE_MAX_BYTES", "1048576")]);
    for trace in 1..=80 {
        let mut document = segment(trace, 1, "large");
        document["metadata"] = json!({ "default": { "long": "z".repeat(40_000) } });
        ask(&console, "/TraceSegments", &json!({ "TraceSegmentDocuments": [document.to_string()] }));
    }
    let stats = eventually("below the cap", || {
        let stats = console.json("/api/stats");
        (stats["bytes"].as_u64() <= stats["max_bytes"].as_u64()).then_some(stats)
    });
    assert!(stats["pruned"]["traces"].as_u64().unwrap() > 0);
    assert_eq!(console.get(&format!("/api/xray/traces/{}", trace_id(1))).status, 404);
    console.stop();
    let console = Console::start(&dir);
    let stored = console.json(&format!("/api/xray/traces/{}", trace_id(80)));
    assert_eq!(stored["segments"][0]["document"]["name"], "large");
}

#[test]
fn a_burst_of_datagrams_is_stored_whole() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 1..=2_000 {
        let document = segment(u128::from(number % 100 + 1), number, "burst");
        socket
            .send_to(format!("{HEADER}{document}").as_bytes(), ("127.0.0.1", console.ports.xray_daemon))
            .unwrap();
        // What the kernel's buffer holds at once; from there the daemon takes it without a pause.
        if number % 100 == 0 {
            eventually("received", || {
                (console.json("/api/stats")["xray"]["received"]["udp"] == number).then_some(())
            });
        }
    }
    let stats = settled(&console, 2_000);
    assert_eq!(stats["stored"]["xray"], 2_000);
    if cfg!(target_os = "linux") {
        assert_eq!(stats["xray"]["lost_in_system"], 0);
    }
}

#[test]
fn otlp_is_sent_on_as_segments() {
    let dir = TempDir::new();
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    daemon.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let console =
        Console::start_with(&dir, &[("CONSOLE_XRAY_FORWARD", &daemon.local_addr().unwrap().to_string())]);
    let mut root = span(21, 1, 0, "GET /users/{id}?", 0, 5);
    root.kind = span::SpanKind::Server as i32;
    console.send("front", vec![root, span(21, 2, 1, "inner", 1, 2)]);
    let mut received = Vec::new();
    for _ in 0..2 {
        let mut buffer = vec![0; 65_536];
        let length = daemon.recv(&mut buffer).unwrap();
        let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
        let (header, document) = text.split_once('\n').unwrap();
        assert_eq!(header, "{\"format\":\"json\",\"version\":1}");
        received.push(serde_json::from_str::<Value>(document).unwrap());
    }
    assert_eq!((&received[0]["name"], &received[0]["id"]), (&json!("front"), &json!(id(1))));
    assert_eq!((&received[1]["name"], &received[1]["parent_id"]), (&json!("inner"), &json!(id(1))));
    let stats = eventually("both are counted", || {
        let stats = console.json("/api/stats");
        (stats["xray"]["forward"]["sent"] == 2).then_some(stats)
    });
    assert_eq!(stats["xray"]["forward"], json!({ "spans": 2, "sent": 2, "failed": 0, "dropped": 0 }));
}

/// A segment of a root that serves nobody is named after what it does; by OTLP the span says whose it is.
#[test]
fn a_service_that_no_span_has_any_more_leaves_the_list() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    send(&console, &segment(13, 1, "sweep expired posts"));
    settled(&console, 1);
    let listed = || console.json("/api/traces")["traces"][0].clone();
    assert_eq!(listed()["services"], json!(["sweep expired posts"]));
    console.send("activities", vec![span(13, 1, 0, "sweep expired posts", 500, 1_000)]);
    assert_eq!((&listed()["service"], &listed()["services"]), (&json!("activities"), &json!(["activities"])));
}

#[test]
fn a_store_of_the_version_before_is_taken_over() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    console.send("front", vec![span(31, 1, 0, "GET /", 500, 1_000)]);
    console.stop();
    let store = rusqlite::Connection::open(dir.path().join("traces.db")).unwrap();
    store
        .execute_batch(
            "DROP INDEX spans_of_parent; ALTER TABLE spans DROP COLUMN sources; DROP TABLE documents; DROP TABLE settings;
             DROP TABLE log_groups; DROP TABLE log_streams; DROP TABLE logs; DROP TABLE logs_text;
             DROP TABLE errors; DROP TABLE occurrences; DROP TABLE error_people; DROP TABLE deploys;
             DROP TABLE shapes; ALTER TABLE spans DROP COLUMN shape; PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(store);

    let console = Console::start(&dir);
    let path = format!("/api/traces/{}", trace_id(31));
    assert_eq!(console.json(&path)["spans"][0]["sources"], json!(["otlp"]));
    send(&console, &segment(31, 1, "front"));
    settled(&console, 1);
    assert_eq!(console.json(&path)["sources"], json!(["otlp", "xray"]));
}
