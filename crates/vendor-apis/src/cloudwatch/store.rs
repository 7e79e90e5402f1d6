//! What the console keeps for us.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

/// A log group. Times here are milliseconds since 1970, as in the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub created: i64,
    /// `None`: events never expire.
    pub retention_days: Option<u32>,
    pub tags: BTreeMap<String, String>,
    pub bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    pub name: String,
    pub created: i64,
    pub first_event: Option<i64>,
    pub last_event: Option<i64>,
    pub last_ingestion: Option<i64>,
    pub bytes: u64,
}

/// As `PutLogEvents` brings it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    pub timestamp: i64,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub position: Position,
    pub timestamp: i64,
    pub stream: String,
    pub ingestion_time: i64,
    pub message: String,
}

/// Where an event stands: by its time, then by its arrival. The unit of that time is the store's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub time: i64,
    pub id: i64,
}

/// Which events of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub group: String,
    pub streams: Streams,
    /// Inclusive.
    pub start: Option<i64>,
    /// Exclusive.
    pub end: Option<i64>,
    pub from: From,
    pub limit: usize,
    /// Of messages, at most, unless the first one alone is larger.
    pub max_bytes: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub events: Vec<Event>,
    /// There is nothing behind these.
    pub is_last: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Streams {
    All,
    Prefix(String),
    Named(Vec<String>),
}

/// Where a page begins. Both are exclusive; the events come in the direction of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    After(Position),
    Before(Position),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("The specified log group does not exist.")]
    NoGroup,
    #[error("The specified log stream does not exist.")]
    NoStream,
    #[error("The specified log group already exists")]
    GroupExists,
    #[error("The specified log stream already exists")]
    StreamExists,
    #[error("Resource limit exceeded.")]
    LimitExceeded,
    #[error("the store does not answer")]
    Unavailable,
}

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The way to what is kept. Each call returns when its work is durable or done.
pub trait Store: Send + Sync {
    fn create_group(&self, name: String, tags: BTreeMap<String, String>) -> Answer<'_, ()>;
    fn delete_group(&self, name: String) -> Answer<'_, ()>;
    fn set_retention(&self, group: String, days: Option<u32>) -> Answer<'_, ()>;
    /// Replaces all of them.
    fn set_tags(&self, group: String, tags: BTreeMap<String, String>) -> Answer<'_, ()>;
    /// By name.
    fn groups(&self) -> Answer<'_, Vec<Group>>;

    fn create_stream(&self, group: String, name: String) -> Answer<'_, ()>;
    fn delete_stream(&self, group: String, name: String) -> Answer<'_, ()>;
    /// By name.
    fn streams(&self, group: String) -> Answer<'_, Vec<Stream>>;

    /// The group's retention, if group and stream exist.
    fn retention(&self, group: String, stream: String) -> Answer<'_, Option<u32>>;
    /// Counts what it stored, too.
    fn put(&self, group: String, stream: String, events: Vec<NewEvent>) -> Answer<'_, ()>;
    /// A missing stream of [`Streams::Named`] with one name is an error, several are looked for.
    fn events(&self, query: Query) -> Answer<'_, Page>;
}
