//! X-Ray: the same spans, with the same ids, as segment documents to the daemon; and its rules of sampling.

mod client;
mod config;
mod encode;
mod sampler;
#[cfg_attr(not(feature = "aws"), path = "unsigned.rs")]
mod sigv4;
mod upstream;

pub use config::{Config, Credentials, DaemonAddress, MAX_SPANS_PER_REQUEST, SignedEndpoint};
pub use sampler::RemoteSampler;
pub use upstream::{Caller, Segments, UpstreamConfig};

pub(crate) use client::queues;
