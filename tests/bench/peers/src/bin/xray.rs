//! The same spans translated to X-Ray segment documents, by `throughline-xray` and by opentelemetry-aws's exporter.
//!
//! `xray ours|peer|peer-all COUNT` translates COUNT times the six spans of one request and serialises each document as a daemon's client
//! would, into memory; it prints spans, documents and bytes. `../xray` counts its instructions.
//!
//! By default the peer leaves out every attribute that X-Ray has no field for; ours keeps them, some as annotations. `peer-all`
//! keeps them too, as annotations.

use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_aws::xray_exporter::{
    SegmentDocument, SegmentDocumentExporter, SegmentTranslator, XrayExporter,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};
use xray::segment::fit;
use xray::{Options, datagram, limits, span, translate};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let variant = arguments.next().expect("ours or peer");
    let count: u64 = arguments.next().and_then(|it| it.parse().ok()).expect("a number");
    let spans = request();
    let resource = Resource::builder_empty().with_attributes(resource()).build();
    let (documents, bytes) = match variant.as_str() {
        "ours" => ours(&spans, &resource, count),
        "peer" => peer(&spans, &resource, count, SegmentTranslator::new()),
        "peer-all" => peer(&spans, &resource, count, SegmentTranslator::new().index_all_attrs()),
        other => panic!("{other} is none of ours, peer and peer-all"),
    };
    println!("{{\"spans\":{},\"documents\":{documents},\"bytes\":{bytes}}}", spans.len() as u64 * count);
}

fn ours(spans: &[SpanData], resource: &Resource, count: u64) -> (u64, u64) {
    let (mut documents, mut bytes) = (0, 0);
    let options = Options::default();
    for _ in 0..count {
        // As in the exporter: the batch's resource once, each span as a plain description.
        let resource = span::Resource {
            attributes: resource.iter().map(|(key, value)| (key.as_str(), plain(value))).collect(),
        };
        for data in spans {
            for document in translate(&description(data), &resource, &options) {
                for text in fit(document, limits::MAX_DATAGRAM_DOCUMENT_BYTES) {
                    documents += 1;
                    bytes += datagram::write(&text).len() as u64;
                }
            }
        }
    }
    (documents, bytes)
}

fn peer(spans: &[SpanData], resource: &Resource, count: u64, translator: SegmentTranslator) -> (u64, u64) {
    let mut exporter = XrayExporter::new(Sink).with_translator(translator);
    exporter.set_resource(resource);
    for _ in 0..count {
        // The SDK hands over an owned batch; ours is handed bytes, so the copy is not the translation's.
        let batch = spans.to_vec();
        let _ = futures_executor::block_on(exporter.export(batch));
    }
    TAKEN.get()
}

thread_local! {
    static TAKEN: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

#[derive(Debug)]
struct Sink;

impl SegmentDocumentExporter for Sink {
    type Error = Infallible;

    async fn export_segment_documents(&self, batch: Vec<SegmentDocument<'_>>) -> Result<(), Infallible> {
        let (mut documents, mut bytes) = TAKEN.get();
        for document in batch {
            documents += 1;
            bytes += document.to_string().len() as u64 + 33;
        }
        TAKEN.set((documents, bytes));
        Ok(())
    }
}

fn description(data: &SpanData) -> span::Span<'_> {
    span::Span {
        trace_id: xray::TraceId::from_bytes(data.span_context.trace_id().to_bytes()).expect("valid"),
        id: xray::SpanId::from_bytes(data.span_context.span_id().to_bytes()).expect("valid"),
        parent: xray::SpanId::from_bytes(data.parent_span_id.to_bytes()),
        name: &data.name,
        kind: match data.span_kind {
            SpanKind::Server => span::Kind::Server,
            SpanKind::Client => span::Kind::Client,
            SpanKind::Producer => span::Kind::Producer,
            SpanKind::Consumer => span::Kind::Consumer,
            SpanKind::Internal => span::Kind::Internal,
        },
        start: nanos(data.start_time),
        end: Some(nanos(data.end_time)),
        status: match &data.status {
            Status::Unset => span::Status::Unset,
            Status::Ok => span::Status::Ok,
            Status::Error { description } => span::Status::Error(description),
        },
        attributes: attributes(&data.attributes),
        events: data
            .events
            .iter()
            .map(|it| span::Event {
                name: &it.name,
                time: nanos(it.timestamp),
                attributes: attributes(&it.attributes),
            })
            .collect(),
        links: Vec::new(),
        scope: span::Scope { name: data.instrumentation_scope.name(), version: "" },
    }
}

fn attributes(pairs: &[KeyValue]) -> Vec<span::Attribute<'_>> {
    pairs.iter().map(|it| (it.key.as_str(), plain(&it.value))).collect()
}

