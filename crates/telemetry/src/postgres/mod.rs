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
//! | sampled, one statement, [`Mode::Transactions`] | the statement alone, on a connection that sends plans | `SELECT activities` |
//! | sampled, [`Db::begin`] | `BEGIN; SET LOCAL ..` in one message, the statements, `COMMIT` | `transaction`, and below it `BEGIN`, each statement, `COMMIT` |
//!
//! `SET LOCAL` puts the traceparent into `application_name`, where `pg_stat_activity`, lock waits and the server's
//! log show it, and the X-Ray spelling of the trace id into `throughline.xray_trace_id`. Both end with the
//! transaction, so a connection that goes back to the pool carries nothing of the trace.
//!
//! What the server does for a sampled statement is below its span: parse, plan, execute, each node of the plan, what
//! triggers and functions run (the crate `pg-plan`). It needs nothing but a stock Postgres, and a superuser once:
//!
//! ```sql
//! alter database app set session_preload_libraries = 'auto_explain';
//! alter database app set auto_explain.log_level = 'notice';   -- to the client, not to the server's log
//! alter database app set auto_explain.log_format = 'json';
//! alter database app set auto_explain.log_analyze = on;       -- also log_buffers, log_triggers, log_nested_statements
//! grant set on parameter auto_explain.log_min_duration to app;
//! -- For parse and plan as well. They are written to the server's log, too, unless log_min_messages is fatal.
//! alter database app set log_parameter_max_length = 0;
//! grant set on parameter log_min_duration_statement to app;
//! ```
//!
//! [`Db::connect`] asks what is there. What is missing (on a managed Postgres, before 15) costs one warning and the
//! plans, never a statement. Failed and cancelled statements have no plan. What becomes of plans is counted:
//! `plans` in `delivery_report`.
//!
//! Since Postgres 16 two more settings add the statement's id as `pg_stat_statements` knows it (`postgresql.query_id`). A
//! plan takes 10 to 25 % longer with them; without, the text without literals (`db.query.text`) tells the same
//! statements apart.
//!
//! ```sql
//! alter database app set auto_explain.log_verbose = on;
//! alter database app set compute_query_id = on;
//! ```
//!
//! A wait of more than 20 ms for a connection is a span: `acquire connection`.
//!
//! A sampled statement that takes longer than 100 ms is asked about from beside it: if it waits for a lock, its span
//! says which session holds it (`postgresql.lock.holder.*`) and links to that session's trace. A deadlock or a
//! serialization failure is an event with the other's traceparent. A single statement in [`Mode::Transactions`] is
//! asked about when the server says that it waits, after `deadlock_timeout`: its session has no name before.
//!
//! Behind PgBouncer in transaction mode: [`Mode::Always`], or no traced connections, since the traced pool sets its
//! constants for a session. What holds there and what does not is in this crate's README.
//!
//! An error's text on a span has no values either: what the server quotes in a data exception or a syntax error is `"?"`.
//! The error that the caller gets is untouched; whoever logs it logs Postgres' own words.
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
