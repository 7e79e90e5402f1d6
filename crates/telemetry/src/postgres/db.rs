use std::sync::Arc;
use std::time::SystemTime;

use async_stream::try_stream;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, TryStreamExt as _};
use opentelemetry::Context;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{ConnectOptions as _, Either, Error, Execute, Executor, PgPool, Postgres, SqlStr};

use super::config::{DbConfig, Mode};
use super::held::Held;
use super::query::Taken;
use super::span::{self, Statement, Target};
use super::tx::Tx;

/// A pool whose sampled statements are spans; see the module's page. Clones share it.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    target: Arc<Target>,
    mode: Mode,
}

impl Db {
    /// Opens the pool and its first connection, so that a wrong URL shows at start.
    ///
    /// A Postgres that goes away later and comes back is found again: each connection is tried before it is handed
    /// out and replaced if it is dead. Until then statements fail with `PoolTimedOut` after the acquire timeout.
    pub async fn connect(config: &DbConfig) -> Result<Self, Error> {
        let timeout = config.statement_timeout.as_millis().to_string();
        let options = config
            .url
            .expose()
            .parse::<PgConnectOptions>()?
            .options([("statement_timeout", timeout.as_str()), ("lock_timeout", timeout.as_str())])
            // Its log lines hold the text of every statement; the spans say it better.
            .disable_statement_logging();
        let target = Arc::new(Target::new(&options));
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(config.acquire_timeout)
            .test_before_acquire(true)
            .connect_with(options.clone())
            .await;
        let pool = match pool {
            // The pool tries again until its time is up, and then has forgotten why.
            Err(Error::PoolTimedOut) => {
                let alone = tokio::time::timeout(config.acquire_timeout, options.connect()).await;
                return Err(alone.ok().and_then(Result::err).unwrap_or(Error::PoolTimedOut));
            }
            pool => pool?,
        };
        Ok(Self { pool, target, mode: config.mode })
    }

    /// Begins a transaction. It is rolled back unless [`Tx::commit`] is called.
    pub async fn begin(&self) -> Result<Tx, Error> {
        let cx = Context::current();
        if span::is_sampled(&cx) {
            let held = Held::new(self.acquire(&cx).await?);
            Tx::begin_traced(held, Arc::clone(&self.target), &cx).await
        } else {
            Tx::begin(Held::new(self.pool.acquire().await?)).await
        }
    }

    /// The pool itself, without spans: for migrations and health checks, and for statements that refuse to run in
    /// a transaction.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection; the wait for it is a span of its own if it is long or in vain.
    async fn acquire(&self, cx: &Context) -> Result<sqlx::pool::PoolConnection<Postgres>, Error> {
        let asked = SystemTime::now();
        let acquired = self.pool.acquire().await;
        span::waited(cx, &self.target, asked, acquired.as_ref().err());
        acquired
    }

    /// A connection for one sampled statement, in a transaction that carries `span` if the mode says so.
    async fn hold(&self, cx: &Context, sql: &str) -> Result<(Held, Statement), Error> {
        let mut held = Held::new(self.acquire(cx).await?);
        let mut span = Statement::start(cx, &self.target, sql);
        if self.mode == Mode::Always {
            span.check(held.begin(span::begin_sql(span.span_context())).await)?;
        }
        Ok((held, span))
    }
}

impl<'c> Executor<'c> for &'c Db {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let cx = Context::current();
        if !span::is_sampled(&cx) {
            return (&self.pool).fetch_many(query);
        }
        let query = Taken::from(query);
        Box::pin(try_stream! {
            let (mut held, mut span) = self.hold(&cx, query.text()).await?;
            {
                let mut steps = held.connection().fetch_many(query);
                while let Some(step) = span.check(steps.try_next().await)? {
                    span.count(&step);
                    yield step;
                }
            }
            span.check(held.commit().await)?;
            span.finish();
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let cx = Context::current();
        if !span::is_sampled(&cx) {
            return (&self.pool).fetch_optional(query);
        }
        let query = Taken::from(query);
        Box::pin(async move {
            let (mut held, mut span) = self.hold(&cx, query.text()).await?;
            let row = span.check(held.connection().fetch_optional(query).await)?;
            span.count_rows(u64::from(row.is_some()));
            span.check(held.commit().await)?;
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
        'c: 'e,
    {
        (&self.pool).prepare_with(sql, parameters)
    }

    #[doc(hidden)]
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        (&self.pool).describe(sql)
    }
}
