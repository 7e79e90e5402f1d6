//! OTLP over HTTP in protobuf, to any number of destinations.

mod client;
mod config;
mod encode;

pub use client::{Exporter, Queues};
pub use config::{Config, Destination};
pub use encode::BuildError;
