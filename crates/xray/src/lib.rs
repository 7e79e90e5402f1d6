#![doc = include_str!("../README.md")]

pub mod datagram;
pub mod header;
pub mod id;
pub mod limits;
pub mod sampling;
pub mod segment;
pub mod span;
pub mod translate;

pub use header::{Header, Sampled};
pub use id::{SpanId, TraceId};
pub use segment::Document;
pub use span::Span;
pub use translate::{Options, translate};
