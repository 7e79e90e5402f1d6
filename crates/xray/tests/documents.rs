//! Documents of other makers, read; documents too large, made to fit; and where we do better than the Collector.

use serde_json::{Value as Json, json};
use throughline_xray::Options;
use throughline_xray::limits::MAX_DOCUMENT_BYTES;
use throughline_xray::segment::{self, Code, Document};

use crate::support;

const GOOD: &str = r#"{"name":"example.com","id":"70de5b6f19ff9a0a","start_time":1478293361.271,"trace_id":"1-581cf771-a006649127e371903a2de979","end_time":1478293361.449}"#;

fn with(change: &Json) -> String {
    let mut document = support::merged(&[&serde_json::from_str(GOOD).unwrap(), change]);
    document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    document.to_string()
}

#[test]
fn the_examples_of_the_developer_guide() {
    let segment = segment::read(GOOD).unwrap();
    assert_eq!(segment.name, "example.com");
    assert_eq!((segment.start_time, segment.end_time), (1_478_293_361.271, Some(1_478_293_361.449)));
    assert!(segment::read(&with(&json!({"end_time": null, "in_progress": true}))).unwrap().in_progress);
    let independent = segment::read(
        r#"{"name":"www2.example.com","id":"53995c3f42cd8ad8","start_time":1478293361.3,"end_time":1478293361.4,
        "type":"subsegment","trace_id":"1-581cf771-a006649127e371903a2de979","parent_id":"70de5b6f19ff9a0a",
        "namespace":"remote","http":{"request":{"url":"https://www2.example.com/health","method":"GET"},
        "response":{"status":200}}}"#,
    )
    .unwrap();
    assert!(independent.is_subsegment());
    assert_eq!(independent.http.unwrap().response.unwrap().status, Some(200));
}

#[test]
fn what_rejects_a_document() {
    let check = |text: &str, code: Code| {
        let rejected = segment::read(text).expect_err(text);
        assert_eq!(rejected.code, code, "{text}");
    };
    check("", Code::ParseError);
    check("garbage", Code::ParseError);
    check(&GOOD[..80], Code::ParseError);
    check("[]", Code::InvalidSegment);
    check("null", Code::InvalidSegment);
    check(&with(&json!({"trace_id": null})), Code::InvalidTraceId);
    check(&with(&json!({"trace_id": 7})), Code::InvalidTraceId);
    check(&with(&json!({"trace_id": "581cf771a006649127e371903a2de979"})), Code::InvalidTraceId);
    check(&with(&json!({"trace_id": "2-581cf771-a006649127e371903a2de979"})), Code::InvalidTraceId);
    check(&with(&json!({"id": null})), Code::MissingId);
    check(&with(&json!({"id": ""})), Code::MissingId);
    check(&with(&json!({"id": "70de5b6f19ff9a0"})), Code::InvalidId);
    check(&with(&json!({"id": "0000000000000000"})), Code::InvalidId);
    check(&with(&json!({"name": null})), Code::InvalidName);
    check(&with(&json!({"name": ""})), Code::InvalidName);
    check(&with(&json!({"name": "GET /users/{id}"})), Code::InvalidName);
    check(&with(&json!({"name": "n".repeat(201)})), Code::InvalidName);
    check(&with(&json!({"end_time": null})), Code::MissingEndTime);
    check(&with(&json!({"end_time": null, "in_progress": false})), Code::MissingEndTime);
    check(&with(&json!({"start_time": null})), Code::InvalidSegment);
    check(&with(&json!({"start_time": -1.0})), Code::InvalidSegment);
    check(&with(&json!({"end_time": 1.0})), Code::InvalidSegment);
    check(&with(&json!({"type": "subsegment"})), Code::MissingParentId);
    check(&with(&json!({"user": "u".repeat(MAX_DOCUMENT_BYTES)})), Code::InvalidSegment);
    check(&format!("{{\"subsegments\":{}", "[{\"subsegments\":".repeat(3_000)), Code::ParseError);
}

#[test]
fn a_rejection_reads_as_x_ray_writes_it() {
    let rejected = segment::read(&with(&json!({"type": "subsegment"}))).unwrap_err();
    assert_eq!(rejected.id.as_deref(), Some("70de5b6f19ff9a0a"));
    assert_eq!(rejected.to_string(), "Invalid subsegment. ErrorCode: MissingParentId, Cause: null");
    let rejected = segment::read(&with(&json!({"id": null}))).unwrap_err();
    assert_eq!(rejected.to_string(), "Invalid segment. ErrorCode: MissingId");
}

