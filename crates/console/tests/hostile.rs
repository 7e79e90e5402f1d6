//! Clients that mean harm, or are broken beyond meaning.

use std::io::Write;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use prost::Message;
use serde_json::{Map, Value, json};

use crate::support::{
    Console, GZIP, JSON, PROTOBUF, TempDir, attribute, connect, eventually, export, gzip, read_answer, span,
    text, trace_path,
};

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    // 1 GiB of blanks, packed twice so that the test itself needs no gigabyte: a mebibyte repeated as gzip members.
    let member = gzip(&vec![b' '; 1 << 20]);
    let bomb = member.repeat(1024);
    for headers in [[JSON, GZIP], [PROTOBUF, GZIP]] {
        let answer = console.post("/v1/traces", &headers, &bomb);
        assert_eq!(answer.status, 413, "{}", answer.text());
    }
    assert_eq!(console.json("/api/stats")["refused_requests"]["too_large"], 2);
}

#[test]
fn a_body_above_the_limit_is_refused_while_it_comes() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let answer = console.post("/v1/traces", &[JSON], &vec![b' '; (64 << 20) + 1]);
    assert_eq!(answer.status, 413, "{}", answer.text());
}

#[test]
fn a_slow_body_is_cut_off() {
    let dir = TempDir::new();
    let console = Console::start_with(&dir, &[("HTTP_BODY_TIMEOUT", "200")]);
    let mut stream = connect(console.ports.otlp_http);
    stream
        .write_all(b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{")
        .unwrap();
    assert_eq!(read_answer(stream).status, 408);
    assert_eq!(console.json("/api/stats")["refused_requests"]["timeout"], 1);
}

/// Two requests that are as large as may be and never end fill the memory set aside for requests.
#[test]
fn overload_asks_to_come_back_and_passes() {
    let dir = TempDir::new();
    let console = Console::start_with(&dir, &[("HTTP_BODY_TIMEOUT", "60000")]);
    let piece = vec![b' '; 1 << 20];
    // All of its share but the last byte, and then nothing. It may be refused on the way, by which the write fails.
    let hog = || {
        let mut stream = connect(console.ports.otlp_http);
        write!(stream, "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", 64 << 20).unwrap();
        let _ =
            (0..63).try_for_each(|_| stream.write_all(&piece)).and_then(|()| stream.write_all(&piece[1..]));
        stream
    };
    let body = export("a", vec![span(1, 1, 0, "x", 0, 1)]).encode_to_vec();
    let post = || console.post("/v1/traces", &[PROTOBUF], &body);
    // Our own small request holds a step for a moment; when a hog asks for its last step just then, the hog is refused
    // and leaves its share. Then two new ones try.
    let (hogs, answer) = eventually("503", || {
        let hogs = [hog(), hog()];
        (0..300).map(|_| post()).find(|answer| answer.status == 503).map(|answer| (hogs, answer))
    });
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("content-type"), Some("application/x-protobuf"));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status = runtime.block_on(async {
        let address = format!("http://127.0.0.1:{}", console.ports.otlp_grpc);
        let mut client = TraceServiceClient::connect(address).await.unwrap();
        client.export(export("a", vec![span(2, 1, 0, "x", 0, 1)])).await.unwrap_err()
    });
    assert_eq!(status.code(), tonic::Code::Unavailable);
    let details = String::from_utf8_lossy(status.details()).into_owned();
    assert!(details.contains("type.googleapis.com/google.rpc.RetryInfo"), "{details:?}");
    // Reading goes on meanwhile.
    assert!(console.json("/api/stats")["refused_requests"]["overloaded"].as_u64().unwrap() >= 2);

    drop(hogs);
    eventually("200 again", || (post().status == 200).then_some(()));
    assert_eq!(console.json(&trace_path(1))["span_count"], 1);
}

/// An empty span is 2 bytes on the wire; 32 million of them must not become gigabytes.
#[test]
fn a_flood_of_empty_spans_is_counted_and_forgotten() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let spans = [0x12_u8, 0].repeat(4 << 20);
    let wrap = |inner: &[u8], key: u8| {
        let mut outer = vec![key];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend_from_slice(inner);
        outer
    };
    let body = wrap(&wrap(&spans, 0x12), 0x0a);
    let answer = console.post("/v1/traces", &[PROTOBUF], &body);
    assert_eq!(answer.status, 200);
    assert_eq!(console.json("/api/stats")["refused"]["invalid_trace_id"], 4 << 20);
}

