//! The one span processor: finished spans into a bounded buffer, from there by a plain thread into the sinks.
//!
//! It stands where the SDK's batch processor would. That one drops a batch at its first failure, and its `shutdown` says Ok
//! when nothing arrived (opentelemetry_sdk 0.33.1, `span_processor.rs`).

mod print;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use delivery::{Flushed, Reason};
use env::{ConfigError, Env};
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use serde::Serialize;
use sinks::spans::{BuildError, Config, Exporter, Queues};

/// Spans that wait to be encoded, about a kilobyte each. The SDK's default is 2,048, which one burst of feeds fills: 16,384 are half a
/// second of 32,000 spans a second. When it is full the span is dropped and counted; the request never waits.
const MAX_QUEUE_SIZE: usize = 16_384;
/// Spans per encoded payload, the SDK's default.
const MAX_EXPORT_BATCH_SIZE: usize = 512;
/// How long the first span of a batch waits for company. The SDK's default is 5 s; a person who has just clicked looks sooner.
const SCHEDULE_DELAY: Duration = Duration::from_millis(200);
/// What the SDK's own calls, which name no deadline, may take.
const SDK_DEADLINE: Duration = Duration::from_secs(5);

/// `OTEL_BSP_*` and where the spans go.
#[derive(Clone, Debug)]
pub(crate) struct ExportConfig {
    pub(crate) spans: Config,
    pub(crate) max_queue_size: usize,
    pub(crate) max_export_batch_size: usize,
    pub(crate) schedule_delay: Duration,
}

/// For the tracer provider.
pub(crate) struct Processor {
    pipeline: Pipeline,
}

/// For the guard, `/ready` and the relay of the browser's spans. Clones are the same pipeline.
#[derive(Clone)]
pub(crate) struct Pipeline {
    shared: Arc<Shared>,
    queues: Queues,
}

/// All counters of this process's spans, from their end to the receivers' answers.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PipelineReport {
    pub(crate) spans: SpanReport,
    pub(crate) destinations: Vec<delivery::Report>,
}

/// `ended = encoded + dropped + waiting`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct SpanReport {
    /// Sampled spans that came to the processor.
    pub(crate) ended: u64,
    /// Offered to every destination (and printed, if asked for).
    pub(crate) encoded: u64,
    pub(crate) dropped: BTreeMap<Reason, u64>,
    pub(crate) waiting: u64,
}

/// What a flush or a shutdown found.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct PipelineFlush {
    /// Ended before the call and not encoded at the deadline.
    pub(crate) waiting: u64,
    /// Dropped before they were encoded, since the last flush that told of it.
    pub(crate) dropped: u64,
    pub(crate) destinations: Vec<Flushed>,
}

/// The buffer is off when there is nowhere to send to.
pub(crate) fn pipeline(config: &ExportConfig) -> Result<(Processor, Pipeline), BuildError> {
    let exporter = Exporter::new(&config.spans)?;
    let pipeline = Pipeline {
        queues: exporter.queues(),
        shared: Arc::new(Shared {
            buffer: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
            config: config.clone(),
        }),
    };
    if !config.spans.is_off() {
        let shared = Arc::clone(&pipeline.shared);
        thread::Builder::new().name("spans".to_owned()).spawn(move || shared.work(exporter))?;
    }
    Ok((Processor { pipeline: pipeline.clone() }, pipeline))
}

impl ExportConfig {
    pub(crate) fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
        let spans = Config::from_env(env)?;
        let max_export_batch_size = positive(env, BATCH, MAX_EXPORT_BATCH_SIZE)?;
        if spans.xray.endpoint.is_some() && max_export_batch_size > sinks::xray::MAX_SPANS_PER_REQUEST {
            let (value, most) = (max_export_batch_size.to_string(), sinks::xray::MAX_SPANS_PER_REQUEST);
            let problem = format!("is more than the {most} spans that X-Ray takes at once");
            return Err(ConfigError::bad(BATCH, &value, &problem, "512"));
        }
        Ok(Self {
            spans,
            max_queue_size: positive(env, "OTEL_BSP_MAX_QUEUE_SIZE", MAX_QUEUE_SIZE)?,
            max_export_batch_size,
            schedule_delay: env.millis_or("OTEL_BSP_SCHEDULE_DELAY", SCHEDULE_DELAY)?,
        })
    }
}

