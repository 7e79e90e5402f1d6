//! OTLP over HTTP in protobuf, to any number of destinations.

mod client;
mod config;
mod encode;

pub use config::{Config, Destination};
pub use encode::BuildError;

pub(crate) use client::queues;
pub(crate) use client::{endpoint, limits};
pub(crate) use config::{Common, Wanted, check_url, same_receiver};
pub(crate) use encode::Encoder;
