//! `Db` and `Tx` against a real Postgres.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests too")]

mod cancelled;
mod context;
mod locks;
mod outcome;
mod plans;
mod recovery;
mod spans;
mod support;
