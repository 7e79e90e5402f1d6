use std::sync::Arc;

use async_stream::try_stream;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, TryStreamExt as _};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection as _, Either, Error, Execute, Executor, Postgres, SqlStr};

use super::db::Db;
use super::held::Held;
use super::lock::Watch;
use super::query::Taken;
use super::span::{self, Statement, Target};

/// A transaction. `&mut Tx` is an executor; it does not turn into a `PgConnection`, since statements would then go
/// past their spans. Dropped without [`Tx::commit`] it is rolled back.
#[derive(Debug)]
pub struct Tx {
    held: Held,
    trace: Option<Trace>,
    /// A statement has begun and was not read to its end: what it still says must not be taken for the next one's.
    unread: bool,
}

#[derive(Debug)]
struct Trace {
    target: Arc<Target>,
    watch: Arc<Watch>,
    /// Where the transaction began.
    outer: Context,
    /// The same with the `transaction` span, which ends with this value.
    inner: Context,
}

impl Tx {
    pub(super) async fn begin(mut held: Held) -> Result<Self, Error> {
        held.begin("BEGIN".to_owned()).await?;
        Ok(Self { held, trace: None, unread: false })
    }

    pub(super) async fn begin_traced(db: &Db, outer: &Context) -> Result<Self, Error> {
        let held = db.acquire_to_begin(outer).await?;
        let target = Arc::clone(db.target());
        let inner = span::transaction(outer, &target);
        let mut begin = Statement::start(&inner, &target, "BEGIN");
        // The transaction's own span: it lasts as long as the setting does.
        let held = begin.check(db.open(outer, held, inner.span().span_context()).await)?;
        begin.finish();
        let trace = Trace { target, watch: Arc::clone(db.watch()), outer: outer.clone(), inner };
        Ok(Self { held, trace: Some(trace), unread: false })
    }

    pub async fn commit(mut self) -> Result<(), Error> {
        self.read_up().await?;
        // Deferred constraints are checked by statements, which have plans.
        let mut span = self.span(&Context::current(), &SqlStr::from_static("COMMIT"));
        let committed = span.hearing(self.held.commit()).await;
        span.check(committed)?;
        span.finish();
        Ok(())
    }

    pub async fn rollback(mut self) -> Result<(), Error> {
        let mut span = self.span(&Context::current(), &SqlStr::from_static("ROLLBACK"));
        span.check(self.held.rollback().await)?;
        span.finish();
        Ok(())
    }

    /// Below the transaction's span, or below one that the caller has opened since (`current`).
    fn span(&self, current: &Context, sql: &SqlStr) -> Statement {
        let Some(Trace { target, watch, outer, inner }) = &self.trace else { return Statement::none() };
        let opened_since =
            span::is_sampled(current) && current.span().span_context() != outer.span().span_context();
        let mut span = Statement::start(if opened_since { current } else { inner }, target, sql.as_str());
        span.listen(sql.clone());
        span.watch(watch, Some(inner.span().span_context()));
        span
    }

    /// Reads what a cancelled statement has left on the wire: nobody hears it.
    async fn read_up(&mut self) -> Result<(), Error> {
        if self.unread && self.trace.is_some() {
            self.held.connection().ping().await?;
            self.unread = false;
        }
        Ok(())
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
        let (query, current) = (Taken::from(query), Context::current());
        Box::pin(try_stream! {
            self.read_up().await?;
            let mut span = self.span(&current, query.text());
            self.unread = true;
            let mut steps = span.hearing(self.held.connection().fetch_many(query));
            while let Some(step) = span.check(steps.try_next().await)? {
                span.count(&step);
                yield step;
            }
            span.finish();
            drop(steps);
            self.unread = false;
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
        let (query, current) = (Taken::from(query), Context::current());
        Box::pin(async move {
            self.read_up().await?;
            let mut span = self.span(&current, query.text());
            self.unread = true;
            let row = span.hearing(self.held.connection().fetch_optional(query)).await;
            let row = span.check(row)?;
            self.unread = false;
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
