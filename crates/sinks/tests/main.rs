//! The sinks against a receiver on a real socket; every payload is decoded and counted.

// The lint knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

#[path = "../../xray/tests/json_schema.rs"]
mod json_schema;
#[allow(dead_code)] // shared with the tests of delivery, which use all of it
#[path = "../../delivery/tests/receiver.rs"]
mod receiver;

#[cfg(feature = "aws")]
mod cloudwatch;
mod daemon;
mod otlp;
mod otlp_config;
mod rollbar;
mod rollbar_config;
mod xray;
mod xray_config;
mod xray_sampler;
#[cfg(feature = "aws")]
mod xray_sigv4;
