//! The same log lines to CloudWatch Logs in every way that is compared; `../../cloudwatch` counts instructions and events.
//!
//! `log-cost VARIANT COUNT ENDPOINT [LINES_PER_SECOND]` writes COUNT lines, flushes, and tells what it knows of them on
//! standard error as JSON. The lines themselves go to standard output as well, as services write them.

use std::fmt;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use env::Env;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

const GROUP: &str = "bench";
const STREAM: &str = "one";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, variant, count, endpoint, rest @ ..] = &arguments[..] else {
        panic!("log-cost VARIANT COUNT ENDPOINT [LINES_PER_SECOND]")
    };
    let count: u64 = count.parse().expect("a number");
    let rate = rest.first().map(|rate| rate.parse().expect("a number"));
    let report = match variant.as_str() {
        "ours-off" => ours(&[], count, rate),
        "ours" => {
            let spool = std::env::var("CLOUDWATCH_SPOOL_DIR").unwrap_or_default();
            let variables = [
                ("CLOUDWATCH_LOG_GROUP", GROUP),
                ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", endpoint.as_str()),
                ("AWS_ACCESS_KEY_ID", "any"),
                ("AWS_SECRET_ACCESS_KEY", "any"),
                ("CLOUDWATCH_SPOOL_DIR", spool.as_str()),
            ];
            ours(&variables, count, rate)
        }
        "fmt" => {
            tracing_subscriber::registry().with(tracing_subscriber::fmt::layer().json()).init();
            write(count, rate);
            Value::Null
        }
        "tracing-cloudwatch" => tracing_cloudwatch(endpoint, count, rate),
        "watchtower" => watchtower(endpoint, count, rate),
        other => panic!("{other} is no variant"),
    };
    eprintln!("{report}");
}

fn write(count: u64, rate: Option<u64>) {
    let start = Instant::now();
    for n in 0..count {
        tracing::info!(
            n,
            user = "0b5a5f3e-7d0c-4f0e-9a50-3c6ad7a0b6d1",
            took_ms = 12.5,
            "the home feed was read in full"
        );
        if let Some(rate) = rate.filter(|rate| n % (rate / 100).max(1) == 0) {
            let due = Duration::from_secs_f64(n as f64 / rate as f64);
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
    }
}

fn ours(variables: &[(&str, &str)], count: u64, rate: Option<u64>) -> Value {
    let config = telemetry::Config::from_env("bench", &Env::from_pairs(variables.iter().copied()))
        .expect("a configuration");
    let guard = telemetry::init(config).expect("once");
    write(count, rate);
    let flushed = guard.flush(Duration::from_secs(120));
    let report = telemetry::delivery_report();
    guard.shutdown(Duration::from_secs(5));
    json!({ "complete": flushed.complete, "logs": report["logs"] })
}

fn client(endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "bench"))
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

/// It makes neither, so that somebody has to.
async fn create(client: &Client) {
    let _ = client.create_log_group().log_group_name(GROUP).send().await;
    let _ = client.create_log_stream().log_group_name(GROUP).log_stream_name(STREAM).send().await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// Its default is five lines a call, which would measure calls; a thousand of these stay below the limit of bytes, which it does not know.
fn tracing_cloudwatch(endpoint: &str, count: u64, rate: Option<u64>) -> Value {
    runtime().block_on(async {
        let client = client(endpoint);
        create(&client).await;
        let export = tracing_cloudwatch::ExportConfig::default()
            .with_batch_size(1_000)
            .with_interval(Duration::from_secs(1))
            .with_log_group_name(GROUP)
            .with_log_stream_name(STREAM);
        let (layer, guard) = tracing_cloudwatch::layer().with_client(client, export);
        tracing_subscriber::registry()
            .with(tracing_subscriber::fmt::layer().json())
            .with(tracing_subscriber::Layer::with_filter(
                layer,
                tracing_subscriber::filter::filter_fn(|it| it.target().starts_with("log_cost")),
            ))
            .init();
        tokio::task::spawn_blocking(move || write(count, rate)).await.expect("no panic");
        guard.shutdown().await;
        Value::Null
    })
}

/// What watchtower does per event, in Rust: a dictionary to JSON, one queue entry an event, a thread that takes them one by one
/// and counts bytes.
fn watchtower(endpoint: &str, count: u64, rate: Option<u64>) -> Value {
    let (sender, receiver) = mpsc::channel();
    let endpoint = endpoint.to_owned();
    let worker = thread::spawn(move || send_in_batches(&endpoint, &receiver));
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().json())
        .with(PerEvent(sender.clone()))
        .init();
    write(count, rate);
    let _ = sender.send(None);
    worker.join().expect("no panic");
    Value::Null
}

struct PerEvent(mpsc::Sender<Option<(i64, String)>>);

impl<S: Subscriber> Layer<S> for PerEvent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !event.metadata().target().starts_with("log_cost") {
            return;
        }
        let mut fields = Fields(Map::new());
        fields.0.insert("level".to_owned(), event.metadata().level().as_str().into());
        fields.0.insert("target".to_owned(), event.metadata().target().into());
        event.record(&mut fields);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let _ = self.0.send(Some((now.as_millis() as i64, Value::Object(fields.0).to_string())));
    }
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

fn send_in_batches(endpoint: &str, events: &mpsc::Receiver<Option<(i64, String)>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = client(endpoint);
    runtime.block_on(create(&client));
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let put = |batch: Vec<InputLogEvent>| {
        let call = client.put_log_events().log_group_name(GROUP).log_stream_name(STREAM);
        runtime.block_on(call.set_log_events(Some(batch)).send()).expect("accepted");
    };
    while let Ok(Some((time, message))) = events.recv() {
        let size = message.len() + 26;
        if bytes + size > 1_048_576 || batch.len() == 10_000 {
            put(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += size;
        batch.push(InputLogEvent::builder().timestamp(time).message(message).build().expect("whole"));
    }
    if !batch.is_empty() {
        put(batch);
    }
}
