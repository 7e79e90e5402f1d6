//! X-Ray: the same spans, with the same ids, as segment documents to the daemon.

mod client;
mod config;
mod encode;

pub use config::{Config, DaemonAddress};

pub(crate) use client::queues;
