//! One initialisation for the whole binary, since a process has one set of globals. Tests tell their own spans and
//! lines apart by trace id or tag.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpServer};
use opentelemetry::{SpanId, TraceId, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use telemetry::actix::Trace;
use telemetry::{Config, LogOutput, Sampler};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::receiver::{Receiver, Reply};

/// What the process has told so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    spans: Arc<Mutex<Vec<SpanData>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

/// The share of the roots that this process samples.
pub(crate) const RATIO: f64 = 0.5;

/// Initialises telemetry, the first time.
pub(crate) fn told() -> &'static Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    TOLD.get_or_init(|| {
        let told = Told::default();
        let env = env::Env::from_pairs([
            ("BAGGAGE_ALLOWED_KEYS", "tenant"),
            ("CONSOLE_ROLLBAR_ENDPOINT", &rollbar().url()),
            // All tests together are one process.
            ("ROLLBAR_ITEMS_PER_MINUTE", "100000"),
        ]);
        let mut config = Config::from_env("test", &env).expect("a good configuration");
        config.sampler = Sampler::parent_based_ratio(RATIO);
        let lines = Arc::clone(&told.lines);
        config.log.output =
            LogOutput::Lines(Arc::new(move |line| lines.lock().unwrap().push(line.to_owned())));
        std::mem::forget(telemetry::init_with(config, told.clone()).expect("the first initialisation"));
        told
    })
}

/// Where this process's errors go.
fn rollbar() -> &'static Receiver {
    static ROLLBAR: OnceLock<Receiver> = OnceLock::new();
    ROLLBAR.get_or_init(|| Receiver::start(|_, _| Reply::ok()))
}

/// The items that have arrived so far.
pub(crate) fn items(of_interest: impl Fn(&serde_json::Value) -> bool) -> Vec<serde_json::Value> {
    let items = rollbar().requests().into_iter().map(|request| {
        serde_json::from_slice::<serde_json::Value>(&request.body).expect("an item is JSON")["data"].take()
    });
    items.filter(|item| of_interest(item)).collect()
}

impl Told {
    pub(crate) fn spans(&self, of_interest: impl Fn(&SpanData) -> bool) -> Vec<SpanData> {
        self.spans.lock().unwrap().iter().filter(|span| of_interest(span)).cloned().collect()
    }

    pub(crate) fn of_trace(&self, trace_id: TraceId) -> Vec<SpanData> {
        self.spans(|span| span.span_context.trace_id() == trace_id)
    }

    /// Log lines as JSON; one that is none fails the test.
    pub(crate) fn lines(&self, of_interest: impl Fn(&serde_json::Value) -> bool) -> Vec<serde_json::Value> {
        let lines = self.lines.lock().unwrap();
        let parsed =
            lines.iter().map(|line| serde_json::from_str(line).expect("every line is one JSON object"));
        parsed.filter(|line| of_interest(line)).collect()
    }
}

impl SpanProcessor for Told {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        self.spans.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// A server of one worker on a port of its own, for as long as this lives.
pub(crate) struct Server {
    pub(crate) port: u16,
    handle: ServerHandle,
}

impl Server {
    /// Traced as a service is.
    pub(crate) fn start(routes: impl Fn(u16, &mut ServiceConfig) + Clone + Send + 'static) -> Self {
        Self::traced_by(telemetry::actix::trace, routes)
    }

    /// `routes` gets the port that the server has; a traced client is there for the handlers.
    pub(crate) fn traced_by(
        trace: impl Fn() -> Trace + Clone + Send + 'static,
        routes: impl Fn(u16, &mut ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        told();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = HttpServer::new(move || {
            App::new()
                .wrap(trace())
                .app_data(web::Data::new(port))
                .app_data(web::Data::new(telemetry::awc::client(Duration::from_secs(30))))
                .configure(|config| routes(port, config))
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        telemetry::spawn(server);
        Self { port, handle }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) async fn stop(self) {
        // At once: some handlers here never end.
        self.handle.stop(false).await;
    }
}

/// A client without tracing: the world outside.
pub(crate) fn outside() -> awc::Client {
    let connector = awc::Connector::new().limit(0).timeout(Duration::from_secs(30));
    awc::Client::builder().connector(connector).timeout(Duration::from_mins(1)).disable_redirects().finish()
}

/// Sends a request as its bytes stand here, since clients repair what we want broken: `request` is the method and the
/// path, `headers` are whole lines.
pub(crate) async fn raw(port: u16, request: &str, headers: &[String], body: &str) -> Response {
    let mut text = format!("{request} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n");
    for header in headers {
        text.extend([header.as_str(), "\r\n"]);
    }
    let length = body.len();
    let _ = write!(text, "content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    let answer = bytes(port, &text).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned()));
    Response { status, headers: headers.collect(), body: body.to_owned() }
}

/// Sends `request` and reads until the server closes.
pub(crate) async fn bytes(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The trace that the answer says it was in.
    pub(crate) fn trace(&self) -> (TraceId, SpanId, u8) {
        ids(self.header("traceresponse"))
    }
}

/// Header lines as a test writes them.
pub(crate) fn lines(headers: &[&str]) -> Vec<String> {
    headers.iter().map(|line| (*line).to_owned()).collect()
}

/// The ids and flags of a `traceparent` or `traceresponse`.
pub(crate) fn ids(header: &str) -> (TraceId, SpanId, u8) {
    let parts: Vec<&str> = header.split('-').collect();
    assert_eq!(parts.len(), 4, "{header}");
    (
        TraceId::from_hex(parts[1]).unwrap(),
        SpanId::from_hex(parts[2]).unwrap(),
        u8::from_str_radix(parts[3], 16).unwrap(),
    )
}

pub(crate) fn attribute(span: &SpanData, key: &str) -> Option<Value> {
    span.attributes.iter().rev().find(|kv| kv.key.as_str() == key).map(|kv| kv.value.clone())
}

pub(crate) fn text(span: &SpanData, key: &str) -> String {
    attribute(span, key).map(|value| value.to_string()).unwrap_or_default()
}

/// Waits until `trace_id` has `count` spans, and gives them in the order of their ends.
pub(crate) async fn spans_of(trace_id: TraceId, count: usize) -> Vec<SpanData> {
    test_support::eventually("the spans of a trace", || async {
        let spans = told().of_trace(trace_id);
        (spans.len() >= count).then_some(spans)
    })
    .await
}

/// A span as text: kind, name, status, then its attributes, events and links. Ports and ids of the run are masked.
pub(crate) fn show(span: &SpanData) -> String {
    let mut text = format!("{:?} {} {:?}\n", span.span_kind, span.name, span.status);
    let mut attributes: Vec<_> =
        span.attributes.iter().map(|kv| format!("{}={}", kv.key, kv.value)).collect();
    attributes.sort();
    for attribute in attributes {
        let _ = writeln!(text, "  {attribute}");
    }
    for event in &span.events.events {
        let attributes: Vec<_> =
            event.attributes.iter().map(|kv| format!("{}={}", kv.key, kv.value)).collect();
        let _ = writeln!(text, "  event {} {}", event.name, attributes.join(" "));
    }
    for link in &span.links.links {
        let _ = writeln!(text, "  link {} {}", link.span_context.trace_id(), link.span_context.span_id());
    }
    text
}
