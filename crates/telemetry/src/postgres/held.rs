//! A connection that goes back to the pool outside any transaction, whatever happens to it here.
//!
//! sqlx 0.9.0 counts a transaction only after BEGIN's round trip. When BEGIN is cancelled or refused, its pool takes
//! the connection back inside the open transaction: later "autocommit" writes on it are acknowledged and then lost
//! (transact-rs/sqlx #4393; repaired after 0.9.0). So the pool's own `begin` is used nowhere.

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Database, Error, Postgres, SqlSafeStr as _};
use sqlx_core::transaction::TransactionManager as _;

type Manager = <Postgres as Database>::TransactionManager;

#[derive(Debug)]
pub(super) struct Held {
    connection: PoolConnection<Postgres>,
    state: State,
    /// It was idle, and nobody has asked whether it still lives.
    untried: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Outside a transaction.
    Idle,
    /// BEGIN is sent and not answered, or was refused.
    Opening,
    Open,
}

impl Held {
    pub(super) fn new(connection: PoolConnection<Postgres>) -> Self {
        Self { connection, state: State::Idle, untried: false }
    }

    pub(super) fn untried(connection: PoolConnection<Postgres>) -> Self {
        Self { connection, state: State::Idle, untried: true }
    }

    pub(super) fn is_untried(&self) -> bool {
        self.untried
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Whether a transaction is open, to be rolled back when this is dropped.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// `sql` begins with BEGIN and may go on with what belongs into the same message. It holds nothing but keywords
    /// and the hex digits of ids.
    pub(super) async fn begin(&mut self, sql: String) -> Result<(), Error> {
        self.state = State::Opening;
        Manager::begin(&mut self.connection, Some(AssertSqlSafe(sql).into_sql_str())).await?;
        self.state = State::Open;
        self.untried = false;
        Ok(())
    }

    /// Nothing happens outside a transaction.
    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        if self.state == State::Open {
            Manager::commit(&mut self.connection).await?;
            self.state = State::Idle;
        }
        Ok(())
    }

    pub(super) async fn rollback(&mut self) -> Result<(), Error> {
        if self.state == State::Open {
            Manager::rollback(&mut self.connection).await?;
            self.state = State::Idle;
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        match self.state {
            State::Idle => {}
            // One reconnect, where nobody can know what the server made of it.
            State::Opening => self.connection.close_on_drop(),
            // Queued now, sent before the pool hands the connection out again.
            State::Open => Manager::start_rollback(&mut self.connection),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_support::TestDb;

    use super::*;

    /// As when the server does not allow one of the settings: stock sqlx answers every later query on such a
    /// connection with 25P02.
    #[tokio::test]
    async fn a_refused_begin_spoils_no_connection() {
        let database = TestDb::new().await;
        let pool =
            sqlx::postgres::PgPoolOptions::new().max_connections(1).connect(database.url()).await.unwrap();
        for _ in 0..3 {
            let mut held = Held::new(pool.acquire().await.unwrap());
            let refused = held.begin("BEGIN; SET LOCAL log_statement='all'".to_owned()).await.unwrap_err();
            assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501");
            drop(held);
            let one: i32 = sqlx::query_scalar("select 1").fetch_one(&pool).await.unwrap();
            assert_eq!(one, 1);
        }
    }
}
