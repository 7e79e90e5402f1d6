#![doc = include_str!("../README.md")]

mod body;
pub mod cloudwatch;
pub mod counters;
mod ids;
pub mod rollbar;
pub mod xray;

pub use counters::Counters;

/// The store does not take or give anything at the moment; the caller may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store does not answer")]
pub struct Unavailable;

/// Since 1970.
pub(crate) fn now() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
