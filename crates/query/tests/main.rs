//! Honeycomb's query specification, parsed and run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod clickhouse;
mod expr;
mod reference;
mod segments;
mod spec;
