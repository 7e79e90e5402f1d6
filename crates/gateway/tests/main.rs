//! The gateway between two neighbours that do as told, over HTTP on free ports.

mod neighbours;
mod support;

mod composition;
mod cookies;
mod failures;
mod identity;
mod input;
