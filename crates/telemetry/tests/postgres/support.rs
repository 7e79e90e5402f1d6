//! Contexts to run in, and the spans that came of it.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock};

use opentelemetry::trace::{
    FutureExt as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceState,
};
use opentelemetry::{Context, SpanId, TraceId, Value};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SimpleSpanProcessor, SpanData};
use test_support::{TestDb, patience};
use throughline_telemetry::attributes::THROUGHLINE_SYNTHETIC;
use throughline_telemetry::postgres::{Db, DbConfig, Mode};
use throughline_telemetry::{Config, Guard, LogOutput};

/// What every test asks Postgres about itself.
pub(crate) const WHOSE: &str = "select current_setting('application_name'), \
                                coalesce(current_setting('throughline.xray_trace_id', true), '')";

pub(crate) type Whose = (String, String);

/// A trace of a test's own.
#[derive(Clone)]
pub(crate) struct Trace(pub(crate) Context);

pub(crate) fn sampled() -> Trace {
    trace(TraceFlags::SAMPLED)
}

pub(crate) fn unsampled() -> Trace {
    trace(TraceFlags::NOT_SAMPLED)
}

fn trace(flags: TraceFlags) -> Trace {
    told();
    let id = TraceId::from_bytes(rand::random());
    let parent = SpanContext::new(id, SpanId::from_bytes(rand::random()), flags, true, TraceState::NONE);
    Trace(Context::new().with_remote_span_context(parent))
}

/// What this process has told so far. One for all tests, as in a service; they find their spans by trace id.
pub(crate) struct Told {
    exporter: InMemorySpanExporter,
    guard: Guard,
    lines: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn told() -> &'static Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    TOLD.get_or_init(|| {
        let (exporter, lines) = (InMemorySpanExporter::default(), Arc::<Mutex<Vec<String>>>::default());
        // All that could ever become a line.
        let env = env::Env::from_pairs([("RUST_LOG", "info")]);
        let mut config = Config::from_env("test", &env).unwrap();
        let write = Arc::clone(&lines);
        config.log.output =
            LogOutput::Lines(Arc::new(move |line: &str| write.lock().unwrap().push(line.to_owned())));
        let processor = SimpleSpanProcessor::new(exporter.clone());
        let guard = throughline_telemetry::init_with(config, processor).unwrap();
        Told { exporter, guard, lines }
    })
}

impl Told {
    /// All spans, when every plan has been read.
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.guard.flush(patience());
        self.exporter.get_finished_spans().expect("the exporter is not shut down")
    }

    pub(crate) fn lines(&self, word: &str) -> Vec<String> {
        self.lines.lock().unwrap().iter().filter(|line| line.contains(word)).cloned().collect()
    }
}

/// Whether Postgres said it, and not the client.
pub(crate) fn of_the_server(span: &SpanData) -> bool {
    span.attributes.iter().any(|attribute| attribute.key.as_str() == THROUGHLINE_SYNTHETIC)
}

impl Trace {
    pub(crate) async fn run<F: Future>(&self, work: F) -> F::Output {
        work.with_context(self.0.clone()).await
    }

    pub(crate) fn id(&self) -> TraceId {
        self.0.span().span_context().trace_id()
    }

    /// As X-Ray spells it.
    pub(crate) fn xray_id(&self) -> String {
        let id = self.id().to_string();
        format!("1-{}-{}", &id[..8], &id[8..])
    }

    /// In the order of their starts; those of the server as well.
    pub(crate) fn all_spans(&self) -> Vec<SpanData> {
        let mut spans = told().spans();
        spans.retain(|span| span.span_context.trace_id() == self.id());
        spans.sort_by_key(|span| span.start_time);
        spans
    }

    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.all_spans().into_iter().filter(|span| !of_the_server(span)).collect()
    }

    /// The traceparent that the span of this name would send.
    pub(crate) fn traceparent(&self, name: &str) -> String {
        let spans = self.spans();
        let span = spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name}"));
        format!("00-{}-{}-01", self.id(), span.span_context.span_id())
    }

    pub(crate) fn tree(&self) -> String {
        tree(self.spans())
    }

    /// With what the server said.
    pub(crate) fn whole_tree(&self) -> String {
        tree(self.all_spans())
    }
}

fn tree(spans: Vec<SpanData>) -> String {
    let spans: Vec<test_support::Span> = spans
        .into_iter()
        .map(|span| test_support::Span {
            span_id: span.span_context.span_id().to_string(),
            parent: (!span.parent_span_is_remote).then(|| span.parent_span_id.to_string()),
            service: "test".to_owned(),
            name: span.name.to_string(),
            start: span.start_time.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64,
        })
        .collect();
    test_support::span_tree(&spans)
}

pub(crate) async fn connect(database: &TestDb, mode: Mode, connections: u32) -> Db {
    let config = DbConfig {
        mode,
        max_connections: connections,
        // Hundreds of statements wait for a few connections here, on a machine that may be busy.
        acquire_timeout: patience(),
        ..DbConfig::new(database.url())
    };
    Db::connect(&config).await.unwrap()
}

/// Everything that a span says, but for what differs from run to run.
pub(crate) fn describe(span: &SpanData) -> String {
    let kind = match span.span_kind {
        SpanKind::Client => "client",
        SpanKind::Internal => "internal",
        _ => "other",
    };
    let mut text = format!("{} ({kind})\n", span.name);
    if let Status::Error { description } = &span.status {
        let _ = writeln!(text, "  status: error, {description}");
    }
    let mut lines: Vec<String> = span
        .attributes
        .iter()
        .map(|attribute| {
            let value = match (attribute.key.as_str(), &attribute.value) {
                ("server.port", Value::I64(_)) => "PORT".to_owned(),
                ("db.namespace", _) => "DATABASE".to_owned(),
                (_, value) => value.to_string(),
            };
            format!("  {}: {value}", attribute.key)
        })
        .collect();
    lines.sort();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    for event in &span.events.events {
        let _ = writeln!(text, "  event {}", event.name);
        for attribute in &event.attributes {
            let _ = writeln!(text, "    {}: {}", attribute.key, attribute.value);
        }
    }
    text
}
