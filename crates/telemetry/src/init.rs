//! Sets the globals, once, and takes them down again without losing a span.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanProcessor};
use sinks::cloudwatch::{self, LogReport, Logs, LogsFlush};
use sinks::rollbar::{self, Rollbar};
use sinks::spans::BuildError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::attributes::{SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION};
use crate::errors;
use crate::export::{self, Pipeline, PipelineFlush, PipelineReport};
use crate::gate::Gate;
use crate::log::Events;
use crate::postgres::plan::{self, PlanReport};
use crate::sampling::{Ids, Obey, Rules};
use crate::{Config, Sampler};

/// Keeps telemetry running; hand it back with [`Guard::shutdown`] on every way out.
#[must_use = "dropped, it loses the spans that are still in the queue"]
pub struct Guard {
    provider: SdkTracerProvider,
}

/// What a flush achieved. Serialised, it is what a process says of its telemetry when it ends.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct FlushReport {
    /// Every span that ended before has been delivered to every destination.
    pub complete: bool,
    /// Spans that were not encoded when the deadline came.
    pub waiting: u64,
    /// Spans dropped before they were encoded.
    pub dropped: u64,
    pub destinations: Vec<delivery::Flushed>,
}

#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("telemetry is initialised once per process")]
    Twice,
    #[error("another tracing subscriber is installed: {0}")]
    Subscriber(#[from] TryInitError),
    #[error("spans cannot be exported: {0}")]
    Export(#[from] BuildError),
    #[error("a thread of telemetry: {0}")]
    Thread(#[from] std::io::Error),
}

/// Starts telemetry as `config` says: spans to its destinations, log lines to standard output.
#[allow(clippy::needless_pass_by_value, reason = "a configuration is used once")]
pub fn init(config: Config) -> Result<Guard, InitError> {
    let (processor, pipeline) = export::pipeline(&config.export)?;
    install(&config, processor, Some(pipeline))
}

/// The same with a span processor of your own in place of ours; for tests that look at the spans.
#[allow(clippy::needless_pass_by_value, reason = "a configuration is used once")]
pub fn init_with(config: Config, processor: impl SpanProcessor + 'static) -> Result<Guard, InitError> {
    install(&config, processor, None)
}

#[derive(serde::Serialize)]
struct Counters {
    #[serde(flatten)]
    pipeline: Option<PipelineReport>,
    plans: PlanReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollbar: Option<rollbar::Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<LogCounters>,
}

#[derive(serde::Serialize)]
struct LogCounters {
    #[serde(flatten)]
    lines: LogReport,
    destinations: Vec<delivery::Report>,
}

/// Counters per destination, for `/ready`: what was offered, delivered, refused and dropped.
pub fn delivery_report() -> serde_json::Value {
    let counters = Counters {
        pipeline: state().pipeline.as_ref().map(Pipeline::report),
        plans: plan::report(),
        rollbar: state().rollbar.as_ref().map(Rollbar::report),
        logs: state().logs.as_ref().map(|logs| {
            let (lines, destinations) = logs.report();
            LogCounters { lines, destinations }
        }),
    };
    serde_json::to_value(counters).unwrap_or_default()
}

/// Sends spans that came encoded, an `ExportTraceServiceRequest` in protobuf holding `spans` of them, to wherever
/// this process sends its own; for the relay of the browser's.
pub fn relay(request: &Bytes, spans: u64) {
    if let Some(pipeline) = &state().pipeline {
        pipeline.relay(request, spans);
    }
}

/// Sends a browser's item, the `data` of Rollbar's wire format, to wherever this process sends its own errors; for the relay of
/// the browser's. It is scrubbed, gets this process's environment, and the token that no browser sees. `false`: there were too
/// many in this minute, and it is dropped and counted.
pub fn relay_item(data: serde_json::Map<String, serde_json::Value>) -> bool {
    state().rollbar.as_ref().is_none_or(|rollbar| rollbar.relay(data))
}

impl Guard {
    /// Sends what is queued. Blocks: call it off the async workers.
    pub fn flush(&self, deadline: Duration) -> FlushReport {
        let deadline = plans_first(deadline);
        let spans = || match &state().pipeline {
            Some(pipeline) => pipeline.flush(deadline).into(),
            None => FlushReport { complete: self.provider.force_flush().is_ok(), ..FlushReport::default() },
        };
        let errors = |rollbar: &Rollbar| rollbar.flush(deadline);
        with_logs(|| with_errors(spans, errors), |logs| logs.flush(deadline))
    }

    /// Sends what is queued and stops. Blocks: call it off the async workers, after the server and its tasks, since
    /// a span that ends later is lost.
    pub fn shutdown(self, deadline: Duration) -> FlushReport {
        let deadline = plans_first(deadline);
        let spans = || match &state().pipeline {
            Some(pipeline) => pipeline.shutdown(deadline).into(),
            None => FlushReport { complete: true, ..FlushReport::default() },
        };
        let errors = |rollbar: &Rollbar| rollbar.shutdown(deadline);
        let report = with_logs(|| with_errors(spans, errors), |logs| logs.shutdown(deadline));
        let stopped = self.provider.shutdown_with_timeout(deadline).is_ok();
        FlushReport { complete: report.complete && stopped, ..report }
    }
}

/// Query plans become spans on a thread of their own, before all else. Gives the time that is left.
fn plans_first(deadline: Duration) -> Duration {
    let start = Instant::now();
    plan::flush(deadline);
    deadline.saturating_sub(start.elapsed())
}

/// Spans and errors at the same time: receivers of one that are away leave the others their whole deadline.
fn with_errors(
    spans: impl FnOnce() -> FlushReport,
    errors: impl FnOnce(&Rollbar) -> Vec<delivery::Flushed> + Send,
) -> FlushReport {
    let Some(rollbar) = &state().rollbar else { return spans() };
    let (mut report, errors) = std::thread::scope(|scope| {
        let errors = scope.spawn(|| errors(rollbar));
        (spans(), errors.join().expect("a flush does not panic"))
    });
    report.complete &= errors.iter().all(delivery::Flushed::is_complete);
    report.destinations.extend(errors);
    report
}

/// Log lines at the same time too.
fn with_logs(
    others: impl FnOnce() -> FlushReport,
    lines: impl FnOnce(&Logs) -> LogsFlush + Send,
) -> FlushReport {
    let Some(logs) = &state().logs else { return others() };
    let (mut report, lines) = std::thread::scope(|scope| {
        let lines = scope.spawn(|| lines(logs));
        (others(), lines.join().expect("a flush does not panic"))
    });
    report.complete &= lines.is_complete();
    report.destinations.extend(lines.destinations);
    report
}

impl From<PipelineFlush> for FlushReport {
    fn from(flush: PipelineFlush) -> Self {
        Self {
            complete: flush.is_complete(),
            waiting: flush.waiting,
            dropped: flush.dropped,
            destinations: flush.destinations,
        }
    }
}

/// What the middleware and the client ask of the configuration.
pub(crate) struct State {
    /// Whether spans are made at all.
    pub(crate) recording: bool,
    pub(crate) sampler: Sampler,
    /// When the sampler asks X-Ray.
    pub(crate) rules: Option<Rules>,
    pub(crate) baggage_allowed: Vec<String>,
    pub(crate) rollbar: Option<Rollbar>,
    logs: Option<Logs>,
    pub(crate) pipeline: Option<Pipeline>,
}

static STATE: OnceLock<State> = OnceLock::new();

/// Before `init`, and in the tests of those who do not care, nothing is recorded and headers travel on.
pub(crate) fn state() -> &'static State {
    static UNSET: State = State {
        recording: false,
        sampler: Sampler::PARENT_BASED_ALWAYS_ON,
        rules: None,
        baggage_allowed: Vec::new(),
        rollbar: None,
        logs: None,
        pipeline: None,
    };
    STATE.get().unwrap_or(&UNSET)
}

fn install(
    config: &Config,
    processor: impl SpanProcessor + 'static,
    pipeline: Option<Pipeline>,
) -> Result<Guard, InitError> {
    let logs = start_logs(config)?;
    let recording = !config.disabled;
    let rules = (recording && config.sampler.asks_xray())
        .then(|| Rules::start(&config.xray_daemon, &config.service_name, &config.resource_attributes))
        .transpose()?;
    let state = State {
        recording,
        sampler: config.sampler,
        rules,
        baggage_allowed: config.baggage_allowed.clone(),
        rollbar: start_rollbar(config)?,
        logs: logs.clone(),
        pipeline: pipeline.filter(|_| recording),
    };
    STATE.set(state).map_err(|_| InitError::Twice)?;

    let provider = SdkTracerProvider::builder()
        .with_id_generator(Ids)
        .with_sampler(Obey(config.sampler))
        .with_resource(resource(config))
        .with_span_processor(processor)
        .build();
    let spans = recording.then(|| {
        tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_tracer(provider.tracer(env!("CARGO_PKG_NAME")))
    });
    tracing_subscriber::registry()
        // Outermost last: `Events` ends every event before it becomes an event of a span.
        .with(Gate::new(config.log.filter.clone()))
        .with(spans)
        .with(Events::new(config, logs))
        .try_init()?;
    if recording {
        opentelemetry::global::set_tracer_provider(provider.clone());
    }
    errors::hook_panics();
    Ok(Guard { provider })
}

/// Lines leave also when spans do not.
fn start_logs(config: &Config) -> std::io::Result<Option<Logs>> {
    let names = cloudwatch::Names {
        service: config.service_name.clone(),
        namespace: config.service_namespace.clone().unwrap_or_default(),
        instance: config.instance_id(),
        version: config.service_version.clone(),
    };
    (!config.logs.is_off()).then(|| Logs::start(&config.logs, &names)).transpose()
}

/// Errors leave also when spans do not (`OTEL_SDK_DISABLED`).
fn start_rollbar(config: &Config) -> std::io::Result<Option<Rollbar>> {
    /// A receiver that is away must not keep a thread for ever.
    const DEPLOY_DEADLINE: Duration = Duration::from_secs(30);
    if config.rollbar.is_off() {
        return Ok(None);
    }
    let process = rollbar::Process {
        service: config.service_name.clone(),
        code_version: config.service_version.clone(),
    };
    if config.rollbar.deploy {
        let (config, process) = (config.rollbar.clone(), process.clone());
        let announce = move || {
            let deploy = rollbar::Deploy { status: "succeeded".to_owned(), comment: "it starts".to_owned() };
            match rollbar::announce(&config, &process, &deploy, DEPLOY_DEADLINE) {
                Ok(answers) => answers.iter().for_each(|it| {
                    tracing::info!(destination = it.destination, told = it.delivered == 1, "deploy notice");
                }),
                Err(error) => tracing::warn!(%error, "no deploy notice"),
            }
        };
        std::thread::Builder::new().name("deploy-notice".to_owned()).spawn(announce)?;
    }
    Rollbar::start(&config.rollbar, process).map(Some)
}

/// `OTEL_RESOURCE_ATTRIBUTES` may tell version and instance better than we know them; the name is the role's.
fn resource(config: &Config) -> Resource {
    let namespace = config.service_namespace.clone().map(|name| KeyValue::new(SERVICE_NAMESPACE, name));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes([
            KeyValue::new(SERVICE_VERSION, config.service_version.clone()),
            KeyValue::new(SERVICE_INSTANCE_ID, config.instance_id()),
        ])
        .with_attributes(config.resource_attributes.iter().cloned())
        .with_attributes(namespace)
        .with_attribute(KeyValue::new(SERVICE_NAME, config.service_name.clone()))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use env::Env;

    /// The resource that these variables give to the gateway, without what differs from run to run.
    fn check(variables: &[(&str, &str)], expect: &str) {
        let config = Config::from_env("gateway", &Env::from_pairs(variables.iter().copied())).unwrap();
        let mut attributes: Vec<_> = resource(&config)
            .iter()
            .filter(|(key, _)| !key.as_str().starts_with("telemetry.sdk"))
            .filter(|(key, value)| key.as_str() != SERVICE_INSTANCE_ID || value.as_str() == "pod-1")
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        attributes.sort();
        assert_eq!(attributes.join(" "), expect, "{variables:?}");
    }

    #[test]
    fn a_role_keeps_its_name() {
        let version = env!("CARGO_PKG_VERSION");
        let plain = format!("service.name=gateway service.version={version}");
        let named = format!("service.name=gateway service.namespace=cruddur service.version={version}");
        check(&[], &plain);
        check(&[("OTEL_SERVICE_NAME", "gateway")], &plain);
        check(&[("OTEL_SERVICE_NAME", "cruddur")], &named);
        check(&[("HONEYCOMB_SERVICE_NAME", "cruddur")], &named);
        check(&[("HONEYCOMB_SERVICE_NAME", "other"), ("OTEL_SERVICE_NAME", "cruddur")], &named);
        check(
            &[(
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=x, service.version=v1.2,service.instance.id=pod-1,,team=a%20b",
            )],
            "service.instance.id=pod-1 service.name=gateway service.version=v1.2 team=a b",
        );
    }
}
