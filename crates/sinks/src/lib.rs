#![doc = include_str!("../README.md")]

pub mod otlp;
pub mod spans;
pub mod xray;
