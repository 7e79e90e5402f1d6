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
mod upstream;

pub use api::Api;
pub use counters::Counters;
pub use daemon::Daemon;
pub use forward::Forwarder;
pub use span::{Span, of_document};
pub use store::{Outcome, Received, Store, Unavailable};
pub use upstream::Upstream;

use crate::now;

/// What ARNs here name. There is no account behind them; tools that show one show this.
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";
