//! What Postgres said, in; span trees as text, out.

// The lint knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

mod canary;
mod captured;
mod generated;
mod hostile;
mod log;
mod rules;
