//! X-Ray's daemon and API: what is taken, what is dropped and counted, and how documents and OTLP spans become one trace.

use std::net::UdpSocket;

use opentelemetry_proto::tonic::trace::v1::{Status, span};
use serde_json::{Value, json};

use crate::support::{Answer, Console, TempDir, eventually, request, span, text};

const HEADER: &str = "{\"format\": \"json\", \"version\": 1}\n";

/// What it answers is under `/TraceSegments` and its sisters.
fn call(console: &Console, path: &str, body: &Value) -> Answer {
    request(console.ports.web, "POST", path, &[], body.to_string().as_bytes())
}

fn ask(console: &Console, path: &str, body: &Value) -> Value {
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
fn settled(console: &Console, count: u64) -> Value {
    eventually("the daemon has seen to every datagram", || {
        let stats = console.json("/api/stats");
        let of = |key: &str| stats[key]["xray"].as_u64().unwrap();
        (of("received") == count && of("received") == of("stored") + of("duplicates") + of("dropped"))
            .then_some(stats)
    })
}

/// `1-8-24` of a number as W3C spells it.
fn trace_id(trace: u128) -> String {
    let hex = format!("{trace:032x}");
    format!("1-{}-{}", &hex[..8], &hex[8..])
}

fn id(number: u64) -> String {
    format!("{number:016x}")
}

fn segment(trace: u128, number: u64, name: &str) -> Value {
    json!({ "trace_id": trace_id(trace), "id": id(number), "name": name, "start_time": 1_700_000_000.5, "end_time": 1_700_000_001.75 })
}

fn subsegment(trace: u128, number: u64, parent: u64, name: &str) -> Value {
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
    documents(11).iter().for_each(|document| send(&console, document));
    settled(&console, 2);
    documents(12).iter().for_each(|document| send(&console, document));
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
    documents(11).iter().for_each(|document| send(&console, document));
    let stats = settled(&console, 6);
    assert_eq!((&stats["duplicates"]["otlp"], &stats["duplicates"]["xray"]), (&json!(2), &json!(2)));
    assert_eq!(stats["spans"], 6);
}

#[test]
fn the_api_takes_documents_and_says_which_it_does_not() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let mut bad = segment(3, 2, "bad");
    bad["end_time"] = json!(1.0);
    let documents = [segment(3, 1, "good").to_string(), bad.to_string(), "{".to_owned()];
    let answer = ask(&console, "/TraceSegments", &json!({ "TraceSegmentDocuments": documents }));
    assert_eq!(
        answer["UnprocessedTraceSegments"],
        json!([
            { "Id": id(2), "ErrorCode": "InvalidSegment", "Message": "Invalid segment. ErrorCode: InvalidSegment" },
            { "ErrorCode": "ParseError", "Message": "Invalid segment. ErrorCode: ParseError" },
        ])
    );
    // Acknowledged means readable.
    assert_eq!(console.json(&format!("/api/traces/{}", trace_id(3)))["span_count"], 1);
    assert_eq!(ask(&console, "/TelemetryRecords", &json!({ "TelemetryRecords": [] })), json!({}));

    let refused = |name: &str, answer: &Answer, status: u16, kind: &str| {
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert_eq!(answer.header("x-amzn-errortype"), Some(kind), "{name}");
        assert_eq!(answer.json()["__type"], kind, "{name}");
    };
    let kind = "InvalidRequestException";
    refused("no documents", &call(&console, "/TraceSegments", &json!({})), 400, kind);
    let many = json!({ "TraceSegmentDocuments": vec!["{}"; 51] });
    refused("51 documents", &call(&console, "/TraceSegments", &many), 400, kind);
    refused("no JSON", &request(console.ports.web, "POST", "/TraceSegments", &[], b"{"), 400, kind);
    let foreign = [("origin", "https://evil.example")];
    let answer = request(console.ports.web, "POST", "/TraceSegments", &foreign, b"{}");
    refused("a page of another origin", &answer, 403, "AccessDeniedException");

    // The daemon's TCP port passes everything on.
    let tcp = |path: &str, body: &[u8]| request(console.ports.xray_daemon, "POST", path, &[], body);
    let body = json!({ "TraceSegmentDocuments": [segment(3, 4, "by TCP").to_string()] }).to_string();
    assert_eq!(tcp("/TraceSegments", body.as_bytes()).json(), json!({ "UnprocessedTraceSegments": [] }));
    refused("another path", &tcp("/Nothing", b"{}"), 404, "UnknownOperationException");
    let rebound = [("host", "evil.example:2000")];
    assert_eq!(request(console.ports.xray_daemon, "POST", "/TraceSegments", &rebound, b"{}").status, 403);
    let stats = settled(&console, 4);
    assert_eq!(stats["xray"]["received"], json!({ "udp": 0, "api": 4 }));
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

/// Two services, a database and an API that does not report itself.
fn shop(console: &Console, trace: u128, fault: bool) {
    let mut front = segment(trace, 1, "front");
    front["http"] = json!({ "request": { "url": "http://front/api/game/", "method": "GET", "client_ip": "1.2.3.4", "user_agent": "curl/8" },
        "response": { "status": if fault { 500 } else { 200 } } });
    front["fault"] = fault.into();
    front["annotations"] = json!({ "gameid": "817DL6VO", "age": 30, "app.plan": "pro", "new": true });
    front["user"] = "alice".into();
    front["origin"] = "AWS::EC2::Instance".into();
    let mut call = subsegment(trace, 2, 1, "back");
    call["namespace"] = "remote".into();
    let mut back = segment(trace, 3, "back");
    back["parent_id"] = id(2).into();
    back["error"] = fault.into();
    back["cause"] = json!({ "exceptions": [{ "id": id(8), "type": "Bad", "message": "no such game" }] });
    let mut query = subsegment(trace, 4, 3, "games@db");
    query["namespace"] = "remote".into();
    query["sql"] = json!({ "sanitized_query": "SELECT ?" });
    let mut table = subsegment(trace, 5, 3, "DynamoDB");
    table["namespace"] = "aws".into();
    table["aws"] = json!({ "operation": "GetItem", "table_name": "games" });
    let documents: Vec<_> = [front, call, back, query, table].iter().map(ToString::to_string).collect();
    let answer = ask(console, "/TraceSegments", &json!({ "TraceSegmentDocuments": documents }));
    assert_eq!(answer, json!({ "UnprocessedTraceSegments": [] }));
}

#[test]
fn filter_expressions() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let (good, bad) = (
        trace_id(0x6553_f100_0000_0000_0000_0000_0000_0001),
        trace_id(0x6553_f100_0000_0000_0000_0000_0000_0002),
    );
    shop(&console, 0x6553_f100_0000_0000_0000_0000_0000_0001, false);
    shop(&console, 0x6553_f100_0000_0000_0000_0000_0000_0002, true);
    ask(&console, "/CreateGroup", &json!({ "GroupName": "faulty", "FilterExpression": "fault" }));
    let range = |filter: &str| json!({ "StartTime": 1_699_999_900, "EndTime": 1_700_000_100, "FilterExpression": filter });
    let found = |filter: &str| {
        let answer = ask(&console, "/TraceSummaries", &range(filter));
        let summaries = answer["TraceSummaries"].as_array().unwrap();
        let mut ids: Vec<_> = summaries.iter().map(|s| s["Id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let (both, none) = (vec![good.clone(), bad.clone()], Vec::<String>::new());
    let (good, bad) = (vec![good], vec![bad]);
    for (filter, expect) in [
        // AWS's own list ("Use filter expressions").
        ("responsetime > 5", &none),
        ("responsetime > 1", &both),
        ("duration >= 1 AND duration <= 8", &both),
        ("!ok", &bad),
        ("ok = false", &bad),
        ("ok != false", &good),
        ("http.status != 200", &bad),
        ("http.url CONTAINS \"/api/game/\"", &both),
        ("service(\"back\") { fault }", &none),
        ("service(\"back\") { error }", &bad),
        ("service() { fault }", &bad),
        ("edge(\"front\", \"back\") { error }", &bad),
        ("edge(\"back\", \"front\")", &none),
        (
            "http.url BEGINSWITH \"http://front/\" AND http.url CONTAINS \"/game/\" AND !service(\"api.example.com\")",
            &both,
        ),
        ("annotation.gameid = \"817DL6VO\"", &both),
        ("annotation.age", &both),
        ("!annotation.age", &none),
        ("annotation.age > 29", &both),
        ("annotation.age >= 31", &none),
        ("group.name = \"faulty\" AND user = \"alice\"", &bad),
        ("group.name != \"faulty\"", &good),
        ("group.name = \"nobody\"", &none),
        ("service(id(name: \"front\", type: \"AWS::EC2::Instance\")) { fault }", &bad),
        ("service(id(account.id: \"000000000000\"))", &both),
        ("service(\"front\") {root = true and fault = true}", &bad),
        // The grammar.
        ("", &both),
        ("ok !partial duration <3", &good),
        ("fault OR ok", &both),
        ("fault or ok", &both),
        ("(fault OR ok) AND !error", &both),
        ("!(fault OR error)", &good),
        ("FAULT", &bad),
        ("responseTime = 1.25", &both),
        ("responsetime < -1", &none),
        ("http.url AND responseTime > 1", &both),
        ("http.method = \"get\"", &none),
        ("http.method = \"GET\"", &both),
        ("http.useragent ENDSWITH \"/8\"", &both),
        ("http.clientip = \"1.2.3.4\"", &both),
        ("user CONTAINS \"\"", &both),
        ("user != \"alice\"", &none),
        ("user = \"o\\\"brien\"", &none),
        ("annotation[app.plan] = \"pro\"", &both),
        ("annotation[\"app.plan\"] BEGINSWITH \"p\"", &both),
        ("annotation.new = true", &both),
        ("annotation.new = false", &none),
        ("annotation.age = \"30\"", &none),
        ("annotation.nothing != 1", &none),
        ("service(id(type: \"Database::SQL\"))", &both),
        ("service(\"DynamoDB\") { inferred }", &both),
        ("service(\"back\") { inferred }", &none),
        ("edge(\"back\", id(type: \"AWS::DynamoDB::Table\"))", &both),
        ("service() { message = \"no such game\" }", &both),
        ("message CONTAINS \"game\"", &both),
        ("service(\"front\") { first AND !last }", &both),
        ("service(\"games@db\") { last }", &both),
        ("service() { service(\"x\") }", &none),
        ("rootcause.fault.service { name = \"front\" }", &bad),
        ("rootcause.error.service { name = \"front\" }", &none),
    ] {
        assert_eq!(found(filter), *expect, "{filter}");
    }
    let deep = "(".repeat(40) + "ok" + &")".repeat(40);
    for (filter, at, problem) in [
        ("responsetime >", 14, "expected a number"),
        ("responsetime > \"5\"", 15, "expected a number"),
        ("responsetime", 12, "expected a comparison such as `> 5`"),
        ("responsetime CONTAINS 5", 13, "expected a comparison such as `> 5`"),
        ("falt", 0, "`falt` is no keyword"),
        ("ok AND", 6, "expected a keyword such as `fault` or `responsetime`"),
        ("ok )", 3, "expected AND, OR or the end"),
        ("(ok", 3, "expected `)`"),
        ("ok = maybe", 5, "expected `true` or `false`"),
        ("ok > true", 3, "a flag is only compared by `=` and `!=`"),
        ("user = alice", 7, "expected a text in double quotes"),
        ("user = 'alice'", 7, "texts stand in double quotes"),
        ("user = \"alice", 7, "this text has no closing quote"),
        ("user > \"a\"", 5, "expected a comparison of texts such as `= \"..\"`"),
        ("ok & fault", 3, "`&` means nothing here"),
        ("service(front)", 8, "expected a name in double quotes, or `id(..)`"),
        ("service(id(color: \"red\"))", 11, "expected name, type or account.id"),
        ("edge(\"a\")", 8, "expected `,`"),
        ("service() { annotation.a = 1 }", 12, "annotations are of a trace: they do not stand within braces"),
        ("annotation.", 0, "expected the key of an annotation"),
        ("rootcause.json = #[]", 0, "`rootcause.json` is no keyword"),
        ("\u{e4}\u{f6} ok", 0, "`\u{e4}\u{f6}` is no keyword"),
        (deep.as_str(), 32, "more than 32 parentheses and braces within each other"),
    ] {
        let answer = call(&console, "/TraceSummaries", &range(filter));
        let expect = format!("the filter expression is not valid at character {at}: {problem}");
        assert_eq!((answer.status, &answer.json()["Message"]), (400, &json!(expect)), "{filter}");
    }
}

#[test]
fn summaries_traces_and_graphs() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let trace = 0x6553_f100_0000_0000_0000_0000_0000_0001;
    shop(&console, trace, true);
    let mut later = span(0xffff_0000_0000_0000_0000_0000_0000_0007, 1, 0, "GET /", 2_000, 10);
    later.kind = span::SpanKind::Server as i32;
    console.send("otlp-only", vec![later]);

    let range = json!({ "StartTime": 1_699_999_900, "EndTime": 1_700_000_100 });
    let answer = ask(&console, "/TraceSummaries", &range);
    let summaries = answer["TraceSummaries"].as_array().unwrap();
    assert_eq!(summaries.len(), 2, "a random id is found by its start");
    assert_eq!(summaries[0]["EntryPoint"]["Name"], "otlp-only", "the newest first, translated");
    let expect = json!({
        "Id": trace_id(trace), "StartTime": 1_700_000_000.5, "Duration": 1.25, "ResponseTime": 1.25,
        "HasFault": true, "HasError": false, "HasThrottle": false, "IsPartial": false,
        "Http": { "HttpURL": "http://front/api/game/", "HttpStatus": 500, "HttpMethod": "GET", "UserAgent": "curl/8", "ClientIp": "1.2.3.4" },
        "EntryPoint": { "Name": "front", "Names": ["front"], "AccountId": "000000000000", "Type": "AWS::EC2::Instance" },
    });
    for (key, value) in expect.as_object().unwrap() {
        assert_eq!(summaries[1][key], *value, "{key}");
    }
    assert_eq!(summaries[1]["Annotations"]["age"][0]["AnnotationValue"], json!({ "NumberValue": 30 }));
    assert_eq!(summaries[1]["Annotations"]["age"][0]["ServiceIds"][0]["Name"], "front");
    assert_eq!(summaries[1]["Users"][0]["UserName"], "alice");
    let names: Vec<_> =
        summaries[1]["ServiceIds"].as_array().unwrap().iter().map(|s| s["Name"].as_str().unwrap()).collect();
    assert_eq!(names, ["DynamoDB", "back", "front", "games@db"]);

    let asked = json!({ "TraceIds": [trace_id(trace), trace_id(99), "no id"] });
    let answer = ask(&console, "/Traces", &asked);
    assert_eq!(answer["UnprocessedTraceIds"], json!([trace_id(99), "no id"]));
    let segments = answer["Traces"][0]["Segments"].as_array().unwrap();
    let documents: Vec<Value> = segments
        .iter()
        .map(|segment| serde_json::from_str(segment["Document"].as_str().unwrap()).unwrap())
        .collect();
    let names: Vec<_> = documents.iter().map(|document| document["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["front", "back", "games@db", "DynamoDB"], "two segments, two inferred");
    assert_eq!(documents[0]["subsegments"][0]["id"], id(2), "an independent subsegment is embedded");
    assert_eq!(documents[0]["subsegments"][0]["trace_id"], Value::Null);
    assert_eq!(
        (&documents[3]["inferred"], &documents[3]["parent_id"], &documents[3]["origin"]),
        (&json!(true), &json!(id(5)), &json!("AWS::DynamoDB::Table"))
    );

    let graph = ask(&console, "/TraceGraph", &json!({ "TraceIds": [trace_id(trace)] }));
    let services = graph["Services"].as_array().unwrap();
    let named = |kind: &str, name: &str| {
        let is_it = |s: &&Value| s["Name"] == name && s["Type"].as_str().unwrap_or_default() == kind;
        services.iter().find(is_it).unwrap_or_else(|| panic!("{kind} {name}"))
    };
    let leads_to = |from: &Value, to: &Value| {
        from["Edges"]
            .as_array()
            .unwrap()
            .iter()
            .find(|edge| edge["ReferenceId"] == to["ReferenceId"])
            .cloned()
    };
    let (client, front, back) =
        (named("client", "front"), named("AWS::EC2::Instance", "front"), named("", "back"));
    let (database, table) = (named("Database::SQL", "games@db"), named("AWS::DynamoDB::Table", "DynamoDB"));
    assert_eq!(services.len(), 5);
    for (from, to) in [(client, front), (front, back), (back, database), (back, table)] {
        assert_eq!(
            from["Edges"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|e| e["ReferenceId"] == to["ReferenceId"])
                .count(),
            1
        );
    }
    assert!(leads_to(front, database).is_none());
    assert_eq!(
        (&front["Root"], &front["State"], &database["State"]),
        (&json!(true), &json!("active"), &json!("unknown"))
    );
    assert_eq!(client["SummaryStatistics"], Value::Null);
    assert_eq!(
        front["SummaryStatistics"],
        json!({ "OkCount": 0, "ErrorStatistics": { "ThrottleCount": 0, "OtherCount": 0, "TotalCount": 0 },
            "FaultStatistics": { "OtherCount": 1, "TotalCount": 1 }, "TotalCount": 1, "TotalResponseTime": 1.25 })
    );
    let all = ask(&console, "/ServiceGraph", &range);
    assert!(all["Services"].as_array().unwrap().iter().any(|service| service["Name"] == "otlp-only"));
    ask(&console, "/CreateGroup", &json!({ "GroupName": "shop", "FilterExpression": "service(\"front\")" }));
    let of_group = json!({ "StartTime": 1_699_999_900, "EndTime": 1_700_000_100, "GroupName": "shop" });
    assert_eq!(ask(&console, "/ServiceGraph", &of_group)["Services"].as_array().unwrap().len(), 5);

    for trace in 1..=150 {
        ask(
            &console,
            "/TraceSegments",
            &json!({ "TraceSegmentDocuments": [segment(trace << 64, 1, "paged").to_string()] }),
        );
    }
    let mut request = json!({ "StartTime": 1_699_999_900, "EndTime": 1_700_000_100, "TimeRangeType": "Event", "FilterExpression": "service(\"paged\")" });
    let first = ask(&console, "/TraceSummaries", &request);
    request["NextToken"] = first["NextToken"].clone();
    let second = ask(&console, "/TraceSummaries", &request);
    let count = |answer: &Value| answer["TraceSummaries"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&second), &second["NextToken"]), (100, 50, &Value::Null));
}

#[test]
fn groups_and_sampling_rules_within_awss_limits() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let refused = |path: &str, body: &Value, kind: &str, message: &str| {
        let answer = call(&console, path, body);
        assert_eq!(
            (answer.status, answer.header("x-amzn-errortype")),
            (400, Some(kind)),
            "{body}: {}",
            answer.text()
        );
        assert!(answer.text().contains(message), "{body}: {}", answer.text());
    };
    let invalid = "InvalidRequestException";
    let cruddur = json!({ "GroupName": "Cruddur", "FilterExpression": "service(\"gateway\")" });
    let created = ask(&console, "/CreateGroup", &cruddur)["Group"].clone();
    assert_eq!(
        (&created["GroupName"], &created["FilterExpression"]),
        (&json!("Cruddur"), &json!("service(\"gateway\")"))
    );
    refused("/CreateGroup", &cruddur, invalid, "already exists");
    refused("/CreateGroup", &json!({ "GroupName": "under_score" }), invalid, "letters, digits and dashes");
    refused("/CreateGroup", &json!({ "GroupName": "x".repeat(33) }), invalid, "1 to 32");
    refused("/CreateGroup", &json!({ "GroupName": "Default" }), invalid, "already exists");
    refused(
        "/CreateGroup",
        &json!({ "GroupName": "bad", "FilterExpression": "falt" }),
        invalid,
        "at character 0",
    );
    refused("/GetGroup", &json!({ "GroupName": "cruddur" }), invalid, "not found");
    assert_eq!(ask(&console, "/GetGroup", &json!({ "GroupARN": created["GroupARN"] }))["Group"], created);
    let update = json!({ "GroupName": "Cruddur", "InsightsConfiguration": { "InsightsEnabled": true, "NotificationsEnabled": true } });
    let updated = ask(&console, "/UpdateGroup", &update);
    assert_eq!(updated["Group"]["FilterExpression"], created["FilterExpression"]);
    assert_eq!(updated["Group"]["InsightsConfiguration"]["InsightsEnabled"], true);
    for number in 0..24 {
        ask(&console, "/CreateGroup", &json!({ "GroupName": format!("g{number}") }));
    }
    refused("/CreateGroup", &json!({ "GroupName": "one-more" }), invalid, "at most 25");
    assert_eq!(ask(&console, "/Groups", &json!({}))["Groups"].as_array().unwrap().len(), 26);
    ask(&console, "/DeleteGroup", &json!({ "GroupName": "g0" }));
    refused("/DeleteGroup", &json!({ "GroupName": "Default" }), invalid, "cannot be deleted");

    let rule = |name: &str| {
        json!({ "SamplingRule": { "RuleName": name, "ResourceARN": "*", "Priority": 9000, "FixedRate": 0.1, "ReservoirSize": 5,
            "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*", "Version": 1 } })
    };
    let with = |key: &str, value: Value| {
        let mut rule = rule("odd");
        rule["SamplingRule"][key] = value;
        rule
    };
    let record = ask(&console, "/CreateSamplingRule", &rule("Cruddur"))["SamplingRuleRecord"].clone();
    assert_eq!(
        record["SamplingRule"]["RuleARN"],
        "arn:aws:xray:us-east-1:000000000000:sampling-rule/Cruddur"
    );
    refused("/CreateSamplingRule", &rule("Cruddur"), invalid, "already exists");
    for (body, message) in [
        (with("Priority", json!(0)), "between 1 and 9999"),
        (with("Priority", json!(10_000)), "between 1 and 9999"),
        (with("FixedRate", json!(1.5)), "between 0 and 1"),
        (with("ReservoirSize", json!(-1)), "not valid"),
        (with("RuleName", json!("x".repeat(33))), "1 to 32"),
        (with("HTTPMethod", json!("x".repeat(11))), "HTTPMethod"),
        (with("Version", json!(2)), "Version"),
        (with("URLPath", Value::Null), "URLPath is missing"),
        (
            with("Attributes", json!({ "a": "1", "b": "1", "c": "1", "d": "1", "e": "1", "f": "1" })),
            "5 attributes",
        ),
        (json!({ "SamplingRule": 5 }), "missing"),
    ] {
        refused("/CreateSamplingRule", &body, invalid, message);
    }
    let change = json!({ "SamplingRuleUpdate": { "RuleName": "Cruddur", "FixedRate": 0.5 } });
    let changed = ask(&console, "/UpdateSamplingRule", &change)["SamplingRuleRecord"]["SamplingRule"].clone();
    assert_eq!((&changed["FixedRate"], &changed["ReservoirSize"]), (&json!(0.5), &json!(5)));
    refused(
        "/UpdateSamplingRule",
        &json!({ "SamplingRuleUpdate": { "RuleName": "Default", "Priority": 1 } }),
        invalid,
        "only FixedRate",
    );
    refused(
        "/UpdateSamplingRule",
        &json!({ "SamplingRuleUpdate": { "RuleName": "nobody" } }),
        invalid,
        "does not exist",
    );
    refused("/DeleteSamplingRule", &json!({ "RuleName": "Default" }), invalid, "cannot be deleted");
    for number in 0..24 {
        ask(&console, "/CreateSamplingRule", &rule(&format!("r{number}")));
    }
    refused("/CreateSamplingRule", &rule("one-more"), "RuleLimitExceededException", "at most 25");
    assert_eq!(
        ask(&console, "/DeleteSamplingRule", &json!({ "RuleName": "r0" }))["SamplingRuleRecord"]["SamplingRule"]
            ["RuleName"],
        "r0"
    );

    // What was set outlives the process, and samplers get it by the daemon's TCP port.
    console.stop();
    let console = Console::start(&dir);
    let tcp = |path: &str, body: &Value| {
        request(console.ports.xray_daemon, "POST", path, &[], body.to_string().as_bytes()).json()
    };
    let rules = tcp("/GetSamplingRules", &json!({ "NextToken": null }));
    let names: Vec<_> = rules["SamplingRuleRecords"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["SamplingRule"]["RuleName"].as_str().unwrap())
        .collect();
    assert_eq!((names.len(), names[0], names[24]), (25, "Cruddur", "Default"), "in the order of asking");
    let report = |name: &str, client: u8| json!({ "RuleName": name, "ClientID": format!("{client:024X}"), "Timestamp": 1_530_922_806, "RequestCount": 110, "SampledCount": 20, "BorrowCount": 10 });
    let answer = tcp(
        "/SamplingTargets",
        &json!({ "SamplingStatisticsDocuments": [report("Cruddur", 1), report("nobody", 1)] }),
    );
    let target = &answer["SamplingTargetDocuments"][0];
    assert_eq!(
        (&target["RuleName"], &target["FixedRate"], &target["ReservoirQuota"], &target["Interval"]),
        (&json!("Cruddur"), &json!(0.5), &json!(5), &json!(10))
    );
    assert_eq!(answer["UnprocessedStatistics"][0]["RuleName"], "nobody");
    assert!(answer["LastRuleModification"].as_f64().unwrap() > 1.7e9);
    let statistics = ask(&console, "/SamplingStatisticSummaries", &json!({}));
    assert_eq!(statistics["SamplingStatisticSummaries"][0]["RequestCount"], 110);
    assert_eq!(ask(&console, "/Groups", &json!({}))["Groups"].as_array().unwrap().len(), 25);
}

#[test]
fn a_token_is_the_access_key_id_of_those_who_read() {
    let dir = TempDir::new();
    let console = Console::start_with(&dir, &[("CONSOLE_TOKEN", "se/cret")]);
    let sign = |key: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential={key}/20261121/us-east-1/xray/aws4_request, SignedHeaders=host, Signature=00"
        )
    };
    let ask = |port: u16, path: &str, key: Option<&str>| {
        let header = key.map(sign);
        let headers: Vec<_> = header.iter().map(|value| ("authorization", value.as_str())).collect();
        let answer = request(port, "POST", path, &headers, b"{\"TraceSegmentDocuments\":[]}");
        (answer.status, answer.header("x-amzn-errortype").map(str::to_owned))
    };
    let denied = (403, Some("UnrecognizedClientException".to_owned()));
    for port in [console.ports.web, console.ports.xray_daemon] {
        assert_eq!(ask(port, "/Groups", None), denied);
        assert_eq!(ask(port, "/Groups", Some("wrong")), denied);
        assert_eq!(ask(port, "/Groups", Some("se/cret")), (200, None));
        assert_eq!(ask(port, "/TraceSegments", None), (200, None), "who may send is the network's business");
        assert_eq!(ask(port, "/GetSamplingRules", None), (200, None));
    }
}
