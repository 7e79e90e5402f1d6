//! One initialisation for the whole binary, since a process has one set of globals. Tests tell their own spans and
//! lines apart by trace id or tag.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error, HttpServer};
use opentelemetry::{SpanId, TraceId, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use telemetry::{Config, LogOutput, Sampler};

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
        let env = env::Env::from_pairs([("BAGGAGE_ALLOWED_KEYS", "tenant")]);
        let mut config = Config::from_env("test", &env).expect("a good configuration");
        config.sampler = Sampler::parent_based_ratio(RATIO);
        let lines = Arc::clone(&told.lines);
        config.log.output =
            LogOutput::Lines(Arc::new(move |line| lines.lock().unwrap().push(line.to_owned())));
        std::mem::forget(telemetry::init_with(config, told.clone()).expect("the first initialisation"));
        told
    })
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
    /// `app` is called once per worker, with the port that the server has.
    pub(crate) fn start<F, T, B>(app: F) -> Self
    where
        F: Fn(u16) -> App<T> + Clone + Send + 'static,
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        told();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server =
            HttpServer::new(move || app(port)).workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        actix_web::rt::System::try_current().expect("a system that runs the server");
        // The server's own accept loop belongs to no request.
        #[allow(clippy::disallowed_methods)]
        actix_web::rt::spawn(server);
        Self { port, handle }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) async fn stop(self) {
        self.handle.stop(true).await;
    }
}

/// A client without tracing: the world outside.
pub(crate) fn outside() -> awc::Client {
    let connector = awc::Connector::new().limit(0).timeout(Duration::from_secs(30));
    awc::Client::builder().connector(connector).timeout(Duration::from_secs(60)).disable_redirects().finish()
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
