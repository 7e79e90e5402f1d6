//! The way to ask ClickHouse: the official client, answers as lines of JSON.

use std::sync::Arc;
use std::time::Duration;

use ::clickhouse::{Client, error::Error};
use query::clickhouse::{Rows, TableName};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Address;

/// Questions at a time; more wait.
const MAX_AT_ONCE: usize = 4;
/// Of one SELECT.
const PATIENCE: Duration = Duration::from_mins(1);
/// Of one answer; a thousand groups over a thousand steps take some 40 MB.
const MAX_BYTES: usize = 256 << 20;

/// Clones share the connections.
#[derive(Clone)]
pub(super) struct Store {
    client: Client,
    pub(super) table: TableName,
    pub(super) logs: TableName,
    turns: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("ClickHouse does not answer: {0}")]
    Unreachable(Error),
    /// In its own words.
    #[error("ClickHouse refuses: {0}")]
    Refused(String),
    #[error("ClickHouse takes longer than {} s", PATIENCE.as_secs())]
    Slow,
    #[error("ClickHouse's answer is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    #[error("ClickHouse's answer can't be read: {0}")]
    Unreadable(serde_json::Error),
}

impl Store {
    pub(super) fn new(address: &Address) -> Self {
        let mut client = Client::default().with_url(&address.url).with_database(&address.database);
        if let Some(user) = &address.user {
            client = client.with_user(user);
        }
        if let Some(password) = &address.password {
            client = client.with_password(password);
        }
        let table = TableName::new(&address.database, &address.table);
        let logs = TableName::new(&address.database, &address.logs);
        Self { client, table, logs, turns: Arc::new(Semaphore::new(MAX_AT_ONCE)) }
    }

    /// Runs one SELECT.
    pub(super) async fn ask(&self, sql: String) -> Result<Rows, AskError> {
        let _turn = self.turns.acquire().await.map_err(|_| AskError::Slow)?;
        let body = timeout(PATIENCE, self.read(&sql)).await.map_err(|_| AskError::Slow)??;
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(AskError::Unreadable)
    }

    async fn read(&self, sql: &str) -> Result<Vec<u8>, AskError> {
        let mut cursor = self.client.query_raw(sql).fetch_bytes("JSONCompactEachRow")?;
        let mut body = Vec::new();
        while let Some(chunk) = cursor.next().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err(AskError::TooLarge);
            }
        }
        Ok(body)
    }

    /// Whether the table is there and may be read.
    pub(super) async fn ping(&self) -> Result<(), AskError> {
        self.ask(format!("SELECT Timestamp FROM {} LIMIT 0", self.table)).await.map(|_| ())
    }
}

impl AskError {
    /// `UNKNOWN_TABLE`.
    pub(super) fn is_no_table(&self) -> bool {
        matches!(self, Self::Refused(message) if message.contains("Code: 60."))
    }
}

impl From<Error> for AskError {
    fn from(error: Error) -> Self {
        match error {
            Error::BadResponse(message) => Self::Refused(message.chars().take(500).collect()),
            error => Self::Unreachable(error),
        }
    }
}
