//! The first test of all: thousands of requests at once on one worker, through everything that carries a Context.
//! Zero wrong parents, zero wrong trace ids, zero orphans, and every log line under the right ids.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, rt, web};
use futures::StreamExt;
use futures::future::join;
use opentelemetry::trace::{FutureExt, TraceContextExt, Tracer};
use opentelemetry::{Context, SpanId, TraceId, Value};
use opentelemetry_sdk::trace::SpanData;
use telemetry::attributes::THROUGHLINE_SYNTHETIC;
use telemetry::postgres::{Db, DbConfig, Mode};
use test_support::{TestDb, eventually};
use tracing::Instrument;

use crate::fixture::{Server, attribute, ids, outside, text, told};

const REQUESTS: usize = 3_000;
const IN_FLIGHT: usize = 400;

/// What the world outside sends: headers, in which ID stands for 32 hex digits of the request, XID for X-Ray's
/// spelling and SPAN for the caller's span; and what has to become of it.
const KINDS: [(&[(&str, &str)], Expect); 9] = [
    (&[("traceparent", "00-ID-SPAN-01")], Expect { keeps_id: true, has_parent: true, sampled: Some(true) }),
    (&[("traceparent", "00-ID-SPAN-00")], Expect { keeps_id: true, has_parent: true, sampled: Some(false) }),
    (&[("traceparent", "00-ID-SPAN-03")], Expect { keeps_id: true, has_parent: true, sampled: Some(true) }),
    (
        &[("x-amzn-trace-id", "Root=XID;Sampled=1")],
        Expect { keeps_id: true, has_parent: false, sampled: Some(true) },
    ),
    (&[("x-amzn-trace-id", "Root=XID")], Expect { keeps_id: true, has_parent: false, sampled: None }),
    (
        &[("x-amzn-trace-id", "Root=XID;Sampled=0")],
        Expect { keeps_id: true, has_parent: false, sampled: Some(false) },
    ),
    (
        &[("x-amzn-trace-id", "Root=XID;Parent=SPAN;Sampled=?")],
        Expect { keeps_id: true, has_parent: true, sampled: None },
    ),
    (&[], Expect { keeps_id: false, has_parent: false, sampled: None }),
    (
        &[
            ("traceparent", "00-ID-SPAN-01"),
            ("x-amzn-trace-id", "Root=1-00000001-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=bbbbbbbbbbbbbbbb;Sampled=0"),
        ],
        Expect { keeps_id: true, has_parent: true, sampled: Some(true) },
    ),
];

struct Expect {
    keeps_id: bool,
    has_parent: bool,
    sampled: Option<bool>,
}

/// Every span that a sampled request makes, and the span it belongs under. A leaf's SERVER span belongs under the
/// CLIENT span of its call.
const TREE: [(&str, &str); 15] = [
    ("outer", "GET /task/{n}"),
    ("left", "outer"),
    ("right", "outer"),
    ("manual", "GET /task/{n}"),
    ("raw", "manual"),
    ("under raw", "raw"),
    ("GET", "under raw"),
    ("GET", "GET /task/{n}"),
    ("GET /leaf/{n}", "GET"),
    ("GET /leaf/{n}", "GET"),
    ("leaf", "GET /leaf/{n}"),
    ("leaf", "GET /leaf/{n}"),
    ("spawned", "GET /task/{n}"),
    ("blocked", "GET /task/{n}"),
    ("SELECT", "GET /task/{n}"),
];
/// Only in every thirteenth request.
const CANCELLED: (&str, &str) = ("cancelled", "GET /task/{n}");
/// Only where a statement waited for a connection.
const WAIT: &str = "acquire connection";
/// What the server says of a statement: one of these each, and other spans whose number is its own business.
const EXECUTE: &str = "execute";
/// Made while the body streams.
const CHUNKS: usize = 2;
const CHUNK: (&str, &str) = ("chunk", "GET /task/{n}");

/// The headers that a leaf received: tag, `traceparent`, `x-amzn-trace-id`.
type Received = Arc<Mutex<Vec<(usize, String, String)>>>;

