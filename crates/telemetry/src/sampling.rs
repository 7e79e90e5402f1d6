//! Which traces are kept: decided once per request, by the middleware, before any span exists.
//!
//! The SDK would decide again, with ids that its generator cannot be told (`IdGenerator::new_trace_id` sees no
//! context, and a parent without a span id counts as none). So a sampled root's trace id waits in a thread-local
//! that our generator and our sampler look at, and everything else is said by the remote parent that we build.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::dev::ServiceRequest;
use actix_web::http::header::HOST;
use env::{ConfigError, Env};
use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceState};
use opentelemetry::{Context, KeyValue, SpanId, StringValue, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, SamplingDecision, SamplingResult, ShouldSample};
use rand::RngExt;
use rand::rngs::SmallRng;
use sinks::xray::{DaemonAddress, RemoteSampler};
use xray::sampling::{RULE_ATTRIBUTE, Request, chance, service_type};

use crate::http::host_and_port;
use crate::init::state;

/// `OTEL_TRACES_SAMPLER` and its argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    root: Root,
    parent_based: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Root {
    On,
    Off,
    Ratio(f64),
    /// By the rules of AWS X-Ray, which its daemon hands out.
    Xray,
}

impl Sampler {
    /// Every trace whose parent does not say otherwise; OpenTelemetry's default.
    pub const PARENT_BASED_ALWAYS_ON: Self = Self { root: Root::On, parent_based: true };

    /// This share of the traces that begin here; the rest does what the parent says.
    pub fn parent_based_ratio(ratio: f64) -> Self {
        Self { root: Root::Ratio(ratio.clamp(0.0, 1.0)), parent_based: true }
    }

    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(name) = env.get(NAME) else { return Ok(Self::PARENT_BASED_ALWAYS_ON) };
        let (parent_based, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let root = match root {
            "always_on" => Root::On,
            "always_off" => Root::Off,
            "traceidratio" => {
                let ratio: f64 = env.parse_or(ARGUMENT, 1.0, "0.05")?;
                if !(0.0..=1.0).contains(&ratio) {
                    return Err(ConfigError::bad(
                        ARGUMENT,
                        &ratio.to_string(),
                        "is not between 0 and 1",
                        "0.05",
                    ));
                }
                Root::Ratio(ratio)
            }
            "xray" => Root::Xray,
            _ => {
                return Err(ConfigError::bad(
                    NAME,
                    name,
                    "is none of always_on, always_off, traceidratio, xray and their parentbased_ forms",
                    "parentbased_traceidratio",
                ));
            }
        };
        Ok(Self { root, parent_based })
    }

    /// For a trace that begins here, or whose caller left the decision to us. A trace without a request is a background job's.
    pub(crate) fn root(self, trace_id: TraceId, request: Option<&ServiceRequest>) -> bool {
        match self.root {
            Root::On => true,
            Root::Off => false,
            Root::Ratio(ratio) => below(ratio, trace_id),
            Root::Xray => state().rules.as_ref().is_some_and(|rules| rules.decide(trace_id, request)),
        }
    }

    /// For a trace whose caller decided.
    pub(crate) fn child(
        self,
        trace_id: TraceId,
        parent_sampled: bool,
        request: Option<&ServiceRequest>,
    ) -> bool {
        if self.parent_based { parent_sampled } else { self.root(trace_id, request) }
    }

    pub(crate) fn asks_xray(self) -> bool {
        self.root == Root::Xray
    }
}

/// The SDK's rule: the low 63 bits of the id against the share of 2^63. They are random in X-Ray's ids as well.
fn below(ratio: f64, trace_id: TraceId) -> bool {
    let low = u128::from_be_bytes(trace_id.to_bytes()) as u64 >> 1;
    ratio >= 1.0 || low < (ratio.max(0.0) * (1u64 << 63) as f64) as u64
}

/// The rule of OpenTelemetry's SDK for browsers, which is another one: the four words of the id, xored, against the
/// share of 2^32 - 1. What it did not sample must not be sampled here either, or traces lose their root.
pub(crate) fn browser_below(ratio: f64, trace_id: TraceId) -> bool {
    let id = trace_id.to_bytes();
    let words = id.chunks_exact(4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]]));
    let accumulated = words.fold(0, |xored, word| xored ^ word);
    ratio >= 1.0 || f64::from(accumulated) < (ratio.max(0.0) * f64::from(u32::MAX)).floor()
}

/// X-Ray's rules, and what they ask of the process.
pub(crate) struct Rules {
    sampler: RemoteSampler,
    service_name: String,
    service_type: Option<&'static str>,
    arn: Option<String>,
}

impl Rules {
    pub(crate) fn start(
        daemon: &DaemonAddress,
        service_name: &str,
        resource: &[KeyValue],
    ) -> io::Result<Self> {
        let find = |keys: &[&str]| resource.iter().find(|it| keys.contains(&it.key.as_str()));
        let platform = find(&["cloud.platform"]).map(|it| it.value.as_str());
        Ok(Self {
            sampler: RemoteSampler::start(daemon)?,
            service_name: service_name.to_owned(),
            service_type: platform.and_then(|platform| service_type(&platform)),
            arn: find(&["aws.ecs.container.arn", "cloud.resource_id"]).map(|it| it.value.to_string()),
        })
    }

    fn decide(&self, trace_id: TraceId, request: Option<&ServiceRequest>) -> bool {
        let Some(id) = xray::TraceId::from_bytes(trace_id.to_bytes()) else { return false };
        let asked = Request {
            service_name: Some(&self.service_name),
            service_type: self.service_type,
            host: request.and_then(|it| host_and_port(it.headers().get(HOST)?.to_str().ok()?).0),
            method: request.map(|it| it.method().as_str()),
            path: request.map(ServiceRequest::path),
            arn: self.arn.as_deref(),
            attributes: &[],
        };
        let decision = self.sampler.decide(&asked, chance(id));
        RULE.set(decision.rule.filter(|_| decision.sampled));
        decision.sampled
    }
}

