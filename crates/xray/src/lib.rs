#![doc = include_str!("../README.md")]

pub mod header;
pub mod id;

pub use header::{Header, Sampled};
pub use id::{SpanId, TraceId};
