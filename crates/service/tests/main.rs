//! The kit as a service meets it: real sockets, hostile bytes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod debug;
mod guard;
mod identity;
mod stop;
mod support;
mod upstream;