#[actix_web::test]
async fn no_span_and_no_line_ends_up_in_another_request() {
    let received = Received::default();
    let database = TestDb::new().await;
    let config = DbConfig {
        mode: Mode::Always,
        acquire_timeout: Duration::from_mins(1),
        ..DbConfig::new(database.url())
    };
    let db = Db::connect(&config).await.unwrap();
    let server = {
        let received = received.clone();
        Server::start(move |_, config| {
            config
                .app_data(web::Data::new(received.clone()))
                .app_data(web::Data::new(db.clone()))
                .route("/task/{n}", web::get().to(work))
                .route("/leaf/{n}", web::get().to(leaf));
        })
    };
    let client = outside();
    let answers: Vec<Answer> = futures::stream::iter(0..REQUESTS)
        .map(|n| request(&client, &server, n))
        .buffer_unordered(IN_FLIGHT)
        .collect()
        .await;

    let expected: usize = answers.iter().map(Answer::spans_expected).sum();
    let requests: HashMap<TraceId, usize> =
        answers.iter().map(|answer| (answer.trace_id, answer.n)).collect();
    assert_eq!(requests.len(), REQUESTS, "every request is a trace of its own");
    let sampled = answers.iter().filter(|answer| answer.sampled).count();
    let ours = |span: &SpanData| requests.contains_key(&span.span_context.trace_id());
    let (plans, spans) = eventually("every span has ended, and every plan was read", || async {
        let (plans, spans): (Vec<_>, Vec<_>) = told().spans(ours).into_iter().partition(of_the_server);
        let executed = plans.iter().filter(|span| span.name == EXECUTE).count();
        let ended = spans.iter().filter(|span| span.name != WAIT).count();
        (ended >= expected && executed >= sampled).then_some((plans, spans))
    })
    .await;
    server.stop().await;
    check_plans(&plans, &spans, sampled);
    let (waits, spans): (Vec<_>, Vec<_>) = spans.into_iter().partition(|span| span.name == WAIT);

    assert_eq!(spans.len(), expected, "spans, none missing and none too many");
    let unique: HashSet<SpanId> = spans.iter().map(|span| span.span_context.span_id()).collect();
    assert_eq!(unique.len(), spans.len(), "span ids are unique");
    let mut by_request: HashMap<usize, Vec<SpanData>> = HashMap::new();
    for span in spans {
        let n = requests[&span.span_context.trace_id()];
        assert_eq!(tag(&span).unwrap_or(n), n, "{}: in the trace of another request", span.name);
        by_request.entry(n).or_default().push(span);
    }
    for answer in &answers {
        answer.check_spans(by_request.get(&answer.n).map(Vec::as_slice).unwrap_or_default());
    }
    let servers: HashMap<TraceId, SpanId> = answers.iter().map(|a| (a.trace_id, a.server)).collect();
    for wait in waits {
        assert_eq!(wait.parent_span_id, servers[&wait.span_context.trace_id()], "a wait under its request");
    }
    check_headers(&answers, &received.lock().unwrap());
    check_lines(&answers);

    let unsampled = REQUESTS - sampled;
    assert!(
        sampled > REQUESTS / 3 && unsampled > REQUESTS / 3,
        "both kinds in numbers: {sampled}, {unsampled}"
    );
}

struct Answer {
    n: usize,
    trace_id: TraceId,
    server: SpanId,
    sampled: bool,
}

async fn request(client: &awc::Client, server: &Server, n: usize) -> Answer {
    let (headers, expect) = &KINDS[n % KINDS.len()];
    let (id, xray_id) = sent_id(n);
    let mut request = client.get(server.url(&format!("/task/{n}")));
    for (name, value) in *headers {
        let value = value.replace("XID", &xray_id).replace("ID", &id).replace("SPAN", &sent_span(n));
        request = request.insert_header((*name, value));
    }
    let mut response = request.send().await.unwrap();
    let status = if n.is_multiple_of(11) { 500 } else { 200 };
    assert_eq!(response.status().as_u16(), status, "{n}");
    let (trace_id, span_id, flags) = ids(response.headers().get("traceresponse").unwrap().to_str().unwrap());
    let body = response.body().await.unwrap();
    assert_eq!(body.len(), CHUNKS, "the body streamed to its end");

    let sampled = flags & 1 == 1;
    if let Some(expected) = expect.sampled {
        assert_eq!(sampled, expected, "the caller's decision holds: {headers:?}");
    }
    if expect.keeps_id {
        assert_eq!(trace_id.to_string(), id, "the trace id is kept: {headers:?}");
    }
    Answer { n, trace_id, server: span_id, sampled }
}

/// The trace id that request `n` sends; spread over the whole range, so that a ratio takes its share.
fn sent_id(n: usize) -> (String, String) {
    let low = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let id = format!("6a000000{n:08x}{low:016x}");
    let xray_id = format!("1-{}-{}", &id[..8], &id[8..]);
    (id, xray_id)
}

fn sent_span(n: usize) -> String {
    format!("{:016x}", 0xcafe_0000_0000_0000 + n as u64)
}

impl Answer {
    fn spans_expected(&self) -> usize {
        if self.sampled { 1 + TREE.len() + CHUNKS + usize::from(self.n.is_multiple_of(13)) } else { 0 }
    }

