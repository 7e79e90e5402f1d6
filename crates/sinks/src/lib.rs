#![doc = include_str!("../README.md")]

pub mod cloudwatch;
pub mod otlp;
pub mod rollbar;
pub mod spans;
pub mod xray;
