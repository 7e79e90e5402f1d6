//! OTLP/HTTP: what is sent, what is answered, what is stored.

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::{Status, span};
use prost::Message;
use serde_json::{Value, json};

use crate::support::{
    Answer, Console, GZIP, JSON, PROTOBUF, TempDir, attribute, export, gzip, request, span, text, trace_path,
};

/// `google.rpc.Status`, as a sender reads it.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

fn json_request(trace: u128) -> Vec<u8> {
    json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]},
        "scopeSpans": [{"spans": [{"traceId": format!("{trace:032X}"), "spanId": "00000000000000AB", "name": "click"}]}],
    }]})
    .to_string()
    .into_bytes()
}

#[test]
fn every_encoding_is_taken_and_answered_in_kind() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let protobuf = |trace| export("a", vec![span(trace, 1, 0, "x", 0, 1)]).encode_to_vec();
    let charset = ("content-type", "application/json; charset=utf-8");
    let other_name = ("content-type", "application/protobuf");
    let key = ("x-honeycomb-team", "abc");
    let check = |name: &str,
                 trace: u128,
                 headers: &[(&str, &str)],
                 body: Vec<u8>,
                 content_type: &str,
                 expect: &str| {
        let answer = console.post("/v1/traces", headers, &body);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some(content_type), "{name}");
        assert_eq!(answer.text(), expect, "{name}");
        // Acknowledged means readable at once.
        assert_eq!(console.json(&trace_path(trace))["spans"].as_array().map(Vec::len), Some(1), "{name}");
    };
    let (binary, text) = ("application/x-protobuf", "application/json");
    check("protobuf", 1, &[PROTOBUF], protobuf(1), binary, "");
    check("protobuf, gzip", 2, &[PROTOBUF, GZIP], gzip(&protobuf(2)), binary, "");
    check("protobuf, other name", 3, &[other_name], protobuf(3), binary, "");
    check("json", 4, &[JSON], json_request(4), text, "{}");
    check("json, gzip", 5, &[JSON, GZIP], gzip(&json_request(5)), text, "{}");
    check("json, charset", 6, &[charset], json_request(6), text, "{}");
    check("json, with Honeycomb's key", 7, &[JSON, key], json_request(7), text, "{}");
}

#[test]
fn what_is_not_taken_says_so_in_the_senders_encoding() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let check = |name: &str, answer: Answer, status: u16, content_type: &str| {
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some(content_type), "{name}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{name}");
        answer
    };
    let (binary, text, plain) = ("application/x-protobuf", "application/json", "text/plain; charset=utf-8");
    let post = |headers: &[(&str, &str)], body: &[u8]| console.post("/v1/traces", headers, body);

    let answer = check("garbage", post(&[PROTOBUF], b"\xff\xff\xff"), 400, binary);
    let refusal = RpcStatus::decode(&*answer.body).unwrap();
    assert_eq!(refusal.code, 3, "INVALID_ARGUMENT");
    assert!(refusal.message.starts_with("not an OTLP request in protobuf"), "{}", refusal.message);
    let answer = check("no json", post(&[JSON], b"{"), 400, text);
    assert_eq!(answer.json()["code"], 3);
    check("json of another shape", post(&[JSON], br#"{"resourceSpans": 5}"#), 400, text);
    check("no gzip", post(&[PROTOBUF, GZIP], b"plain"), 400, binary);
    check("cut gzip", post(&[JSON, GZIP], &gzip(&json_request(1))[..20]), 400, text);
    check("another type", post(&[("content-type", "text/plain")], b"{}"), 415, plain);
    check("no type", post(&[], b"{}"), 415, plain);
    check("another packing", post(&[JSON, ("content-encoding", "zstd")], b"{}"), 415, plain);
    let answer = check("GET", request(console.ports.otlp_http, "GET", "/v1/traces", &[], b""), 405, plain);
    assert_eq!(answer.header("allow"), Some("POST"));
    let preflight = [("origin", "http://localhost:3000"), ("access-control-request-method", "POST")];
    check(
        "preflight",
        request(console.ports.otlp_http, "OPTIONS", "/v1/traces", &preflight, b""),
        405,
        plain,
    );
    check("another path", console.post("/v2/traces", &[JSON], b"{}"), 404, plain);

    let stats = console.json("/api/stats");
    assert_eq!(stats["refused_requests"]["undecodable"], 5);
    assert_eq!(stats["refused_requests"]["unsupported"], 3);
    assert_eq!(stats["received"]["otlp"], 0);
}

#[test]
fn an_empty_request_is_a_success() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    for (headers, body, expect) in [(JSON, &b"{}"[..], "{}"), (PROTOBUF, b"", "")] {
        let answer = console.post("/v1/traces", &[headers], body);
        assert_eq!((answer.status, answer.text().as_str()), (200, expect));
    }
}

