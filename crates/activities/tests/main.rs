//! The service on a real Postgres, over HTTP on a free port, every request sampled.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod line;
mod spans;
mod support;

mod away;
mod expiry;
mod identity;
mod input;
mod lab;
mod pages;
mod posts;
mod search;
mod seed;
mod trace;
