//! Rollbar's item and deploy API, in front of whatever keeps the items.

pub mod api;
mod grouping;
mod item;
pub mod show;
pub mod store;

pub use api::Api;
pub use item::{Invalid, Item};
pub use store::{Deploy, DeployChange, Put, Store};
