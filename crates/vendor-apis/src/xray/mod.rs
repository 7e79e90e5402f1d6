//! X-Ray's daemon and X-Ray's API, in front of whatever keeps the documents.

pub mod api;
pub mod counters;
pub mod daemon;
pub mod error;
pub mod forward;
pub mod span;
pub mod store;

pub use api::Api;
pub use counters::Counters;
pub use daemon::Daemon;
pub use forward::Forwarder;
pub use span::{Span, of_document};
pub use store::{Outcome, Received, Store, Unavailable};

/// Since 1970.
pub(crate) fn now() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
