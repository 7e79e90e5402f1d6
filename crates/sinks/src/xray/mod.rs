//! X-Ray: the same spans, with the same ids, as segment documents to the daemon; and its rules of sampling.

mod client;
mod config;
mod encode;
mod sampler;
#[cfg(feature = "aws")]
mod sigv4;

pub use config::{Config, Credentials, DaemonAddress, MAX_SPANS_PER_REQUEST, SignedEndpoint};
pub use sampler::RemoteSampler;

pub(crate) use client::queues;
