//! Which `tracing` callsites live: the one place where spans and log lines are turned off.
//!
//! It is a global layer on purpose. A per-layer filter does not disable a span: the registry still makes it, and
//! calls made under it lose their headers (351 of 351 in a test of tracing-subscriber 0.3.23).

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};

use crate::log::NOTICE_TARGET;
use crate::postgres::plan;
use crate::sampling::wanted;

/// The finest spans that are made. Libraries' own debugging spans are none of a trace's business.
const FINEST_SPAN: Level = Level::INFO;

/// Spans where the trace is sampled; log lines as `RUST_LOG` says.
pub(crate) struct Gate {
    log: Targets,
}

impl Gate {
    pub(crate) fn new(log: Targets) -> Self {
        Self { log }
    }

    fn logged(&self, metadata: &Metadata<'_>) -> bool {
        match metadata.target() {
            // What Postgres says becomes spans, never a line.
            NOTICE_TARGET => plan::listens(),
            target => self.log.would_enable(target, metadata.level()),
        }
    }
}

impl<S: Subscriber> Layer<S> for Gate {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.is_span() {
            true if *metadata.level() <= FINEST_SPAN => Interest::sometimes(),
            false if metadata.target() == NOTICE_TARGET => Interest::sometimes(),
            false if self.logged(metadata) => Interest::always(),
            _ => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        if metadata.is_span() { *metadata.level() <= FINEST_SPAN && wanted() } else { self.logged(metadata) }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let log = self.log.iter().map(|(_, level)| level).chain(self.log.default_level()).max();
        let others = if plan::wants_logs() { Level::TRACE } else { FINEST_SPAN };
        log.max(Some(LevelFilter::from_level(others)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::Context as OtelContext;
    use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
    use tracing_subscriber::layer::SubscriberExt;

    /// Runs `f` in a trace, with a subscriber whose log filter is `log`.
    fn within(log: &str, flags: TraceFlags, f: impl FnOnce()) {
        let subscriber = tracing_subscriber::registry().with(Gate::new(log.parse().unwrap()));
        let parent = SpanContext::new(TraceId::from(1), SpanId::from(1), flags, true, TraceState::NONE);
        let _cx = OtelContext::new().with_remote_span_context(parent).attach();
        tracing::subscriber::with_default(subscriber, f);
    }

    #[test]
    fn rust_log_is_no_business_of_spans() {
        within("off", TraceFlags::SAMPLED, || {
            assert!(!tracing::info_span!("made").is_disabled());
            assert!(tracing::debug_span!("too fine").is_disabled());
            assert!(!tracing::enabled!(Level::ERROR));
        });
        within("trace", TraceFlags::SAMPLED, || {
            assert!(tracing::debug_span!("too fine, whatever is logged").is_disabled());
            assert!(tracing::event_enabled!(Level::TRACE));
        });
        within("warn,some::place=debug", TraceFlags::SAMPLED, || {
            assert!(!tracing::event_enabled!(Level::INFO));
            assert!(tracing::event_enabled!(target: "some::place", Level::DEBUG));
        });
    }

    #[test]
    fn an_unsampled_trace_makes_no_spans_and_still_logs() {
        within("info", TraceFlags::default(), || {
            assert!(tracing::info_span!("not made").is_disabled());
            assert!(tracing::event_enabled!(Level::INFO));
        });
    }
}