#[test]
fn a_bad_span_is_counted_and_the_others_stay() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let mut zero = span(1, 2, 0, "zero", 0, 1);
    zero.trace_id = vec![0; 16];
    let mut short = span(1, 3, 0, "short", 0, 1);
    short.span_id = vec![1; 7];
    let mut parent = span(1, 4, 0, "parent", 0, 1);
    parent.parent_span_id = vec![1; 9];
    let body = export("a", vec![span(1, 1, 0, "good", 0, 1), zero, short, parent]).encode_to_vec();
    let answer = console.post("/v1/traces", &[PROTOBUF], &body);
    assert_eq!(answer.status, 200);
    let message = "1 spans left out: trace id invalid; 1 spans left out: span id invalid; 1 spans left out: parent span id invalid";
    let partial = ExportTracePartialSuccess { rejected_spans: 3, error_message: message.to_owned() };
    let expect = ExportTraceServiceResponse { partial_success: Some(partial) };
    assert_eq!(ExportTraceServiceResponse::decode(&*answer.body).unwrap(), expect);

    let bad = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz", "spanId": "0000000000000001"}]}]}]});
    let answer = console.post("/v1/traces", &[JSON], bad.to_string().as_bytes());
    assert_eq!(
        answer.text(),
        r#"{"partialSuccess":{"errorMessage":"1 spans left out: trace id invalid","rejectedSpans":"1"}}"#
    );

    let stats = console.json("/api/stats");
    assert_eq!(stats["received"]["otlp"], 5);
    assert_eq!(stats["stored"]["otlp"], 1);
    assert_eq!(stats["dropped"]["otlp"], 4);
    assert_eq!(
        stats["refused"],
        json!({"invalid_trace_id": 2, "invalid_span_id": 1, "invalid_parent_span_id": 1, "trace_too_large": 0})
    );
}