    fn check_spans(&self, spans: &[SpanData]) {
        if !self.sampled {
            assert!(spans.is_empty(), "an unsampled request makes no span");
            return;
        }
        let n = self.n;
        let by_id: HashMap<SpanId, &SpanData> = spans.iter().map(|s| (s.span_context.span_id(), s)).collect();
        let mut pairs = Vec::new();
        for span in spans {
            assert_eq!(span.span_context.trace_id(), self.trace_id, "{n} {}: trace id", span.name);
            if span.span_context.span_id() == self.server {
                assert_eq!(span.name, "GET /task/{n}");
                let sent =
                    KINDS[n % KINDS.len()].1.has_parent.then(|| SpanId::from_hex(&sent_span(n)).unwrap());
                assert_eq!(span.parent_span_id, sent.unwrap_or(SpanId::INVALID), "{n}: remote parent");
                continue;
            }
            let parent = by_id.get(&span.parent_span_id);
            let parent = parent.unwrap_or_else(|| panic!("{n} {}: an orphan", span.name));
            pairs.push((span.name.to_string(), parent.name.to_string()));
        }
        let mut expected: Vec<_> = TREE.iter().copied().chain([CHUNK; CHUNKS]).collect();
        expected.extend(n.is_multiple_of(13).then_some(CANCELLED));
        expected.sort_unstable();
        pairs.sort_unstable();
        let pairs: Vec<_> = pairs.iter().map(|(span, parent)| (span.as_str(), parent.as_str())).collect();
        assert_eq!(pairs, expected, "{n}: who is under whom");
    }
}

/// Each statement has its plan, below it and in its trace; nobody else has one.
fn check_plans(plans: &[SpanData], spans: &[SpanData], statements: usize) {
    let all = || plans.iter().chain(spans);
    let by_id: HashMap<SpanId, &SpanData> = all().map(|span| (span.span_context.span_id(), span)).collect();
    let mut executed = HashSet::new();
    for plan in plans {
        let parent = by_id.get(&plan.parent_span_id);
        let parent = parent.unwrap_or_else(|| panic!("{}: an orphan", plan.name));
        assert_eq!(plan.span_context.trace_id(), parent.span_context.trace_id(), "{}: trace id", plan.name);
        assert!(of_the_server(parent) || parent.name == "SELECT", "{} below {}", plan.name, parent.name);
        if plan.name == EXECUTE {
            assert!(executed.insert(plan.parent_span_id), "one plan a statement");
        }
    }
    assert_eq!(executed.len(), statements, "a plan for each statement");
}

/// Whether Postgres said it, and not this process.
fn of_the_server(span: &SpanData) -> bool {
    attribute(span, THROUGHLINE_SYNTHETIC).is_some()
}

fn check_headers(answers: &[Answer], received: &[(usize, String, String)]) {
    let by_request: HashMap<usize, &Answer> = answers.iter().map(|answer| (answer.n, answer)).collect();
    assert_eq!(received.len(), 2 * answers.len(), "both calls of every request came through");
    let mut fresh = HashSet::new();
    for (n, traceparent, xray) in received {
        let answer = by_request[n];
        let (trace_id, span_id, flags) = ids(traceparent);
        assert_eq!(trace_id, answer.trace_id, "{n}: trace id over the wire");
        assert_eq!(flags & 1 == 1, answer.sampled, "{n}: verdict over the wire");
        assert_ne!(span_id.to_string(), sent_span(*n), "{n}: a call has a span id of its own");
        assert!(fresh.insert(span_id), "{n}: span ids over the wire are unique");
        let id = xray::TraceId::from_bytes(trace_id.to_bytes()).unwrap();
        let expected = format!("Root={id};Parent={span_id};Sampled={}", flags & 1);
        assert_eq!(*xray, expected, "{n}: both headers say the same");
    }
}

fn check_lines(answers: &[Answer]) {
    let by_request: HashMap<u64, &Answer> = answers.iter().map(|answer| (answer.n as u64, answer)).collect();
    let lines = told().lines(|line| line["interleaved"].is_u64());
    assert!(lines.len() >= answers.len() * 9, "lines: {}", lines.len());
    for line in lines {
        let answer = by_request[&line["interleaved"].as_u64().unwrap()];
        let id = xray::TraceId::from_bytes(answer.trace_id.to_bytes()).unwrap();
        assert_eq!(line["trace_id"], answer.trace_id.to_string(), "{line}");
        assert_eq!(line["xray_trace_id"], id.to_string(), "{line}");
        if answer.sampled {
            assert_eq!(line["span_id"], line["expected_span"], "{line}");
        } else {
            assert!(line.get("span_id").is_none(), "the caller's span is not ours: {line}");
        }
    }
}

