//! The edge between raw sockets on one side, and a recording gateway and a recording OTLP receiver on the other.

mod api;
mod pages;
mod relay;
mod support;
