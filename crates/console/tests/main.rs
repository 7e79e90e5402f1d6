//! The console over its ports, as its users meet it.

mod api;
mod grpc;
mod hostile;
mod http;
mod store;
mod support;
mod tree;
