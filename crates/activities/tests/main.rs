//! The service on a real Postgres, over HTTP on a free port, every request sampled.

mod line;
mod spans;
mod support;

mod away;
mod expiry;
mod identity;
mod input;
mod pages;
mod posts;
mod search;
mod seed;
mod trace;