/// Any JSON, with the names and shapes of OTLP more often than not.
fn hostile_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        4 => prop::sample::select(vec![
            "resourceSpans", "scopeSpans", "spans", "resource", "scope", "attributes", "key", "value", "stringValue",
            "intValue", "doubleValue", "boolValue", "arrayValue", "kvlistValue", "bytesValue", "values", "traceId",
            "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "status", "code",
            "message", "events", "links", "flags", "droppedAttributesCount", "trace_id", "start_time_unix_nano",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9a-fA-F]{16}|[0-9a-fA-F]{32}|-?[0-9]{1,30}(\\.[0-9]+)?|SPAN_KIND_[A-Z]+|[A-Za-z0-9+/]{22}=="
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn wrapped(inner: Value, depth: u8) -> Value {
    match depth {
        0 => inner,
        1 => json!({ "resourceSpans": inner }),
        2 => json!({"resourceSpans": [{"resource": inner.clone(), "scopeSpans": inner}]}),
        3 => json!({"resourceSpans": [{"scopeSpans": [{"scope": inner.clone(), "spans": inner}]}]}),
        4 => json!({"resourceSpans": [{"scopeSpans": [{"spans": [inner]}]}]}),
        _ => json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
            "traceId": "0000000000000000000000000000abcd", "spanId": "000000000000abcd",
            "attributes": inner.clone(), "events": [{"attributes": inner}],
        }]}]}]}),
    }
}

#[test]
fn no_json_and_no_bytes_break_the_receiver() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let is_sound = |status: u16| status == 200 || status == 400;
    proptest!(ProptestConfig::with_cases(400), |(inner in hostile_json(), depth in 0_u8..6)| {
        let answer = console.post("/v1/traces", &[JSON], wrapped(inner, depth).to_string().as_bytes());
        prop_assert!(is_sound(answer.status), "{}", answer.text());
    });
    let valid = export("a", vec![span(1, 1, 2, "x", 0, 1)]).encode_to_vec();
    proptest!(ProptestConfig::with_cases(400), |(
        noise in prop::collection::vec(any::<u8>(), 0..64), at in any::<prop::sample::Index>(), cut in any::<bool>(),
    )| {
        let at = at.index(valid.len());
        let rest = if cut { valid.len() } else { (at + noise.len()).min(valid.len()) };
        let body = [&valid[..at], &noise, &valid[rest..]].concat();
        let answer = console.post("/v1/traces", &[PROTOBUF], &body);
        prop_assert!(is_sound(answer.status), "{}", answer.text());
    });
    for deep in [r#"{"a":"#.repeat(10_000), "[".repeat(1_000_000)] {
        assert_eq!(console.post("/v1/traces", &[JSON], deep.as_bytes()).status, 400);
    }
    // Whatever was stored of it can be read.
    let list = console.json("/api/traces?limit=1000");
    for trace in list["traces"].as_array().unwrap() {
        let trace = console.json(&format!("/api/traces/{}", trace["trace_id"].as_str().unwrap()));
        console::tree::render(&serde_json::from_value(trace).unwrap());
    }
}

/// A trace with everything in it that OTLP has for spans.
fn rich_request(trace: u128) -> Vec<u8> {
    let inner = vec![text("text", "x"), attribute("number", Any::IntValue(-1))];
    let values = inner.iter().filter_map(|pair| pair.value.clone()).collect();
    let attributes = vec![
        text("http.route", "/api/activities/home"),
        attribute("bool", Any::BoolValue(true)),
        attribute("double", Any::DoubleValue(f64::NAN)),
        attribute("bytes", Any::BytesValue(vec![0, 255])),
        attribute("array", Any::ArrayValue(ArrayValue { values })),
        attribute("list", Any::KvlistValue(KeyValueList { values: inner })),
    ];
    let spans = (1..=20).map(|id| {
        let mut span = span(trace, id, id / 2, "GET", id, 5);
        span.attributes.clone_from(&attributes);
        "vendor=1".clone_into(&mut span.trace_state);
        span.events =
            vec![Event { name: "exception".to_owned(), attributes: attributes.clone(), ..Event::default() }];
        span.links = vec![Link {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            attributes: attributes.clone(),
            ..Link::default()
        }];
        span
    });
    export("rich", spans.collect()).encode_to_vec()
}

/// What may happen to bytes on their way, or be done to them.
#[derive(Clone, Debug)]
enum Harm {
    Flip(u8),
    Overwrite(Vec<u8>),
    Insert(Vec<u8>),
    Remove(usize),
    /// Some bytes once more, elsewhere.
    Repeat(usize, prop::sample::Index),
    CutOff,
}

