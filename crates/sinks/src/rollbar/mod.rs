//! Rollbar: errors as items, rate-limited, scrubbed, and joined to their traces.

mod client;
mod config;
mod encode;
mod frames;
mod item;
mod limit;
mod scrub;

pub use client::{Deploy, Report, Rollbar, announce};
pub use config::{Config, Destination, Links};
pub use item::{Cause, Item, Level, Person, Process, Request};
