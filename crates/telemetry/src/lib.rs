#![doc = include_str!("../README.md")]

pub mod actix;
pub mod attributes;
pub mod awc;
pub mod current;
pub mod pg_log;
pub mod postgres;

mod config;
mod errors;
mod init;
mod task;
// What they stand on, from the header to the queue.
mod export;
mod gate;
mod http;
mod log;
mod propagation;
mod sampling;
mod sanitize;

pub use config::{Config, LogConfig, LogFormat, LogOutput};
pub use errors::ROLLBAR;
pub use init::{FlushReport, Guard, InitError, delivery_report, init, init_with, relay, relay_item};
pub use sampling::Sampler;
pub use task::{background_root, block, spawn, untraced};
