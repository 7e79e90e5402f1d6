//! The users service over HTTP, on a real Postgres.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accounts;
mod profiles;
mod seeding;
mod spans;
mod support;
mod tokens;
