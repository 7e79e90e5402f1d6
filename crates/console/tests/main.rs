//! The console over its ports, as its users meet it.

// clippy.toml allows it in tests, but not in what they share.
#![allow(clippy::unwrap_used)]

mod api;
mod crash;
mod errors;
mod export;
mod grpc;
mod hostile;
mod http;
mod logs;
mod query;
mod store;
mod support;
mod tree;
mod xray;
mod xray_api;
