//! All spans of this process, as a receiver of OTLP gets them.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{HttpResponse, rt::System};
use env::Env;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use service::server::{Listen, Ready, Server, Settings, Tracing};
use test_support::eventually;

#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) took: Duration,
    /// Strings and numbers.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Trace and span.
    pub(crate) links: Vec<(String, String)>,
    /// By name, with the first attribute's value.
    pub(crate) events: Vec<(String, String)>,
}

static SPANS: Mutex<Vec<Span>> = Mutex::new(Vec::new());

/// Starts telemetry for the process: every request sampled, delivered to a receiver beside the tests.
pub(crate) fn record() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        let endpoint = format!("http://127.0.0.1:{}", start_receiver());
        let env = Env::from_pairs([
            ("RUST_LOG", "off"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ]);
        let guard = telemetry::init(telemetry::Config::from_env("activities", &env).unwrap()).unwrap();
        // For as long as the process lives: no test is the last one.
        std::mem::forget(guard);
    });
}

/// The first span that `wanted` takes, as soon as it was received.
pub(crate) async fn find(what: &str, wanted: impl Fn(&Span) -> bool) -> Span {
    eventually(what, || async { SPANS.lock().unwrap().iter().find(|span| wanted(span)).cloned() }).await
}

/// All spans of a trace, once `whole` is content with them.
pub(crate) async fn of_trace(trace_id: &str, whole: impl Fn(&[Span]) -> bool) -> Vec<Span> {
    eventually(&format!("the spans of {trace_id}"), || async {
        let spans: Vec<_> =
            SPANS.lock().unwrap().iter().filter(|span| span.trace_id == trace_id).cloned().collect();
        whole(&spans).then_some(spans)
    })
    .await
}

/// On a thread of its own, since the system of each test ends with it.
fn start_receiver() -> u16 {
    let (tell, port) = mpsc::channel();
    std::thread::spawn(move || {
        System::new().block_on(async move {
            let settings =
                Settings { workers: 1, max_body: 16 * 1024 * 1024, ..Settings::new(Listen::loopback(0)) };
            let settings = Settings { encoded_bodies: true, ..settings };
            let server = Server::bind(&settings, Tracing::Off, Ready::new(), |app| {
                app.app_data(web::PayloadConfig::new(16 * 1024 * 1024))
                    .service(web::resource("/v1/traces").post(receive));
            })
            .unwrap();
            tell.send(server.port()).unwrap();
            server.run().await.unwrap();
        });
    });
    port.recv().unwrap()
}

async fn receive(body: Bytes) -> HttpResponse {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let spans = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let spans = spans.flat_map(|scope| scope.spans).map(|span| Span {
        trace_id: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name,
        took: Duration::from_nanos(span.end_time_unix_nano - span.start_time_unix_nano),
        attributes: span.attributes.into_iter().filter_map(pair).collect(),
        links: span.links.into_iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
        events: span
            .events
            .into_iter()
            .map(|event| {
                let first = event.attributes.into_iter().find_map(pair);
                (event.name, first.map(|(_, value)| value).unwrap_or_default())
            })
            .collect(),
    });
    SPANS.lock().unwrap().extend(spans);
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}

fn pair(attribute: KeyValue) -> Option<(String, String)> {
    let text = match attribute.value?.value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        _ => return None,
    };
    Some((attribute.key, text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
