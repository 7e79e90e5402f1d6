//! What the console keeps for us.

use futures::future::BoxFuture;

use super::Item;
use crate::Unavailable;

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// With the number of its occurrence.
    Stored(i64),
    /// Of a uuid that is known.
    Duplicate,
}

/// A revision that went somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deploy {
    pub environment: String,
    pub revision: String,
    /// `started`, `succeeded`, `failed` or `timed_out`.
    pub status: String,
    pub user: Option<String>,
    pub comment: Option<String>,
}

/// What a `PATCH` changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeployChange {
    pub status: Option<String>,
    pub comment: Option<String>,
}

/// The way to what is kept. Each call returns when its work is durable.
pub trait Store: Send + Sync {
    /// Counts what became of the item, too.
    fn put(&self, item: Item) -> BoxFuture<'_, Result<Put, Unavailable>>;

    /// Gives the deploy's number.
    fn put_deploy(&self, deploy: Deploy) -> BoxFuture<'_, Result<i64, Unavailable>>;

    /// `false` when there is none of this number.
    fn change_deploy(&self, id: i64, change: DeployChange) -> BoxFuture<'_, Result<bool, Unavailable>>;
}
