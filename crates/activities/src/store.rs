//! The one place that speaks SQL. Each statement is a file in `sql/`, checked against the schema when this compiles.

mod lab;

use chrono::{DateTime, Utc};
use sqlx::Connection as _;
use telemetry::postgres::{Db, DbConfig};
use uuid::Uuid;

use crate::activity::Activity;
use crate::message::Message;
use crate::page::PageRequest;
use crate::term::Term;
use crate::ttl::Ttl;

/// Every read takes `now`: what expired by then is gone, whether or not the sweeper came by.
#[derive(Clone)]
pub(crate) struct Store {
    db: Db,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached. Nothing is wrong with the request; the next one may succeed.
    #[error("the database is away")]
    Away(#[source] sqlx::Error),
    #[error("the database refused a statement")]
    Failed(#[source] sqlx::Error),
    #[error("the schema cannot be brought up to date")]
    Schema(#[source] sqlx::migrate::MigrateError),
}

impl Store {
    /// Connects, and brings the schema up to date.
    pub(crate) async fn open(config: &DbConfig) -> Result<Self, StoreError> {
        Self::migrated(Db::connect(config).await?).await
    }

    pub(crate) async fn migrated(db: Db) -> Result<Self, StoreError> {
        // Migrations need a connection of their own for their lock; nobody's request asked for them.
        sqlx::migrate!().run(db.pool()).await.map_err(StoreError::Schema)?;
        Ok(Self { db })
    }

    /// Whether the database answers, for `/ready`.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        self.db.pool().acquire().await?.ping().await.map_err(StoreError::from)
    }

    pub(crate) async fn home_feed(
        &self,
        now: DateTime<Utc>,
        page: PageRequest,
    ) -> Result<Vec<Activity>, StoreError> {
        Ok(sqlx::query_file_as!(
            Activity,
            "sql/home_feed.sql",
            now,
            page.before.created_at,
            page.before.uuid,
            page.rows()
        )
        .fetch_all(&self.db)
        .await?)
    }

    pub(crate) async fn user_feed(
        &self,
        now: DateTime<Utc>,
        page: PageRequest,
        user: Uuid,
    ) -> Result<Vec<Activity>, StoreError> {
        Ok(sqlx::query_file_as!(
            Activity,
            "sql/user_feed.sql",
            now,
            page.before.created_at,
            page.before.uuid,
            page.rows(),
            user
        )
        .fetch_all(&self.db)
        .await?)
    }

    pub(crate) async fn search(
        &self,
        now: DateTime<Utc>,
        page: PageRequest,
        term: &Term,
    ) -> Result<Vec<Activity>, StoreError> {
        Ok(sqlx::query_file_as!(
            Activity,
            "sql/search.sql",
            now,
            page.before.created_at,
            page.before.uuid,
            page.rows(),
            term.as_ref()
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// What others answered to `user`.
    pub(crate) async fn notifications(
        &self,
        now: DateTime<Utc>,
        page: PageRequest,
        user: Uuid,
    ) -> Result<Vec<Activity>, StoreError> {
        Ok(sqlx::query_file_as!(
            Activity,
            "sql/notifications.sql",
            now,
            page.before.created_at,
            page.before.uuid,
            page.rows(),
            user
        )
        .fetch_all(&self.db)
        .await?)
    }

    pub(crate) async fn post(&self, now: DateTime<Utc>, uuid: Uuid) -> Result<Option<Activity>, StoreError> {
        Ok(sqlx::query_file_as!(Activity, "sql/show_post.sql", now, uuid).fetch_optional(&self.db).await?)
    }

    /// The oldest first, at most `limit`.
    pub(crate) async fn replies(
        &self,
        now: DateTime<Utc>,
        uuid: Uuid,
        limit: i64,
    ) -> Result<Vec<Activity>, StoreError> {
        Ok(sqlx::query_file_as!(Activity, "sql/list_replies.sql", now, uuid, limit)
            .fetch_all(&self.db)
            .await?)
    }

    pub(crate) async fn create_post(
        &self,
        now: DateTime<Utc>,
        author: Uuid,
        message: &Message,
        ttl: Ttl,
    ) -> Result<Activity, StoreError> {
        Ok(sqlx::query_file_as!(
            Activity,
            "sql/create_post.sql",
            Uuid::now_v7(),
            author,
            message.as_ref(),
            now,
            now + ttl.duration()
        )
        .fetch_one(&self.db)
        .await?)
    }

    /// `None` when the post that is answered is not there, or no longer.
    pub(crate) async fn create_reply(
        &self,
        now: DateTime<Utc>,
        author: Uuid,
        message: &Message,
        reply_to: Uuid,
    ) -> Result<Option<Activity>, StoreError> {
        Ok(sqlx::query_file_as!(
            Activity,
            "sql/create_reply.sql",
            Uuid::now_v7(),
            author,
            message.as_ref(),
            now,
            reply_to
        )
        .fetch_optional(&self.db)
        .await?)
    }

    /// Deletes at most `limit` posts that expired by `now`, and tells how many; their replies go with them.
    pub(crate) async fn sweep_expired(&self, now: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
        Ok(sqlx::query_file!("sql/sweep_expired.sql", now, limit).execute(&self.db).await?.rows_affected())
    }

    /// Writes `posts` and then `replies`, but only into an empty table; tells how many rows that were.
    pub(crate) async fn seed(&self, posts: &[Activity], replies: &[Activity]) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        if !sqlx::query_file_scalar!("sql/is_empty.sql").fetch_one(&mut tx).await? {
            tx.rollback().await?;
            return Ok(0);
        }
        let mut written = 0;
        for rows in [posts, replies] {
            written += sqlx::query_file!(
                "sql/seed_posts.sql",
                &column(rows, |row| row.uuid),
                &column(rows, |row| row.user_uuid),
                &column(rows, |row| row.message.clone()),
                &column(rows, |row| row.reply_to) as &[Option<Uuid>],
                &column(rows, |row| row.created_at),
                &column(rows, |row| row.expires_at) as &[Option<DateTime<Utc>>],
            )
            .execute(&mut tx)
            .await?
            .rows_affected();
        }
        // Without statistics the first feeds would read all of it and sort; autovacuum comes a minute later.
        sqlx::query_file!("sql/analyze.sql").execute(&mut tx).await?;
        tx.commit().await?;
        Ok(written)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Away(error),
            // 57P01 to 57P03: shut down, crashed, starting up. 53300: too many connections.
            sqlx::Error::Database(refusal)
                if refusal.code().is_some_and(|code| code.starts_with("57P0") || code == "53300") =>
            {
                Self::Away(error)
            }
            _ => Self::Failed(error),
        }
    }
}

/// One field of every row, as `unnest` takes it.
fn column<T>(rows: &[Activity], field: impl Fn(&Activity) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}
