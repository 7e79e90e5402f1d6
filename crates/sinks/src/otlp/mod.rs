//! OTLP over HTTP in protobuf, to any number of destinations.

mod client;
mod config;
mod encode;

pub use config::{Config, Destination};
pub use encode::BuildError;

pub(crate) use client::queues;
pub(crate) use config::Wanted;
pub(crate) use encode::Encoder;
