//! The only module that sees the database. Its statements are in `sql/`, checked against the schema at compile time.

use chrono::{DateTime, Utc};
use sqlx::Executor;
use telemetry::postgres::{Db, DbConfig};
use uuid::Uuid;

use crate::handle::Handle;
use crate::user::{NewUser, User};

#[derive(Clone)]
pub(crate) struct Store {
    db: Db,
}

/// Why the database did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("that {0} is taken")]
    Taken(&'static str),
    #[error("the users database is out of reach")]
    Unreachable(#[source] sqlx::Error),
    #[error("the users database failed")]
    Failed(#[source] sqlx::Error),
    #[error("the users database could not be migrated")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

/// A profile together with what a password is compared with.
pub(crate) struct Credentials {
    pub(crate) user: User,
    pub(crate) password_hash: Option<String>,
}

pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) pkcs8: Vec<u8>,
    pub(crate) current: bool,
}

impl Store {
    /// Connects and migrates.
    pub(crate) async fn connect(config: &DbConfig) -> Result<Self, StoreError> {
        let db = Db::connect(config).await?;
        // Past the tracing handle: migrations and probes are no part of any request.
        sqlx::migrate!().run(db.pool()).await.map_err(StoreError::Migrate)?;
        Ok(Self { db })
    }

    /// Whether the database answers.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(self.db.pool()).await?;
        Ok(())
    }

    pub(crate) async fn user_by_handle(&self, handle: &Handle) -> Result<Option<User>, StoreError> {
        Ok(sqlx::query_file_as!(User, "sql/user_by_handle.sql", handle.as_str())
            .fetch_optional(&self.db)
            .await?)
    }

    /// The profiles of `ids` that exist, in one query.
    pub(crate) async fn users_by_ids(&self, ids: &[Uuid]) -> Result<Vec<User>, StoreError> {
        Ok(sqlx::query_file_as!(User, "sql/users_by_ids.sql", ids).fetch_all(&self.db).await?)
    }

    pub(crate) async fn credentials(&self, handle: &Handle) -> Result<Option<Credentials>, StoreError> {
        let row = sqlx::query_file!("sql/credentials_by_handle.sql", handle.as_str())
            .fetch_optional(&self.db)
            .await?;
        Ok(row.map(|row| Credentials {
            user: User {
                id: row.id,
                handle: row.handle,
                display_name: row.display_name,
                bio: row.bio,
                created_at: row.created_at,
            },
            password_hash: row.password_hash,
        }))
    }

    /// A new account and its first session: both or neither.
    pub(crate) async fn create_user(
        &self,
        user: &NewUser,
        session: Uuid,
        expires_at: DateTime<Utc>,
    ) -> Result<User, StoreError> {
        let mut tx = self.db.begin().await?;
        let user = insert_user(&mut tx, user).await?;
        sqlx::query_file!("sql/start_session.sql", session, user.id, expires_at).execute(&mut tx).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// All accounts or none.
    pub(crate) async fn create_users(&self, users: &[NewUser]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for user in users {
            insert_user(&mut tx, user).await?;
        }
        Ok(tx.commit().await?)
    }

    pub(crate) async fn has_users(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_file_scalar!("sql/any_user.sql").fetch_one(&self.db).await?)
    }

    pub(crate) async fn all_users(&self) -> Result<Vec<User>, StoreError> {
        Ok(sqlx::query_file_as!(User, "sql/all_users.sql").fetch_all(&self.db).await?)
    }

    pub(crate) async fn start_session(
        &self,
        id: Uuid,
        user_id: Uuid,
        expires_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        sqlx::query_file!("sql/start_session.sql", id, user_id, expires_at).execute(&self.db).await?;
        Ok(())
    }

    /// False when there is no such session or it has ended.
    pub(crate) async fn end_session(&self, id: Uuid, user_id: Uuid) -> Result<bool, StoreError> {
        let done = sqlx::query_file!("sql/end_session.sql", id, user_id).execute(&self.db).await?;
        Ok(done.rows_affected() == 1)
    }

    pub(crate) async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        Ok(sqlx::query_file_as!(SigningKey, "sql/signing_keys.sql").fetch_all(&self.db).await?)
    }

    /// Does nothing when another replica was faster.
    pub(crate) async fn create_signing_key(&self, key: &SigningKey) -> Result<(), StoreError> {
        sqlx::query_file!("sql/create_signing_key.sql", key.kid, key.pkcs8).execute(&self.db).await?;
        Ok(())
    }
}

async fn insert_user<'c, E>(executor: E, user: &NewUser) -> Result<User, StoreError>
where
    E: Executor<'c, Database = sqlx::Postgres>,
{
    sqlx::query_file_as!(
        User,
        "sql/create_user.sql",
        user.id,
        user.handle.as_str(),
        user.email.as_str(),
        user.display_name,
        user.bio,
        user.password_hash,
        user.created_at,
    )
    .fetch_one(executor)
    .await
    .map_err(StoreError::from)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(|e| e.constraint()) {
            Some("users_handle_key") => return Self::Taken("handle"),
            Some("users_email_key") => return Self::Taken("e-mail address"),
            _ => {}
        }
        // SQLSTATE classes 08 (connection), 53 (out of resources) and 57 (operator intervention, statement timeout).
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let state = code.unwrap_or_default().into_owned();
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => {
                Self::Unreachable(error)
            }
            _ if ["08", "53", "57"].iter().any(|class| state.starts_with(class)) => Self::Unreachable(error),
            _ => Self::Failed(error),
        }
    }
}
