//! X-Ray: the same spans, with the same ids, as segment documents to the daemon; and its rules of sampling.

mod client;
mod config;
mod encode;
mod sampler;

pub use config::{Config, DaemonAddress};
pub use sampler::RemoteSampler;

pub(crate) use client::queues;
