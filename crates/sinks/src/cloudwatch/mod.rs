//! CloudWatch Logs: the program's log lines, in batches, to one stream per process.

#[cfg_attr(not(feature = "aws"), path = "unavailable.rs")]
mod client;
mod config;
mod encode;
mod logs;

pub use client::read_back;
pub use config::{Config, Destination, Names, Spooling, Template};
pub use encode::{
    EVENT_OVERHEAD_BYTES, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_BATCH_SPAN_MS, batches, events,
};
pub use logs::{LogReport, Logs, LogsFlush, is_about_us};
