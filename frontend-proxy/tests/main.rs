//! The edge between raw sockets on one side, and a recording gateway and a recording OTLP receiver on the other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod api;
mod items;
mod pages;
mod relay;
mod support;
