//! The users service over HTTP, on a real Postgres.

mod accounts;
mod profiles;
mod seeding;
mod support;
mod tokens;