#[test]
fn logs_and_metrics_are_refused_in_so_many_words() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let logs = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {}]}]}]});
    let metrics = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "sum": {"dataPoints": [{}, {}, {}]}}]}]}]});
    let check = |path: &str, body: Value, expect: &str| {
        let answer = console.post(path, &[JSON], body.to_string().as_bytes());
        assert_eq!((answer.status, answer.text().as_str()), (200, expect), "{path}");
    };
    let message = r#""errorMessage":"this console keeps traces only""#;
    check("/v1/logs", logs, &format!(r#"{{"partialSuccess":{{{message},"rejectedLogRecords":"2"}}}}"#));
    check("/v1/metrics", metrics, &format!(r#"{{"partialSuccess":{{{message},"rejectedDataPoints":"3"}}}}"#));
    check("/v1/logs", json!({}), "{}");
    assert_eq!(console.json("/api/stats")["ignored"], json!({"logs": 2, "metrics": 3}));
}

#[test]
fn a_span_comes_out_as_it_went_in() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let any = |value| opentelemetry_proto::tonic::common::v1::AnyValue { value };
    let mut one = span(0x68b3_29da_9893_e340_99c7_d8ad_5cb9_c940, 0xab, 0xcd, "GET /x", 5, 7);
    one.kind = span::SpanKind::Server.into();
    one.status = Some(Status { code: 2, message: "boom".to_owned() });
    one.attributes = vec![
        text("text", "ä\"\u{1}"),
        attribute("bool", Any::BoolValue(true)),
        attribute("int", Any::IntValue(i64::MAX)),
        attribute("double", Any::DoubleValue(1.5)),
        attribute("nan", Any::DoubleValue(f64::NAN)),
        attribute("bytes", Any::BytesValue(vec![1, 2, 255])),
        attribute(
            "list",
            Any::ArrayValue(ArrayValue { values: vec![any(Some(Any::IntValue(1))), any(None)] }),
        ),
        attribute("map", Any::KvlistValue(KeyValueList { values: vec![text("k", "v")] })),
    ];
    one.events = vec![span::Event {
        name: "exception".to_owned(),
        time_unix_nano: 1_700_000_000_000_000_001,
        attributes: vec![text("exception.type", "E")],
        ..span::Event::default()
    }];
    one.links =
        vec![span::Link { trace_id: vec![0xee; 16], span_id: vec![0xff; 8], ..span::Link::default() }];
    console.send("gateway", vec![one]);

    let expect = json!({
        "trace_id": "68b329da9893e34099c7d8ad5cb9c940", "span_id": "00000000000000ab",
        "parent_span_id": "00000000000000cd", "name": "GET /x", "kind": "server", "service": "gateway",
        "start_unix_nano": 1_700_000_000_005_000_000_i64, "duration_nano": 7_000_000,
        "status": "error", "status_message": "boom",
        "attributes": {"text": "ä\"\u{1}", "bool": true, "int": i64::MAX, "double": 1.5, "nan": "NaN",
                       "bytes": "AQL/", "list": [1, null], "map": {"k": "v"}},
        "resource": {"service.name": "gateway", "host.name": "desk"},
        "scope": {"name": "test", "version": "1"},
        "events": [{"name": "exception", "time_unix_nano": 1_700_000_000_000_000_001_i64,
                    "attributes": {"exception.type": "E"}}],
        "links": [{"trace_id": "ee".repeat(16), "span_id": "ff".repeat(8), "attributes": {}}],
        "source": "otlp", "sources": ["otlp"],
    });
    let whole = json!({
        "trace_id": "68b329da9893e34099c7d8ad5cb9c940", "xray_trace_id": "1-68b329da-9893e34099c7d8ad5cb9c940",
        "start_unix_nano": 1_700_000_000_005_000_000_i64, "duration_nano": 7_000_000, "span_count": 1,
        "pruned_unix_nano": null, "sources": ["otlp"], "spans": [expect],
    });
    // Either spelling, either case.
    for id in [
        "68b329da9893e34099c7d8ad5cb9c940",
        "68B329DA9893E34099C7D8AD5CB9C940",
        "1-68b329da-9893e34099c7d8ad5cb9c940",
    ] {
        assert_eq!(console.json(&format!("/api/traces/{id}")), whole, "{id}");
    }
    let path = "/api/traces/1-68b329da-9893e34099c7d8ad5cb9c940/spans/00000000000000AB";
    assert_eq!(console.json(path), expect);
    let brief = console.json("/api/traces/68b329da9893e34099c7d8ad5cb9c940?brief=true");
    let columns = json!({
        "span_id": "00000000000000ab", "parent_span_id": "00000000000000cd",
        "name": [0], "service": [0], "kind": [2], "status": [2], "start": [0], "duration": [7_000_000],
        "names": ["GET /x"], "services": ["gateway"], "status_message": {"0": "boom"},
    });
    assert_eq!(brief["columns"], json!([columns]));
    assert_eq!(brief.get("spans"), None);
    let read: console::wire::Trace = serde_json::from_value(whole).unwrap();
    assert_eq!(read.spans[0].kind, console::wire::Kind::Server);
}

/// What the OpenTelemetry SDK for browsers sends: times as text, integers as numbers, roots without a parent, flags
/// with bits above the eighth, NaN as null.
#[test]
fn a_browsers_spans_are_taken() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let body = include_bytes!("fixtures/otel-js.json");
    let answer = console.post("/v1/traces", &[JSON], body);
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    let trace = console.json("/api/traces/68b329da9893e34099c7d8ad5cb9c940");
    let spans = trace["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[0]["name"], "click crud");
    assert_eq!(spans[0]["parent_span_id"], Value::Null);
    assert_eq!(spans[0]["kind"], "internal");
    assert_eq!(spans[1]["kind"], "client");
    assert_eq!(spans[1]["parent_span_id"], spans[0]["span_id"]);
    assert_eq!(spans[1]["start_unix_nano"], 1_756_572_122_101_300_000_i64);
    assert_eq!(spans[1]["attributes"]["http.response.status_code"], 200);
    assert_eq!(spans[1]["attributes"]["ratio"], Value::Null);
    assert_eq!(spans[1]["resource"]["service.name"], "web");
}

/// JSON that stricter receivers refuse or, worse, ignore.
#[test]
fn json_is_read_leniently() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let mut next = 0_u64;
    let mut check = |name: &str, changes: Value, field: &str, expect: Value| {
        next += 1;
        let mut span =
            json!({"traceId": "0000000000000000000000000000abcd", "spanId": format!("{next:016x}")});
        span.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]});
        let answer = console.post("/v1/traces", &[JSON], body.to_string().as_bytes());
        assert_eq!((answer.status, answer.text().as_str()), (200, "{}"), "{name}");
        let stored = console.json(&format!("/api/traces/0000000000000000000000000000abcd/spans/{next:016x}"));
        assert_eq!(stored.pointer(field).unwrap_or_else(|| panic!("{name}: {stored}")), &expect, "{name}");
    };
    let value = |value: Value| json!({"attributes": [{"key": "a", "value": value}]});
    check("enum name", json!({"kind": "SPAN_KIND_SERVER"}), "/kind", json!("server"));
    check("enum as text", json!({"kind": "3"}), "/kind", json!("client"));
    check("unknown enum name", json!({"kind": "SPAN_KIND_NEW"}), "/kind", json!("internal"));
    check("status name", json!({"status": {"code": "STATUS_CODE_ERROR"}}), "/status", json!("error"));
    check("null parent", json!({"parentSpanId": null}), "/parent_span_id", json!(null));
    check("zero parent", json!({"parentSpanId": "0000000000000000"}), "/parent_span_id", json!(null));
    check("empty parent", json!({"parentSpanId": ""}), "/parent_span_id", json!(null));
    check(
        "base64 parent",
        json!({"parentSpanId": "AAAAAAAAAAo="}),
        "/parent_span_id",
        json!("000000000000000a"),
    );
    check("null status", json!({"status": null}), "/status", json!("unset"));
    check("null events", json!({"events": null, "links": [null]}), "/events", json!([]));
    check("snake_case", json!({"start_time_unix_nano": "5"}), "/start_unix_nano", json!(5));
    check("time as float", json!({"startTimeUnixNano": 5.0}), "/start_unix_nano", json!(5));
    check("time in words", json!({"startTimeUnixNano": "noon"}), "/start_unix_nano", json!(0));
    check(
        "end before start",
        json!({"startTimeUnixNano": 9, "endTimeUnixNano": 4}),
        "/duration_nano",
        json!(0),
    );
    check("time out of range", json!({"startTimeUnixNano": u64::MAX}), "/start_unix_nano", json!(i64::MAX));
    check("int as float", value(json!({"intValue": 10.0})), "/attributes/a", json!(10));
    check("int as text", value(json!({"intValue": "-7"})), "/attributes/a", json!(-7));
    check("double as text", value(json!({"doubleValue": "1.5"})), "/attributes/a", json!(1.5));
    check("double as int", value(json!({"doubleValue": 2})), "/attributes/a", json!(2.0));
    check("NaN", value(json!({"doubleValue": "NaN"})), "/attributes/a", json!("NaN"));
    check("infinity", value(json!({"doubleValue": "-Infinity"})), "/attributes/a", json!("-inf"));
    check("null double", value(json!({"doubleValue": null})), "/attributes/a", json!(null));
    check("empty array", value(json!({"arrayValue": {}})), "/attributes/a", json!([]));
    check(
        "null in array",
        value(json!({"arrayValue": {"values": [null, {"intValue": 1}]}})),
        "/attributes/a",
        json!([null, 1]),
    );
    check("empty map", value(json!({"kvlistValue": {"values": null}})), "/attributes/a", json!({}));
    check("no value", json!({"attributes": [{"key": "a"}]}), "/attributes/a", json!(null));
    check("unknown value", value(json!({"newValue": 1})), "/attributes/a", json!(null));
    check("unknown field", json!({"fresh": {"x": [1]}}), "/name", json!(""));
    check("bytes", value(json!({"bytesValue": "AQI="})), "/attributes/a", json!("AQI="));
    check(
        "key with underscores",
        json!({"attributes": [{"key": "a_b_c", "value": {"string_value": "x"}}]}),
        "/attributes/a_b_c",
        json!("x"),
    );
}
