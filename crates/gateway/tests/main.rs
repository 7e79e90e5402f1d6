//! The gateway between two neighbours that do as told, over HTTP on free ports.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod neighbours;
mod support;

mod composition;
mod cookies;
mod failures;
mod identity;
mod input;
