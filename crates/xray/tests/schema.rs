//! Any span at all gives documents that meet the schema, at any limit of size.

use std::borrow::Cow;

use proptest::prelude::*;
use regex::Regex;
use serde_json::{Value as Json, json};
use throughline_xray::limits::MAX_DATAGRAM_DOCUMENT_BYTES;
use throughline_xray::segment;
use throughline_xray::span::{Attribute, Event, Kind, Link, Resource, Scope, Span, Status, Value};
use throughline_xray::translate::is_name_char;
use throughline_xray::{Options, SpanId, TraceId, translate};

use crate::json_schema::Schema;

fn schema_of_segments() -> Schema {
    Schema::parse(include_str!("fixtures/segment.schema.json"))
}

#[test]
fn the_schema_refuses_what_x_ray_refuses() {
    let schema = schema_of_segments();
    let good = json!({
        "id": "70de5b6f19ff9a0a", "trace_id": "1-581cf771-a006649127e371903a2de979", "name": "example.com",
        "start_time": 1_478_293_361.271, "end_time": 1_478_293_361.449,
    });
    assert_eq!(schema.check(&good), Ok(()));
    for (key, value) in [
        ("name", json!("what?")),
        ("name", json!("")),
        ("name", json!("n".repeat(201))),
        ("in_progress", json!(true)),
        ("metadata", json!({"flat": 1})),
        ("annotations", json!({"a.b": 1})),
        ("annotations", json!({"a": null})),
        ("http", json!({"request": {"url": "u".repeat(251)}})),
        ("type", json!("subsegment")),
        ("trace_id", json!("581cf771a006649127e371903a2de979")),
        ("surprise", json!(1)),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        assert!(schema.check(&bad).is_err(), "{bad}");
    }
}

/// Every character there is: none that we let through is one that the schema refuses.
#[test]
fn every_character_of_a_name() {
    let allowed = Regex::new(r"^[\p{L}\p{N}\p{Z}_.:/%&#=+\-@]$").unwrap();
    let (mut wrong, mut lost) = (Vec::new(), 0);
    for c in '\0'..=char::MAX {
        match (is_name_char(c), allowed.is_match(c.encode_utf8(&mut [0; 4]))) {
            (true, false) => wrong.push(c),
            (false, true) if c < '\u{10000}' => lost += 1,
            _ => {}
        }
    }
    assert_eq!(wrong, [], "characters that X-Ray refuses");
    assert!(lost < 200, "{lost} letters of living scripts are taken out of names");
}

/// Keys that a block reads, so that chance finds them, with their opposites.
const KEYS: &[&str] = &[
    "http.method",
    "http.request.method",
    "http.url",
    "url.full",
    "http.status_code",
    "http.response.status_code",
    "http.host",
    "http.target",
    "url.path",
    "url.query",
    "url.scheme",
    "server.address",
    "server.port",
    "client.address",
    "network.peer.address",
    "user_agent.original",
    "http.user_agent",
    "http.client_ip",
    "db.system",
    "db.system.name",
    "db.name",
    "db.namespace",
    "db.statement",
    "db.query.text",
    "db.user",
    "db.connection_string",
    "peer.service",
    "rpc.system",
    "rpc.service",
    "rpc.method",
    "aws.service",
    "aws.operation",
    "aws.span.kind",
    "aws.local.service",
    "aws.remote.service",
    "aws.dynamodb.table_names",
    "aws.xray.annotations",
    "aws.xray.metadata.default",
    "aws.xray.metadata.x",
    "aws.xray.sampling_rule",
    "enduser.id",
    "user.id",
    "app.user_id",
    "app.a b",
    "app.a_b",
    "http.status_text",
    "message.type",
    "exception.type",
    "exception.message",
    "exception.stacktrace",
    "service.name",
    "service.version",
    "service.instance.id",
    "cloud.provider",
    "cloud.platform",
    "telemetry.sdk.name",
    "telemetry.sdk.language",
    "aws.log.group.names",
    "aws.log.group.arns",
    "host.id",
    "k8s.cluster.name",
    "messaging.url",
    "",
    "ключ",
    "\u{0}",
];

