//! `Db` and `Tx` against a real Postgres.

mod cancelled;
mod context;
mod outcome;
mod recovery;
mod spans;
mod support;
