//! Postgres as part of the trace: a handle for sqlx whose statements are spans, and whose transactions tell the
//! server which trace they belong to.
//!
//! A store holds a [`Db`] and is written as if it were a pool: `&Db` and `&mut Tx` are sqlx executors, so
//! `query!(..).fetch_all(&db)` and `.execute(&mut tx)` work unchanged.
//!
//! | work | what Postgres sees | spans |
//! |---|---|---|
//! | unsampled | the statement alone, autocommit, prepared once per connection | none |
//! | sampled, one statement, [`Mode::Always`] | `BEGIN; SET LOCAL ..`, the statement, `COMMIT` | `SELECT activities` |
//! | sampled, one statement, [`Mode::Transactions`] | the statement alone | `SELECT activities` |
//! | sampled, [`Db::begin`] | `BEGIN; SET LOCAL ..` in one message, the statements, `COMMIT` | `transaction`, and below it `BEGIN`, each statement, `COMMIT` |
//!
//! `SET LOCAL` puts the traceparent into `application_name`, where `pg_stat_activity`, lock waits and the server's
//! log show it, and the X-Ray spelling of the trace id into `throughline.xray_trace_id`. Both end with the
//! transaction, so a connection that goes back to the pool carries nothing of the trace.
//!
//! What differs for sampled work in [`Mode::Always`]: statements that refuse a transaction (`VACUUM`,
//! `CREATE INDEX CONCURRENTLY`) fail with 25001, so they belong on [`Db::pool`]; and a write that is cancelled, or
//! read as a stream and dropped early, is rolled back. Streams are for reads.

mod config;
mod db;
mod tx;

mod held;
mod lock;
pub(crate) mod plan;
mod query;
mod server;
mod span;
mod sql;

pub use config::{DbConfig, Mode};
pub use db::Db;
pub use tx::Tx;
