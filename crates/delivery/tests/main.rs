//! The queue against receivers that fail in every way we know of.

// The lint knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod flush;
mod http;
mod receiver;
mod scenarios;
mod seeds;
mod simulation;
mod spool;