fn plain(value: &Value) -> span::Value<'_> {
    match value {
        Value::Bool(it) => span::Value::Bool(*it),
        Value::I64(it) => span::Value::Int(*it),
        Value::F64(it) => span::Value::Double(*it),
        Value::String(it) => span::Value::Text(Cow::Borrowed(it.as_str())),
        other => span::Value::Text(Cow::Owned(other.to_string())),
    }
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64
}

fn resource() -> Vec<KeyValue> {
    vec![
        KeyValue::new("service.name", "activities"),
        KeyValue::new("service.namespace", "cruddur"),
        KeyValue::new("service.version", "0.1.0"),
        KeyValue::new("telemetry.sdk.language", "rust"),
        KeyValue::new("telemetry.sdk.name", "opentelemetry"),
        KeyValue::new("telemetry.sdk.version", "0.33.1"),
    ]
}

/// A request as our services make it: SERVER, INTERNAL, two database calls, a call of another service, one that failed. The
/// SERVER span has a remote parent, and names are without braces: what the peer drops would look cheap.
fn request() -> Vec<SpanData> {
    let text = |key: &'static str, value: &'static str| KeyValue::new(key, value);
    let number = |key: &'static str, value: i64| KeyValue::new(key, value);
    let sql = "SELECT uuid, user_uuid, message FROM activities WHERE expires_at > $1 ORDER BY created_at DESC LIMIT $2";
    let database = vec![
        text("db.system.name", "postgresql"),
        text("db.namespace", "activities"),
        text("db.query.text", sql),
        text("db.operation.name", "SELECT"),
        text("db.collection.name", "activities"),
        text("server.address", "127.0.0.1"),
        number("server.port", 5433),
    ];
    let mut failed = span(
        6,
        2,
        "POST",
        SpanKind::Client,
        vec![
            text("http.request.method", "POST"),
            text("url.full", "http://127.0.0.1:4569/users"),
            text("server.address", "127.0.0.1"),
            number("server.port", 4569),
            number("http.response.status_code", 503),
            text("error.type", "503"),
        ],
    );
    failed.status = Status::error("service unavailable");
    failed.events.events.push(opentelemetry::trace::Event::new(
        "exception",
        failed.end_time,
        vec![
            text("exception.type", "UpstreamError"),
            text("exception.message", "users does not answer"),
            text(
                "exception.stacktrace",
                "   0: activities::upstream::call\n             at src/upstream.rs:41:9\n   1: activities::routes::list_home\n             at src/routes/list_home.rs:20:5\n",
            ),
        ],
        0,
    ));
    vec![
        span(
            1,
            99,
            "GET /activities/home",
            SpanKind::Server,
            vec![
                text("http.request.method", "GET"),
                text("url.path", "/activities/home"),
                text("url.scheme", "http"),
                text("http.route", "/activities/home"),
                number("http.response.status_code", 200),
                text("network.protocol.version", "1.1"),
                text("server.address", "127.0.0.1"),
                number("server.port", 4568),
                text("client.address", "127.0.0.1"),
                text(
                    "user_agent.original",
                    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
                ),
                text("app.user_id", "6f1c3a52-58f0-4f1a-a3b7-6b1a2f5b9a10"),
            ],
        ),
        span(
            2,
            1,
            "list_home",
            SpanKind::Internal,
            vec![text("app.now", "2026-11-21T08:00:00Z"), number("app.result_length", 20)],
        ),
        span(3, 2, "SELECT activities", SpanKind::Client, database.clone()),
        span(4, 2, "SELECT replies", SpanKind::Client, database),
        span(
            5,
            2,
            "GET",
            SpanKind::Client,
            vec![
                text("http.request.method", "GET"),
                text("url.full", "http://127.0.0.1:4569/users?ids=a,b,c"),
                text("server.address", "127.0.0.1"),
                number("server.port", 4569),
                number("http.response.status_code", 200),
            ],
        ),
        failed,
    ]
}

fn span(id: u64, parent: u64, name: &'static str, kind: SpanKind, attributes: Vec<KeyValue>) -> SpanData {
    let start = UNIX_EPOCH + Duration::from_nanos(1_795_000_000_123_456_789 + id * 1_000);
    // Begins with its time, as X-Ray had it before 2023: the peer drops others.
    let trace = TraceId::from(
        (u128::from(start.duration_since(UNIX_EPOCH).expect("after 1970").as_secs()) << 96)
            | 0x0123_4567_89ab_cdef,
    );
    SpanData {
        span_context: SpanContext::new(
            trace,
            SpanId::from(id),
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        ),
        parent_span_id: SpanId::from(parent),
        parent_span_is_remote: id == 1,
        span_kind: kind,
        name: name.into(),
        start_time: start,
        end_time: start + Duration::from_millis(12),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("throughline-telemetry").build(),
    }
}
