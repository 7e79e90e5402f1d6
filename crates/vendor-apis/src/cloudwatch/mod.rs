//! CloudWatch Logs' API, in front of whatever keeps the events.

pub mod api;
mod error;
mod groups;
pub mod line;
pub mod pattern;
mod put;
mod read;
pub mod store;

pub use api::Api;
pub use error::ApiError;
pub use line::Line;
pub use store::{Event, Group, NewEvent, Page, Position, Query, Store, StoreError, Stream};