impl SpanProcessor for Processor {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.pipeline.shared.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.pipeline.flush(SDK_DEADLINE).as_sdk_result(SDK_DEADLINE)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.pipeline.shutdown(timeout).as_sdk_result(timeout)
    }

    /// Comes once, when the provider is built and before any span: the only way to learn the service's name.
    fn set_resource(&mut self, resource: &Resource) {
        self.pipeline.shared.lock().resource = Some(resource.clone());
    }
}

impl Pipeline {
    /// Encodes what has ended and waits for the receivers' answers. Blocks its thread.
    pub(crate) fn flush(&self, deadline: Duration) -> PipelineFlush {
        self.finish(deadline, Queues::flush)
    }

    /// Takes nothing more, then flushes. A second call finds nothing to do.
    pub(crate) fn shutdown(&self, deadline: Duration) -> PipelineFlush {
        self.shared.lock().stopped = true;
        self.finish(deadline, Queues::shutdown)
    }

    /// Spans that are encoded already: an `ExportTraceServiceRequest` in protobuf.
    pub(crate) fn relay(&self, request: &Bytes, spans: u64) {
        self.queues.offer(request, spans);
    }

    pub(crate) fn report(&self) -> PipelineReport {
        PipelineReport { spans: self.shared.lock().report(), destinations: self.queues.report() }
    }

    fn finish(&self, deadline: Duration, act: impl Fn(&Queues, Duration) -> Vec<Flushed>) -> PipelineFlush {
        let end = Instant::now() + deadline;
        let (waiting, dropped) = self.shared.drain(end);
        let destinations = act(&self.queues, end.saturating_duration_since(Instant::now()));
        PipelineFlush { waiting, dropped, destinations }
    }
}

impl PipelineFlush {
    /// Every span that ended since the last flush has been delivered to every destination.
    pub(crate) fn is_complete(&self) -> bool {
        self.waiting == 0 && self.dropped == 0 && self.destinations.iter().all(Flushed::is_complete)
    }

    fn as_sdk_result(&self, deadline: Duration) -> OTelSdkResult {
        if self.is_complete() {
            Ok(())
        } else if self.waiting > 0 || self.destinations.iter().any(|d| d.pending > 0) {
            Err(OTelSdkError::Timeout(deadline))
        } else {
            Err(OTelSdkError::InternalFailure(format!("spans were lost: {self:?}")))
        }
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Processor")
    }
}

struct Shared {
    buffer: Mutex<Buffer>,
    /// The first span, a whole batch, a flush, or the end.
    filled: Condvar,
    /// A batch has been encoded.
    drained: Condvar,
    config: ExportConfig,
}

#[derive(Default)]
struct Buffer {
    spans: Vec<SpanData>,
    resource: Option<Resource>,
    accepted: u64,
    encoded: u64,
    dropped: BTreeMap<Reason, u64>,
    /// Drops that a flush has told of.
    told: u64,
    /// A flush waits for this many to be encoded.
    wanted: u64,
    stopped: bool,
    /// The first drop has been logged.
    warned: bool,
}

