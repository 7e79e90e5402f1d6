//! Sets the globals, once, and takes them down again without losing a span.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanProcessor};
use sinks::spans::BuildError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::attributes::{SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION};
use crate::export::{self, Pipeline, PipelineFlush};
use crate::gate::Gate;
use crate::log::Events;
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
    #[error("the thread that fetches sampling rules: {0}")]
    Rules(#[from] std::io::Error),
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

/// Counters per destination, for `/ready`: what was offered, delivered, refused and dropped.
pub fn delivery_report() -> serde_json::Value {
    let report = state().pipeline.as_ref().map(Pipeline::report);
    serde_json::to_value(report).unwrap_or_default()
}

/// Sends spans that came encoded, an `ExportTraceServiceRequest` in protobuf holding `spans` of them, to wherever
/// this process sends its own; for the relay of the browser's.
pub fn relay(request: &Bytes, spans: u64) {
    if let Some(pipeline) = &state().pipeline {
        pipeline.relay(request, spans);
    }
}

impl Guard {
    /// Sends what is queued. Blocks: call it off the async workers.
    pub fn flush(&self, deadline: Duration) -> FlushReport {
        match &state().pipeline {
            Some(pipeline) => pipeline.flush(deadline).into(),
            None => FlushReport { complete: self.provider.force_flush().is_ok(), ..FlushReport::default() },
        }
    }

    /// Sends what is queued and stops. Blocks: call it off the async workers, after the server and its tasks, since
    /// a span that ends later is lost.
    pub fn shutdown(self, deadline: Duration) -> FlushReport {
        let report = match &state().pipeline {
            Some(pipeline) => pipeline.shutdown(deadline).into(),
            None => FlushReport { complete: true, ..FlushReport::default() },
        };
        let stopped = self.provider.shutdown_with_timeout(deadline).is_ok();
        FlushReport { complete: report.complete && stopped, ..report }
    }
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
    pipeline: Option<Pipeline>,
}

static STATE: OnceLock<State> = OnceLock::new();

/// Before `init`, and in the tests of those who do not care, nothing is recorded and headers travel on.
pub(crate) fn state() -> &'static State {
    static UNSET: State = State {
        recording: false,
        sampler: Sampler::PARENT_BASED_ALWAYS_ON,
        rules: None,
        baggage_allowed: Vec::new(),
        pipeline: None,
    };
    STATE.get().unwrap_or(&UNSET)
}

fn install(
    config: &Config,
    processor: impl SpanProcessor + 'static,
    pipeline: Option<Pipeline>,
) -> Result<Guard, InitError> {
    let recording = !config.disabled;
    let rules = (recording && config.sampler.asks_xray())
        .then(|| Rules::start(&config.xray_daemon, &config.service_name, &config.resource_attributes))
        .transpose()?;
    let state = State {
        recording,
        sampler: config.sampler,
        rules,
        baggage_allowed: config.baggage_allowed.clone(),
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
        .with(Events::new(config))
        .try_init()?;
    if recording {
        opentelemetry::global::set_tracer_provider(provider.clone());
    }
    Ok(Guard { provider })
}

/// `OTEL_RESOURCE_ATTRIBUTES` may tell version and instance better than we know them; the name is the role's.
fn resource(config: &Config) -> Resource {
    let namespace = config.service_namespace.clone().map(|name| KeyValue::new(SERVICE_NAMESPACE, name));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes([
            KeyValue::new(SERVICE_VERSION, config.service_version.clone()),
            KeyValue::new(SERVICE_INSTANCE_ID, uuid::Uuid::new_v4().to_string()),
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
