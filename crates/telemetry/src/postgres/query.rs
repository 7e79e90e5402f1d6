//! A query taken apart, so that its text is known before it runs.

use std::mem;

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgStatement};
use sqlx::{Execute, Postgres, SqlStr};

pub(super) struct Taken {
    statement: Option<PgStatement>,
    arguments: Result<Option<PgArguments>, BoxDynError>,
    persistent: bool,
    sql: SqlStr,
}

impl Taken {
    /// The order matters: sqlx's `Map` says "persistent" by whether its arguments are still there, and drivers ask
    /// after they took them.
    pub(super) fn from<'q>(mut query: impl Execute<'q, Postgres>) -> Self {
        let statement = query.statement().cloned();
        let arguments = query.take_arguments();
        let persistent = query.persistent();
        Self { statement, arguments, persistent, sql: query.sql() }
    }

    pub(super) fn text(&self) -> &SqlStr {
        &self.sql
    }
}

impl Execute<'_, Postgres> for Taken {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        mem::replace(&mut self.arguments, Ok(None))
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}