impl Shared {
    /// Never waits for more than the lock, which is held for a copy at most.
    fn push(&self, span: SpanData) {
        if self.config.spans.is_off() {
            return;
        }
        let mut buffer = self.lock();
        let reason = if buffer.stopped {
            Some(Reason::ShutDown)
        } else if buffer.waiting() >= self.config.max_queue_size as u64 {
            Some(Reason::QueueFull)
        } else {
            None
        };
        if let Some(reason) = reason {
            *buffer.dropped.entry(reason).or_default() += 1;
            return;
        }
        buffer.accepted += 1;
        buffer.spans.push(span);
        let filled = buffer.spans.len();
        drop(buffer);
        // Two wake-ups a batch instead of one a span.
        if filled == 1 || filled == self.config.max_export_batch_size {
            self.filled.notify_one();
        }
    }

    fn work(&self, mut exporter: Exporter) {
        // Nothing that encoding does may become a span itself.
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        while let Some((spans, resource)) = self.next_spans() {
            if let Some(resource) = resource {
                exporter.set_resource(&resource);
            }
            let count = spans.len() as u64;
            if self.config.spans.otlp.print {
                print::to_stdout(&spans);
            }
            for batch in batches(spans, self.config.max_export_batch_size) {
                exporter.export(batch);
            }
            let mut buffer = self.lock();
            buffer.encoded += count;
            let first_drop = !buffer.dropped.is_empty() && !std::mem::replace(&mut buffer.warned, true);
            drop(buffer);
            self.drained.notify_all();
            if first_drop {
                tracing::warn!(
                    max_queue_size = self.config.max_queue_size,
                    "spans are dropped; the counters tell how many"
                );
            }
        }
    }

    /// Waits for a batch, or for as many spans as came within the delay. `None` after the shutdown, when all is encoded.
    fn next_spans(&self) -> Option<(Vec<SpanData>, Option<Resource>)> {
        let mut buffer = self.lock();
        while buffer.spans.is_empty() {
            if buffer.stopped {
                return None;
            }
            buffer = self.filled.wait(buffer).unwrap_or_else(PoisonError::into_inner);
        }
        let end = Instant::now() + self.config.schedule_delay;
        while buffer.spans.len() < self.config.max_export_batch_size && !buffer.is_urgent() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            buffer = self.filled.wait_timeout(buffer, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let room = Vec::with_capacity(self.config.max_export_batch_size.min(buffer.spans.len()));
        Some((std::mem::replace(&mut buffer.spans, room), buffer.resource.take()))
    }

    /// Waits until what has ended so far is encoded. Gives what is left of it, and the drops not told of yet.
    fn drain(&self, end: Instant) -> (u64, u64) {
        let mut buffer = self.lock();
        let wanted = buffer.accepted;
        buffer.wanted = wanted.max(buffer.wanted);
        self.filled.notify_all();
        while buffer.encoded < wanted {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            buffer = self.drained.wait_timeout(buffer, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let dropped = buffer.dropped.values().sum();
        let told = std::mem::replace(&mut buffer.told, dropped);
        (wanted.saturating_sub(buffer.encoded), dropped - told)
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    fn waiting(&self) -> u64 {
        self.accepted - self.encoded
    }

    fn is_urgent(&self) -> bool {
        self.stopped || self.encoded < self.wanted
    }

    fn report(&self) -> SpanReport {
        SpanReport {
            ended: self.accepted + self.dropped.values().sum::<u64>(),
            encoded: self.encoded,
            dropped: self.dropped.clone(),
            waiting: self.waiting(),
        }
    }
}

/// The spans in their order, `size` at a time.
fn batches(spans: Vec<SpanData>, size: usize) -> impl Iterator<Item = Vec<SpanData>> {
    let mut spans = spans.into_iter();
    std::iter::from_fn(move || {
        let batch: Vec<_> = spans.by_ref().take(size).collect();
        (!batch.is_empty()).then_some(batch)
    })
}

fn positive(env: &Env, name: &str, default: usize) -> Result<usize, ConfigError> {
    let example = default.to_string();
    match env.parse_or(name, default, &example)? {
        0 => Err(ConfigError::bad(name, "0", "is too small: 1 is the least", &example)),
        value => Ok(value),
    }
}
