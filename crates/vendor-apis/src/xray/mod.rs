//! X-Ray's daemon and X-Ray's API, in front of whatever keeps the documents.

pub mod api;
mod control;
pub mod counters;
pub mod daemon;
pub mod error;
pub mod filter;
pub mod forward;
mod graph;
pub mod span;
pub mod store;
mod summary;
mod trace;

pub use api::Api;
pub use counters::Counters;
pub use daemon::Daemon;
pub use forward::Forwarder;
pub use span::{Span, of_document};
pub use store::{Outcome, Received, Store, Unavailable};

/// What ARNs here name. There is no account behind them; tools that show one show this.
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";

/// Since 1970.
pub(crate) fn now() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
