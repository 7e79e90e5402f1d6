use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use env::Env;
use frontend_proxy::{Application, Config};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use service::server::{Listen, Ready, Server, Settings, Tracing};
use test_support::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Edge {
    pub(crate) port: u16,
    pub(crate) web_dir: PathBuf,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A span as it reached the receiver, with its resource's attributes.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) span: Span,
}

/// What this process's telemetry and the relay sent, all tests together: they look for their own trace id.
static RECEIVED: LazyLock<Arc<Mutex<Vec<Received>>>> = LazyLock::new(Arc::default);

/// The items that arrived, with the token that each one came under.
static ITEMS: Mutex<Vec<(Option<String>, serde_json::Value)>> = Mutex::new(Vec::new());

pub(crate) fn items() -> Vec<(Option<String>, serde_json::Value)> {
    ITEMS.lock().unwrap().clone()
}

impl Edge {
    pub(crate) async fn start(gateway: &str) -> Self {
        Self::with(gateway, &[]).await
    }

    pub(crate) async fn with(gateway: &str, more: &[(&str, &str)]) -> Self {
        telemetry_once();
        let web_dir = built_app();
        let mut env = Env::from_pairs([
            ("LISTEN", "127.0.0.1:0"),
            ("HTTP_WORKERS", "1"),
            ("GATEWAY_URL", gateway),
            ("CONSOLE_URL", "http://localhost:4380/?a=\"1\"&b"),
            ("WEB_DIR", web_dir.to_str().unwrap()),
        ]);
        for (name, value) in more {
            env = env.with(name, *value);
        }
        let application = Application::build(Config::from_env(&env).unwrap()).await.unwrap();
        let port = application.port();
        telemetry::spawn(application.run());
        Self { port, web_dir }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// `request` is a request line; Host and Connection are added.
    pub(crate) async fn send(&self, request: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // A refusal may come, and the connection close, before all of the body is sent.
        let _ = stream.write_all(body).await;
        let mut bytes = Vec::new();
        tokio::time::timeout(test_support::patience(), stream.read_to_end(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer but {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }
}

impl Answer {
    /// All values of a header, joined.
    pub(crate) fn header(&self, name: &str) -> String {
        let values: Vec<&str> = self
            .head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect();
        values.join(" | ")
    }
}

/// A service of its own on a thread of its own, which outlives the test that started it.
pub(crate) fn serve(routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + Sync + 'static) -> String {
    let settings = Settings {
        workers: 1,
        encoded_bodies: true,
        max_body: 1 << 24,
        ..Settings::new(Listen::loopback(0))
    };
    let (sender, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = Server::bind(&settings, Tracing::Off, Ready::new(), routes).unwrap();
            sender.send(server.port()).unwrap();
            server.run().await
        })
    });
    format!("http://127.0.0.1:{}", port.recv().unwrap())
}

/// Trace ids that no other test has.
pub(crate) fn new_trace_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:08x}{:024x}", now_seconds(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The spans of a trace that have arrived so far.
pub(crate) fn received(trace_id: &str) -> Vec<Received> {
    let all = RECEIVED.lock().unwrap();
    all.iter().filter(|received| hex(&received.span.trace_id) == trace_id).cloned().collect()
}

pub(crate) async fn receive(trace_id: &str, spans: usize) -> Vec<Received> {
    eventually(&format!("{spans} spans of {trace_id}"), async || {
        let found = received(trace_id);
        (found.len() >= spans).then_some(found)
    })
    .await
}

impl Received {
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        self.span.attributes.iter().find(|said| said.key == key).map(|said| plain(said.value.clone()))
    }

    pub(crate) fn service(&self) -> &str {
        self.resource.iter().find(|(key, _)| key == "service.name").map_or("", |(_, value)| value)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn plain(value: Option<opentelemetry_proto::tonic::common::v1::AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    }
}

fn telemetry_once() {
    static STARTED: OnceLock<telemetry::Guard> = OnceLock::new();
    STARTED.get_or_init(|| {
        let receiver = serve(|app| {
            app.service(web::resource("/v1/traces").post(async |request: HttpRequest, body: Bytes| {
                let mut plain = Vec::new();
                match request.headers().get("content-encoding") {
                    Some(_) => {
                        flate2::read::GzDecoder::new(body.as_ref()).read_to_end(&mut plain).unwrap();
                    }
                    None => plain.extend_from_slice(&body),
                }
                keep(ExportTraceServiceRequest::decode(plain.as_slice()).unwrap());
                HttpResponse::Ok().finish()
            }))
            .service(web::resource("/api/1/item/").post(
                async |request: HttpRequest, item: web::Json<serde_json::Value>| {
                    let token = request
                        .headers()
                        .get("x-rollbar-access-token")
                        .map(|it| it.to_str().unwrap().to_owned());
                    ITEMS.lock().unwrap().push((token, item.into_inner()["data"].take()));
                    HttpResponse::Ok().finish()
                },
            ));
        });
        let env = Env::from_pairs([
            ("CONSOLE_OTLP_ENDPOINT", receiver.as_str()),
            ("ROLLBAR_ENDPOINT", receiver.as_str()),
            ("ROLLBAR_ACCESS_TOKEN", "server-token"),
            ("ROLLBAR_CLIENT_ACCESS_TOKEN", "client-token"),
            ("RUST_LOG", "off"),
        ]);
        telemetry::init(telemetry::Config::from_env("frontend-proxy", &env).unwrap()).unwrap()
    });
}

fn keep(export: ExportTraceServiceRequest) {
    let mut all = RECEIVED.lock().unwrap();
    for group in export.resource_spans {
        let resource: Vec<(String, String)> = group
            .resource
            .into_iter()
            .flat_map(|r| r.attributes)
            .map(|said| (said.key, plain(said.value)))
            .collect();
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            all.push(Received { resource: resource.clone(), span });
        }
    }
}

/// A folder like the one that the web build leaves behind, and a file beside it that nobody may have.
fn built_app() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let name = format!("frontend-proxy-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let dir = root.join("dist");
    std::fs::create_dir_all(dir.join("assets")).unwrap();
    for (path, content) in [
        ("index.html", "<!doctype html><html><head><title>Cruddur</title></head><body></body></html>"),
        ("assets/app-1a2b3c.js", "console.log('app')"),
        ("favicon.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        (".secret", "secret"),
        ("../outside.txt", "secret"),
    ] {
        std::fs::write(dir.join(path), content).unwrap();
    }
    dir
}