/// Which request a span belongs to: as marked, or by the URL that it called; a statement does not say.
fn tag(span: &SpanData) -> Option<usize> {
    match attribute(span, "interleaved") {
        Some(Value::I64(n)) => Some(n as usize),
        _ => text(span, "url.full").rsplit_once("/leaf/")?.1.parse().ok(),
    }
}

/// Tags the innermost span and writes a line that says which span it expects to be under.
fn mark(n: usize) {
    telemetry::current::set_attribute("interleaved", n as i64);
    let span = Context::map_current(|cx| cx.span().span_context().span_id());
    tracing::info!(interleaved = n, expected_span = %span, "marked");
}

/// Lets others run: some turns of the queue, and now and then a real wait.
async fn jostle(n: usize) {
    for _ in 0..n % 3 {
        tokio::task::yield_now().await;
    }
    if n.is_multiple_of(4) {
        rt::time::sleep(Duration::from_micros(200)).await;
    }
}

async fn work(
    n: web::Path<usize>,
    port: web::Data<u16>,
    client: web::Data<awc::Client>,
    db: web::Data<Db>,
) -> HttpResponse {
    let n = *n;
    mark(n);
    let url = format!("http://127.0.0.1:{}/leaf/{n}", **port);
    // Detached in every second request, where it may outlive the SERVER span.
    let spawned = telemetry::spawn(async move {
        let work = async {
            jostle(n + 3).await;
            mark(n);
        };
        work.instrument(tracing::info_span!("spawned")).await;
    });
    join(outer(n), manual(n, &client, &url)).await;
    telemetry::block(move || tracing::info_span!("blocked").in_scope(|| mark(n))).await.unwrap();
    check_database(n, &db).await;
    // A frozen request shares its head; the headers go beside it.
    let frozen = client.get(&url).freeze().unwrap();
    assert!(frozen.send().await.unwrap().status().is_success());
    if n.is_multiple_of(13) {
        let never = async {
            mark(n);
            std::future::pending::<()>().await;
        };
        let limit = Duration::from_micros(500);
        let dropped = rt::time::timeout(limit, never.instrument(tracing::info_span!("cancelled"))).await;
        assert!(dropped.is_err());
    }
    if n.is_multiple_of(2) {
        spawned.await.unwrap();
    }
    mark(n);
    let status = if n.is_multiple_of(11) { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    let chunks = futures::stream::iter(0..CHUNKS).then(move |_| async move {
        jostle(n).await;
        tracing::info_span!("chunk").in_scope(|| mark(n));
        Ok::<_, actix_web::Error>(web::Bytes::from_static(b"x"))
    });
    HttpResponse::build(status).streaming(Box::pin(chunks))
}

/// Postgres itself says whose statement it runs.
async fn check_database(n: usize, db: &Db) {
    let whose: String =
        sqlx::query_scalar("select current_setting('application_name')").fetch_one(db).await.unwrap();
    if telemetry::current::is_sampled() {
        let (trace_id, ..) = ids(&whose);
        assert_eq!(Some(trace_id.to_string()), telemetry::current::trace_id(), "{n}: in the database");
    } else {
        assert!(!whose.starts_with("00-"), "{n}: nobody's trace: {whose}");
    }
}

async fn leaf(n: web::Path<usize>, request: HttpRequest, received: web::Data<Received>) -> HttpResponse {
    let header = |name| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
    received.lock().unwrap().push((*n, header("traceparent"), header("x-amzn-trace-id")));
    mark(*n);
    leaf_work(*n).await;
    HttpResponse::Ok().finish()
}

#[tracing::instrument(name = "leaf", skip_all)]
async fn leaf_work(n: usize) {
    jostle(n).await;
    mark(n);
}

#[tracing::instrument(skip_all)]
async fn outer(n: usize) {
    mark(n);
    join(left(n), right(n)).await;
    mark(n);
}

#[tracing::instrument(skip_all)]
async fn left(n: usize) {
    jostle(n).await;
    mark(n);
}

#[tracing::instrument(skip_all)]
async fn right(n: usize) {
    jostle(n + 1).await;
    mark(n);
}

/// A tracing span, a span of OpenTelemetry's own API under it, a tracing span under that, and there a call.
#[tracing::instrument(skip_all)]
async fn manual(n: usize, client: &awc::Client, url: &str) {
    mark(n);
    jostle(n).await;
    let raw = Context::current_with_span(opentelemetry::global::tracer("raw").start("raw"));
    async {
        mark(n);
        jostle(n + 2).await;
        let call = async {
            mark(n);
            assert!(client.get(url).send().await.unwrap().status().is_success());
        };
        call.instrument(tracing::info_span!("under raw")).await;
    }
    .with_context(raw)
    .await;
}