impl Harm {
    fn any() -> impl Strategy<Value = Self> {
        // Lengths that lie, in both formats.
        let lies = prop::sample::select(vec![
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(),
            b"\x80\x80\x80\x80\x10".to_vec(),
            b"99999999999999999999".to_vec(),
            b"-1e999".to_vec(),
            b"\\ud800".to_vec(),
            b"[[[[".to_vec(),
            b"\xc3\x28\0".to_vec(),
        ]);
        let bytes = prop_oneof![lies, prop::collection::vec(any::<u8>(), 1..12)];
        prop_oneof![
            3 => (0_u8..8).prop_map(|bit| Self::Flip(1 << bit)),
            2 => bytes.clone().prop_map(Self::Overwrite),
            2 => bytes.prop_map(Self::Insert),
            1 => (1_usize..40).prop_map(Self::Remove),
            1 => (1_usize..200, any::<prop::sample::Index>()).prop_map(|(count, to)| Self::Repeat(count, to)),
            1 => Just(Self::CutOff),
        ]
    }

    fn at(&self, place: prop::sample::Index, body: &mut Vec<u8>) {
        if body.is_empty() {
            return;
        }
        let at = place.index(body.len());
        let until = |count: usize| (at + count).min(body.len());
        match self {
            Self::Flip(bit) => body[at] ^= bit,
            Self::Overwrite(bytes) => drop(body.splice(at..until(bytes.len()), bytes.iter().copied())),
            Self::Insert(bytes) => drop(body.splice(at..at, bytes.iter().copied())),
            Self::Remove(count) => drop(body.drain(at..until(*count))),
            Self::Repeat(count, to) => {
                let again = body[at..until(*count)].to_vec();
                let to = to.index(body.len());
                drop(body.splice(to..to, again));
            }
            Self::CutOff => body.truncate(at),
        }
    }
}

/// A thousand, the same in every run: real requests in all encodings, harmed before or after packing.
#[test]
fn a_thousand_harmed_requests_leave_a_console_that_answers_and_counts_right() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let json = include_bytes!("fixtures/otel-js.json");
    assert_eq!(console.post("/v1/traces", &[JSON], json).status, 200);
    let harms = || prop::collection::vec((Harm::any(), any::<prop::sample::Index>()), 0..5);
    let requests = prop_oneof![2 => (1_u128..1 << 100).prop_map(Some), 1 => Just(None)];
    let config = ProptestConfig {
        cases: 1_000,
        rng_seed: RngSeed::Fixed(5),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(trace in requests, is_packed in any::<bool>(), before in harms(), after in harms())| {
        let (format, mut body) = trace.map_or_else(|| (JSON, json.to_vec()), |trace| (PROTOBUF, rich_request(trace)));
        before.iter().for_each(|(harm, place)| harm.at(*place, &mut body));
        let mut headers = vec![format];
        if is_packed {
            headers.push(GZIP);
            body = gzip(&body);
            after.iter().skip(2).for_each(|(harm, place)| harm.at(*place, &mut body));
        }
        let answer = console.post("/v1/traces", &headers, &body);
        prop_assert!(matches!(answer.status, 200 | 400 | 413), "{} {}", answer.status, answer.text());
    });
    // It goes on taking spans, adds up what it took, and reads all of it.
    console.send("after", vec![span(7, 1, 0, "after", 0, 1)]);
    assert_eq!(console.json(&trace_path(7))["span_count"], 1);
    let stats = console.json("/api/stats");
    let of = |what: &str| stats[what]["otlp"].as_u64().unwrap();
    assert_eq!(of("received"), of("stored") + of("duplicates") + of("dropped"), "{stats}");
    assert_eq!(of("stored"), stats["spans"].as_u64().unwrap());
    assert!(stats["refused_requests"]["undecodable"].as_u64().unwrap() > 200, "{stats}");
    assert!(of("stored") > 1_000, "harm that is always found out tests the decoder only: {stats}");
    let mut before = String::new();
    loop {
        let page = console.json(&format!("/api/traces?limit=1000&before={before}"));
        for trace in page["traces"].as_array().unwrap() {
            let trace = console.json(&format!("/api/traces/{}", trace["trace_id"].as_str().unwrap()));
            console::tree::render(&serde_json::from_value(trace).unwrap());
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut before),
            None => break,
        }
    }
}