thread_local! {
    static RANDOM: RefCell<SmallRng> = RefCell::new(rand::make_rng());
    /// The trace id of a sampled root whose SERVER span is about to be built.
    static CHOSEN: Cell<Option<TraceId>> = const { Cell::new(None) };
    /// X-Ray's rule that chose it.
    static RULE: Cell<Option<Arc<str>>> = const { Cell::new(None) };
}

/// An id that X-Ray's time-range queries find: the epoch first, then 96 random bits.
pub(crate) fn new_trace_id() -> TraceId {
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as u32);
    let random = RANDOM.with_borrow_mut(RngExt::random::<[u8; 12]>);
    TraceId::from_bytes(xray::TraceId::new(epoch, random).to_bytes())
}

pub(crate) fn new_span_id() -> SpanId {
    // Zero is no id: one chance in 2^64 of an unlinked span, against a loop on every span.
    SpanId::from(RANDOM.with_borrow_mut(RngExt::random::<u64>))
}

/// Holds a sampled root's trace id out to the id generator, until the SERVER span is built or this is dropped.
pub(crate) struct Chosen;

impl Chosen {
    pub(crate) fn hold(trace_id: Option<TraceId>) -> Self {
        CHOSEN.set(trace_id);
        Self
    }

    /// The span is built; from here on new roots get ids of their own.
    pub(crate) fn clear() {
        CHOSEN.set(None);
        RULE.set(None);
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        Self::clear();
    }
}

#[derive(Debug)]
pub(crate) struct Ids;

impl IdGenerator for Ids {
    /// Looks and does not take: the sampler runs after it.
    fn new_trace_id(&self) -> TraceId {
        CHOSEN.get().unwrap_or_else(new_trace_id)
    }

    fn new_span_id(&self) -> SpanId {
        new_span_id()
    }
}

/// Repeats what was decided; only a root that no request asked for (a background job) is decided here.
#[derive(Clone, Debug)]
pub(crate) struct Obey(pub(crate) Sampler);

impl ShouldSample for Obey {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        _name: &str,
        _kind: &SpanKind,
        _attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        let (decided, trace_state) = parent
            .map(|cx| cx.span().span_context().clone())
            .filter(opentelemetry::trace::SpanContext::is_valid)
            .map_or((None, TraceState::NONE), |p| (Some(p.is_sampled()), p.trace_state().clone()));
        let sampled = decided.unwrap_or_else(|| CHOSEN.get().is_some() || self.0.root(trace_id, None));
        let decision = if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
        let rule = RULE.take().map(|rule| KeyValue::new(RULE_ATTRIBUTE, StringValue::from(rule)));
        SamplingResult { decision, attributes: rule.into_iter().collect(), trace_state }
    }
}

/// Whether a span started now would be kept. The one question that the `Gate` asks.
pub(crate) fn wanted() -> bool {
    Context::map_current(|cx| {
        !cx.is_telemetry_suppressed() && (!cx.has_active_span() || cx.span().span_context().is_sampled())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_specification() {
        let check = |name: &str, argument: &str, expect: Result<Sampler, &str>| {
            let env = Env::from_pairs([("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", argument)]);
            let got = Sampler::from_env(&env).map_err(|e| e.variable);
            assert_eq!(got, expect.map_err(str::to_owned), "{name} {argument}");
        };
        let sampler = |root, parent_based| Ok(Sampler { root, parent_based });
        check("", "", Ok(Sampler::PARENT_BASED_ALWAYS_ON));
        check("always_on", "", sampler(Root::On, false));
        check("always_off", "", sampler(Root::Off, false));
        check("traceidratio", "0.25", sampler(Root::Ratio(0.25), false));
        check("traceidratio", "", sampler(Root::Ratio(1.0), false));
        check("parentbased_always_on", "", sampler(Root::On, true));
        check("parentbased_always_off", "", sampler(Root::Off, true));
        check("xray", "", sampler(Root::Xray, false));
        check("parentbased_xray", "", sampler(Root::Xray, true));
        check("parentbased_traceidratio", "1", sampler(Root::Ratio(1.0), true));
        check("parentbased_traceidratio", "1.5", Err("OTEL_TRACES_SAMPLER_ARG"));
        check("parentbased_traceidratio", "half", Err("OTEL_TRACES_SAMPLER_ARG"));
        check("parentbased_traceidratio", "NaN", Err("OTEL_TRACES_SAMPLER_ARG"));
        check("Always_On", "", Err("OTEL_TRACES_SAMPLER"));
        check("jaeger_remote", "", Err("OTEL_TRACES_SAMPLER"));
    }

    #[test]
    fn a_ratio_keeps_its_share_of_our_ids() {
        let ids: Vec<_> = (0..20_000).map(|_| new_trace_id()).collect();
        for (ratio, low, high) in
            [(0.0, 0, 0), (0.05, 800, 1_200), (0.5, 9_600, 10_400), (1.0, 20_000, 20_000)]
        {
            let kept = ids.iter().filter(|id| below(ratio, **id)).count();
            assert!((low..=high).contains(&kept), "{ratio}: {kept}");
            let kept = ids.iter().filter(|id| browser_below(ratio, **id)).count();
            assert!((low..=high).contains(&kept), "browser, {ratio}: {kept}");
        }
    }

    #[test]
    fn our_ids_begin_with_the_epoch() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let id = xray::TraceId::from_bytes(new_trace_id().to_bytes()).unwrap();
        assert!(u64::from(id.epoch_seconds()).abs_diff(now) <= 1);
    }
}