/// The Collector's receiver fixtures by name, each by the part that is peculiar to it.
#[test]
fn what_x_ray_takes_out_without_a_word() {
    let check = |name: &str, change: Json, expect: Json| {
        let read = segment::read(&with(&change)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found: Json = serde_json::from_str(&read.to_json()).unwrap();
        for (pointer, expected) in expect.as_object().unwrap() {
            assert_eq!(
                found.pointer(pointer).unwrap_or(&Json::Null),
                expected,
                "{name}: {pointer} of {found}"
            );
        }
    };
    check(
        "minOtherFields",
        json!({"surprise": {"a": 1}}),
        json!({"/surprise": null, "/name": "example.com"}),
    );
    check(
        "minCauseIsExceptionId",
        json!({"cause": "abcdefghijklmnop"}),
        json!({"/cause": "abcdefghijklmnop"}),
    );
    check("minCauseIsInvalid", json!({"cause": 42}), json!({"/cause": null}));
    check(
        "indepSubsegmentWithContentLengthString",
        json!({"http": {"response": {"status": 200, "content_length": "2528"}}}),
        json!({"/http/response": {"status": 200, "content_length": 2528}}),
    );
    check("indepSubsegmentWithLocalNamespace", json!({"namespace": "local"}), json!({"/namespace": "local"}));
    check("invalidNamespace", json!({"namespace": 7}), json!({"/namespace": null}));
    check(
        "indepSubsegmentWithInvalidSqlUrl",
        json!({"sql": {"url": "jdbc:postgresql:///not a url", "database_type": "postgresql"}}),
        json!({"/sql/database_type": "postgresql", "/sql/url": "jdbc:postgresql:///not a url"}),
    );
    check(
        "awsValidAwsFields",
        json!({"aws": {"ec2": {"instance_id": "i-0"}, "xray": {"sdk": "X-Ray for Java", "sdk_version": "1"},
            "retries": 0, "resource_names": ["t"]}}),
        json!({"/aws/ec2/instance_id": "i-0", "/aws/xray/sdk": "X-Ray for Java", "/aws/retries": null}),
    );
    check(
        "ddbSample",
        json!({"subsegments": [
            {"id": "72dca4bbc1e8ad35", "name": "DynamoDB", "start_time": 1.0, "end_time": 2.0, "namespace": "aws",
             "cause": {"exceptions": [{"id": "a1", "message": "m", "stack": [{"path": "p", "line": 3, "label": "l"}]}]}},
            {"id": "no id", "name": "lost", "start_time": 1.0, "end_time": 2.0},
        ]}),
        json!({"/subsegments/0/name": "DynamoDB", "/subsegments/0/cause/exceptions/0/stack/0/line": 3,
            "/subsegments/1": null}),
    );
    check(
        "annotations and metadata of a wrong shape",
        json!({"annotations": {"good": 1, "bad": {"a": 1}, "none": null}, "metadata": {"flat": 1, "ns": {"k": 1}}}),
        json!({"/annotations": {"good": 1}, "/metadata": {"ns": {"k": 1}}}),
    );
    check("in_progress beside end_time", json!({"in_progress": true}), json!({"/in_progress": null}));
}

fn large() -> Document {
    let child = |id: u64| {
        json!({"id": format!("{id:016x}"), "name": "child", "start_time": 1.0, "end_time": 2.0,
            "metadata": {"default": {"blob": "x".repeat(7_000)}}})
    };
    // X-Ray would refuse the text; a document built in memory may be as large as it likes.
    let mut document = segment::read(GOOD).unwrap();
    for id in 1..=12 {
        let child = support::merged(&[&child(id), &json!({"trace_id": support::TRACE})]);
        document.subsegments.push(segment::read(&child.to_string()).unwrap());
    }
    document
}

#[test]
fn a_large_document_is_taken_apart_first() {
    let texts = segment::fit(large(), MAX_DOCUMENT_BYTES);
    assert_eq!(texts.len(), 13);
    let parts: Vec<Document> = texts.iter().map(|text| segment::read(text).unwrap()).collect();
    assert!(!parts[0].is_subsegment() && parts[0].subsegments.is_empty());
    for part in &parts[1..] {
        assert!(part.is_subsegment());
        assert_eq!((part.parent_id, part.trace_id), (parts[0].id, parts[0].trace_id));
        assert_eq!(part.metadata["default"]["blob"].as_str().unwrap().len(), 7_000);
    }
}

#[test]
fn then_it_sheds_metadata_and_says_so() {
    let case = json!({"kind": "server", "attributes": {
        "small": "kept", "big": "b".repeat(40_000), "bigger": "c".repeat(50_000), "app.user_id": "u1",
    }});
    let whole = support::documents(&case, &Options::default()).remove(0);
    let document: Document = serde_json::from_value(whole).unwrap();
    let texts = segment::fit(document, MAX_DOCUMENT_BYTES);
    assert_eq!(texts.len(), 1);
    assert!(texts[0].len() <= MAX_DOCUMENT_BYTES);
    let shed = segment::read(&texts[0]).unwrap();
    assert_eq!(shed.metadata["default"].get("bigger"), None);
    assert_eq!(shed.metadata["default"]["small"], "kept");
    assert_eq!(shed.metadata["default"]["big"].as_str().unwrap().len(), 40_000);
    assert_eq!(shed.metadata[segment::MARKER]["heaviest"], json!(["default.bigger"]));
    assert_eq!(shed.metadata[segment::MARKER]["metadata_entries"], 1);
    assert_eq!(shed.annotations.len(), 1);
}

#[test]
fn a_document_names_its_ids_first() {
    let document = segment::read(GOOD).unwrap().to_json();
    assert!(document.starts_with(r#"{"id":"70de5b6f19ff9a0a","trace_id":"1-581cf771-"#), "{document}");
    assert!(!document.contains('\n') && !document.contains("\": "));
}

/// What the Collector loses is under `metadata.otel`.
#[test]
fn nothing_of_a_span_is_lost() {
    let links: Vec<Json> = (0..22).map(|number| json!({"number": number})).collect();
    let case = json!({
        "kind": "server", "name": "GET /users/{id}", "status": ["error", "it broke"], "resource": {"service.name": "users"},
        "events": [["cache miss", {"key": "k"}], ["exception", {"exception.type": "E"}]], "links": links,
        "attributes": {"app.user_id": "u1", "app.tags": ["a"], "enduser.id": "u2", "other": f64::MAX},
    });
    support::check(
        "details",
        &Options::default(),
        case,
        &json!({
            "/name": "users", "/metadata/otel/name": "GET /users/{id}", "/metadata/otel/status_message": "it broke",
            "/metadata/otel/events": [{"name": "cache miss", "time": 1_700_000_000.0, "attributes": {"key": "k"}}],
            "/links#": 20, "/metadata/otel/links#": 2, "/fault": true,
            "/annotations": {"app_user_id": "u1", "enduser_id": "u2"}, "/user": "u2",
            "/metadata/default/app.tags": ["a"], "/metadata/default/other": f64::MAX,
        }),
    );
    let running = json!({"kind": "server", "running": true});
    support::check(
        "in progress",
        &Options::default(),
        running,
        &json!({"/in_progress": true, "/end_time": null}),
    );
}

#[test]
fn every_name_source_is_sanitised() {
    let dirty = "a<b>{c}?,*d";
    for (kind, key) in [
        ("server", "aws.local.service"),
        ("client", "aws.remote.service"),
        ("client", "peer.service"),
        ("client", "aws.service"),
        ("client", "db.name"),
        ("client", "db.namespace"),
        ("client", "rpc.service"),
        ("client", "http.host"),
        ("client", "net.peer.name"),
        ("client", "server.address"),
    ] {
        let case = json!({"kind": kind, "attributes": {key: dirty}});
        support::check(key, &Options::default(), case, &json!({"/name": "abcd"}));
        let case = json!({"kind": kind, "attributes": {key: "é".repeat(300)}});
        support::check(key, &Options::default(), case, &json!({"/name": "é".repeat(200)}));
    }
    let case = json!({"kind": "server", "resource": {"service.name": dirty}});
    support::check("service.name", &Options::default(), case, &json!({"/name": "abcd"}));
}

#[test]
fn at_most_fifty_annotations_and_the_rest_is_metadata() {
    let attributes: serde_json::Map<_, _> =
        (0..60).map(|number| (format!("app.k{number:02}"), json!(number))).collect();
    let case = json!({"kind": "server", "attributes": attributes});
    support::check(
        "many",
        &Options::default(),
        case,
        &json!({"/annotations#": 50, "/metadata/default#": 10}),
    );
    let case = json!({"kind": "server", "attributes": {
        "app.a.b": 1, "app.a_b": 2, "app.long": "l".repeat(1_001), "app.nan": "NaN",
    }});
    support::check(
        "twins and long ones",
        &Options::default(),
        case,
        &json!({
            "/annotations": {"app_a_b": 1, "app_nan": "NaN"},
            "/metadata/default": {"app.a_b": 2, "app.long": "l".repeat(1_001)},
        }),
    );
}
