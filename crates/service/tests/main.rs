//! The kit as a service meets it: real sockets, hostile bytes.

mod guard;
mod identity;
mod stop;
mod support;
mod upstream;
