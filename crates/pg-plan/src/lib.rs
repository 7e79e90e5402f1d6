#![doc = include_str!("../README.md")]

pub mod keys;
pub mod log;
mod span;
mod statement;

mod arena;
mod explain;
mod layout;
mod message;
mod name;
mod place;
mod text;

pub use message::Error;
pub use span::{PlanSpan, Value};
pub use statement::{MAX_MESSAGE, MAX_RECORDS, MAX_SPANS, Statement};
