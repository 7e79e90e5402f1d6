//! The statements of the laboratory (`crate::lab`).

use chrono::{DateTime, Utc};
use telemetry::postgres::{Db, DbConfig, Tx};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::activity::Activity;
use crate::page::PageRequest;

/// A transaction that locks posts until it is released.
pub(crate) struct Locks(Tx);

impl Store {
    /// A second pool, of one connection, over the same schema.
    pub(crate) async fn of_one_connection(config: &DbConfig) -> Result<Self, StoreError> {
        let config = DbConfig { max_connections: 1, traced_connections: 0, ..config.clone() };
        Ok(Self { db: Db::connect(&config).await? })
    }

    /// [`Store::home_feed`] as if nobody had made its indexes.
    pub(crate) async fn home_feed_without_indexes(
        &self,
        now: DateTime<Utc>,
        page: PageRequest,
    ) -> Result<Vec<Activity>, StoreError> {
        let mut tx = self.db.begin().await?;
        sqlx::query_file!("sql/lab/without_indexes.sql").fetch_one(&mut tx).await?;
        let posts = sqlx::query_file_as!(
            Activity,
            "sql/home_feed.sql",
            now,
            page.before.created_at,
            page.before.uuid,
            page.rows()
        )
        .fetch_all(&mut tx)
        .await?;
        tx.commit().await?;
        Ok(posts)
    }

    pub(crate) async fn begin_locks(&self) -> Result<Locks, StoreError> {
        Ok(Locks(self.db.begin().await?))
    }

    /// Writes a row whose check takes its time, at COMMIT.
    pub(crate) async fn write_receipt(&self) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        sqlx::query_file!("sql/lab/write_receipt.sql", Uuid::now_v7()).execute(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Counts rows of which the statistics know nothing.
    pub(crate) async fn count_visits(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_file_scalar!("sql/lab/count_visits.sql").fetch_one(&self.db).await?)
    }
}

impl Locks {
    /// Waits while somebody else has it.
    pub(crate) async fn lock(&mut self, post: Uuid) -> Result<(), StoreError> {
        sqlx::query_file!("sql/lab/lock_post.sql", post).fetch_optional(&mut self.0).await?;
        Ok(())
    }

    pub(crate) async fn release(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}
