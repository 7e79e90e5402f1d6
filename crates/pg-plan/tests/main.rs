//! What Postgres said, in; span trees as text, out.

mod support;

mod canary;
mod captured;
mod generated;
mod hostile;
mod rules;
