use std::sync::Arc;

use async_stream::try_stream;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, TryStreamExt as _};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Either, Error, Execute, Executor, Postgres, SqlStr};

use super::held::Held;
use super::query::Taken;
use super::span::{self, Statement, Target};

/// A transaction. `&mut Tx` is an executor; it does not turn into a `PgConnection`, since statements would then go
/// past their spans. Dropped without [`Tx::commit`] it is rolled back.
#[derive(Debug)]
pub struct Tx {
    held: Held,
    trace: Option<Trace>,
}

#[derive(Debug)]
struct Trace {
    target: Arc<Target>,
    /// Where the transaction began.
    outer: Context,
    /// The same with the `transaction` span, which ends with this value.
    inner: Context,
}

impl Tx {
    pub(super) async fn begin(mut held: Held) -> Result<Self, Error> {
        held.begin("BEGIN".to_owned()).await?;
        Ok(Self { held, trace: None })
    }

    pub(super) async fn begin_traced(
        mut held: Held,
        target: Arc<Target>,
        outer: &Context,
    ) -> Result<Self, Error> {
        let inner = span::transaction(outer, &target);
        let mut begin = Statement::start(&inner, &target, "BEGIN");
        // The transaction's own span: it lasts as long as the setting does.
        begin.check(held.begin(span::begin_sql(inner.span().span_context())).await)?;
        begin.finish();
        Ok(Self { held, trace: Some(Trace { target, outer: outer.clone(), inner }) })
    }

    pub async fn commit(mut self) -> Result<(), Error> {
        let mut span = self.span("COMMIT");
        span.check(self.held.commit().await)?;
        span.finish();
        Ok(())
    }

    pub async fn rollback(mut self) -> Result<(), Error> {
        let mut span = self.span("ROLLBACK");
        span.check(self.held.rollback().await)?;
        span.finish();
        Ok(())
    }

    /// Below the transaction's span, or below one that the caller has opened since.
    fn span(&self, sql: &str) -> Statement {
        let Some(Trace { target, outer, inner }) = &self.trace else { return Statement::none() };
        let current = Context::current();
        let opened_since =
            span::is_sampled(&current) && current.span().span_context() != outer.span().span_context();
        Statement::start(if opened_since { &current } else { inner }, target, sql)
    }
}

impl Drop for Tx {
    /// Rolled back by being dropped: no statement of the caller's says so, hence the event.
    fn drop(&mut self) {
        if let Some(trace) = self.trace.as_ref().filter(|_| self.held.is_open()) {
            trace.inner.span().add_event("rollback", Vec::new());
        }
    }
}

impl<'t> Executor<'t> for &'t mut Tx {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        't: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        if self.trace.is_none() {
            return self.held.connection().fetch_many(query);
        }
        let query = Taken::from(query);
        let mut span = self.span(query.text());
        Box::pin(try_stream! {
            let mut steps = self.held.connection().fetch_many(query);
            while let Some(step) = span.check(steps.try_next().await)? {
                span.count(&step);
                yield step;
            }
            span.finish();
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        't: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        if self.trace.is_none() {
            return self.held.connection().fetch_optional(query);
        }
        let query = Taken::from(query);
        let mut span = self.span(query.text());
        Box::pin(async move {
            let row = span.check(self.held.connection().fetch_optional(query).await)?;
            span.count_rows(u64::from(row.is_some()));
            span.finish();
            Ok(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        't: 'e,
    {
        self.held.connection().prepare_with(sql, parameters)
    }

    #[doc(hidden)]
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, Error>>
    where
        't: 'e,
    {
        self.held.connection().describe(sql)
    }
}
