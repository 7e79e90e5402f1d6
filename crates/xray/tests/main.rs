//! The crate from outside. The cases of the Collector's exporter stand in `conformance/` by their names there.

mod conformance;
mod documents;
mod fleet;
mod sampler;
mod schema;
mod support;
