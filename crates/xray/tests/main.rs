//! The crate from outside. The cases of the Collector's exporter stand in `conformance/` by their names there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_pass_by_value, reason = "a table of `json!` reads better without ampersands")]

mod conformance;
mod documents;
mod fleet;
mod json_schema;
mod sampler;
mod schema;
mod support;
