//! Telemetry from outside: real servers, real sockets, and every span and log line looked at.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

// By the name under which the services know it.
extern crate throughline_telemetry as telemetry;

mod client_spans;
mod edge;
mod errors;
mod fixture;
mod headers;
mod interleaving;
mod lines;
mod server_spans;
mod w3c;
mod work;

#[allow(dead_code)] // shared with the tests of delivery, which use all of it
#[path = "../../delivery/tests/receiver.rs"]
mod receiver;

#[path = "../examples/forward/service.rs"]
mod forward;
