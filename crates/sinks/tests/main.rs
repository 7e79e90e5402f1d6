//! The sinks against a receiver on a real socket; every payload is decoded and counted.

#[path = "../../delivery/tests/receiver.rs"]
mod receiver;

mod otlp;
mod otlp_config;
