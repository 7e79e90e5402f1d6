#![doc = include_str!("../README.md")]

mod http;
mod outbox;
mod queue;
mod report;
mod spool;

pub use http::{Authorize, Endpoint, HttpSender, Rejection, Unsent, retry_after};
pub use outbox::{Answer, Attempt, Limits, Next, Notice, Outbox, Payload};
pub use queue::{Queue, Sender};
pub use report::{Flushed, Reason, Report, SpoolReport};
pub use spool::{Damage, Spool, Stored};