const TEXTS: &[&str] = &[
    "",
    "LOCAL_ROOT",
    "aws",
    "aws-api",
    "aws_ecs",
    "aws_ec2",
    "aws_elastic_beanstalk",
    "postgresql",
    "mysql",
    "rust",
    "java",
    "python",
    "go",
    "nodejs",
    "dotnet",
    "https://a:b@c.d/e?sig=f",
    "127.0.0.1",
    "RECEIVED",
    "{}",
    "{\"a\":{\"b\":[1]}}",
    "GET /users/{id}?",
    "AWS.SDK.",
    "AWS::",
    "<>",
    "\u{301}\u{24b6}",
    "500",
    "-1",
    "x\n\tat a.b(c:1)\nCaused by: ",
    "  File \"\n  File \"a\", line 1, in b\nX: y",
    "   0: a\n  at b:1:2",
    "'",
    "&&",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(TEXTS).prop_map(str::to_owned),
        any::<String>(),
        (any::<char>(), 0_usize..3_000).prop_map(|(c, count)| c.to_string().repeat(count)),
    ]
}

fn value() -> impl Strategy<Value = Value<'static>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Double),
        Just(Value::Double(f64::NAN)),
        Just(Value::Bytes(&[0, 255])),
        (100_i64..600).prop_map(Value::Int),
        text().prop_map(|text| Value::Text(Cow::Owned(text))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::vec((proptest::sample::select(KEYS), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

fn attributes(max: usize) -> impl Strategy<Value = Vec<Attribute<'static>>> {
    proptest::collection::vec((proptest::sample::select(KEYS), value()), 0..max)
}

proptest! {
    #[test]
    fn any_span_at_all(
        ids in (1_u128.., 1_u64.., proptest::option::of(1_u64..)),
        (name, message, event_name) in (text(), text(), prop_oneof![Just("exception".to_owned()), text()]),
        kind in proptest::sample::select(&[Kind::Internal, Kind::Server, Kind::Client, Kind::Producer, Kind::Consumer][..]),
        (start, end, status) in (any::<u64>(), any::<Option<u64>>(), 0..3),
        (span_attributes, event_attributes, resource) in (attributes(40), attributes(8), attributes(20)),
        (links, default_options) in (0..30_usize, any::<bool>()),
        max_bytes in 4_096..MAX_DATAGRAM_DOCUMENT_BYTES,
    ) {
        let id = |id: u64| SpanId::from_bytes(id.to_be_bytes()).unwrap();
        let trace_id = TraceId::from_bytes(ids.0.to_be_bytes()).unwrap();
        let link = Link { trace_id, id: id(ids.1), attributes: event_attributes.clone() };
        let span = Span {
            trace_id,
            id: id(ids.1),
            parent: ids.2.map(id),
            name: &name,
            kind,
            start,
            end,
            status: [Status::Unset, Status::Ok, Status::Error(&message)][status as usize],
            attributes: span_attributes,
            events: vec![Event { name: &event_name, time: start, attributes: event_attributes }; 2],
            links: vec![link; links],
            scope: Scope { name: &event_name, version: "1" },
        };
        let options = Options { annotate_all: !default_options, ..Options::default() };
        let schema = schema_of_segments();
        for document in translate(&span, &Resource { attributes: resource }, &options) {
            let (id, parent) = (document.id, document.parent_id);
            let text = document.to_json();
            let json: Json = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(schema.check(&json), Ok(()), "{}", text);

            let fitted = segment::fit(document.clone(), max_bytes);
            prop_assert_eq!(fitted.len(), 1);
            prop_assert!(fitted[0].len() <= max_bytes, "{} over {}", fitted[0].len(), max_bytes);
            let small: Json = serde_json::from_str(&fitted[0]).unwrap();
            prop_assert_eq!(schema.check(&small), Ok(()), "{}", &fitted[0]);

            let read = segment::read(&fitted[0]).unwrap();
            prop_assert_eq!((read.id, read.parent_id), (id, parent));
            let again: Json = serde_json::from_str(&read.to_json()).unwrap();
            prop_assert!(crate::support::same(&again, &small), "{} became {}", small, again);
        }
    }
}
