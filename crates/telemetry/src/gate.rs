//! Which `tracing` callsites live: the one place where spans and log lines are turned off.
//!
//! It is a global layer on purpose. A per-layer filter does not disable a span: the registry still makes it, and
//! calls made under it lose their headers (351 of 351 in a test of tracing-subscriber 0.3.23).

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};

use crate::sampling::wanted;

/// The finest spans that are made. Libraries' own debugging spans are none of a trace's business.
const FINEST_SPAN: Level = Level::INFO;

/// sqlx tells server notices under this target; query plans arrive that way, with literals in them.
pub(crate) const NOTICE_TARGET: &str = "sqlx::postgres::notice";

/// Spans where the trace is sampled; log lines as `RUST_LOG` says.
pub(crate) struct Gate {
    log: Targets,
}

impl Gate {
    pub(crate) fn new(log: Targets) -> Self {
        Self { log }
    }

    fn event_wanted(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == NOTICE_TARGET && *metadata.level() <= Level::INFO
            || self.log.would_enable(metadata.target(), metadata.level())
    }
}

impl<S: Subscriber> Layer<S> for Gate {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.is_span() {
            true if *metadata.level() <= FINEST_SPAN => Interest::sometimes(),
            false if self.event_wanted(metadata) => Interest::always(),
            _ => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        if metadata.is_span() {
            *metadata.level() <= FINEST_SPAN && wanted()
        } else {
            self.event_wanted(metadata)
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let log = self.log.iter().map(|(_, level)| level).chain(self.log.default_level()).max();
        log.max(Some(LevelFilter::from_level(FINEST_SPAN)))
    }
}
