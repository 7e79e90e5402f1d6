use std::sync::Arc;
use std::time::SystemTime;

use async_stream::try_stream;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, TryStreamExt as _};
use opentelemetry::Context;
use opentelemetry::trace::SpanContext;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Either, Error, Execute, Executor, PgPool, Postgres, SqlStr};

use super::config::{DbConfig, Mode};
use super::held::Held;
use super::lock::Watch;
use super::plan;
use super::query::Taken;
use super::server::Server;
use super::span::{self, Statement, Target};
use super::tx::Tx;

/// A single statement waits for this part of the acquire timeout, 100 ms of 2 s, for a connection that asks for its
/// plan; then it goes without.
const TRACED_SHARE: u32 = 20;

/// A pool whose sampled statements are spans; see the module's page. Clones share it.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    /// In [`Mode::Transactions`]: for sampled single statements, of which it asks every plan.
    traced: Option<PgPool>,
    target: Arc<Target>,
    server: Arc<Server>,
    watch: Arc<Watch>,
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
        let server = Server::probe(&mut *pool.acquire().await?).await;
        let watch = Watch::start(options.clone());
        let small = config.mode == Mode::Transactions && config.traced_connections > 0 && server.plans();
        let traced = if small { traced_pool(config, options, &server).await } else { None };
        Ok(Self { pool, traced, target, server: Arc::new(server), watch, mode: config.mode })
    }

    /// Begins a transaction. It is rolled back unless [`Tx::commit`] is called.
    pub async fn begin(&self) -> Result<Tx, Error> {
        let cx = Context::current();
        if span::is_sampled(&cx) {
            Tx::begin_traced(self, &cx).await
        } else {
            Tx::begin(Held::new(self.pool.acquire().await?)).await
        }
    }

    /// The pool itself, without spans: for migrations and health checks, and for statements that refuse to run in
    /// a transaction.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) fn target(&self) -> &Arc<Target> {
        &self.target
    }

    pub(super) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// A connection that BEGIN will try, so that no turn is spent on trying it before: an idle one as it is, if there
    /// is one.
    pub(super) async fn acquire_to_begin(&self, cx: &Context) -> Result<Held, Error> {
        match self.pool.try_acquire() {
            Some(connection) => Ok(Held::untried(connection)),
            None => self.acquire(cx).await,
        }
    }

    /// A connection; the wait for it is a span of its own if it is long or in vain.
    async fn acquire(&self, cx: &Context) -> Result<Held, Error> {
        let asked = SystemTime::now();
        let acquired = self.pool.acquire().await;
        let most = self.pool.options().get_max_connections();
        span::waited(cx, &self.target, most, asked, acquired.as_ref().err());
        acquired.map(Held::new)
    }

    /// Begins a transaction that carries `span`: once more on another connection if this one was dead, and once more
    /// without plans if the server no longer gives them.
    pub(super) async fn open(&self, cx: &Context, mut held: Held, span: &SpanContext) -> Result<Held, Error> {
        let limit = self.pool.options().get_acquire_timeout();
        loop {
            let plans = self.server.plans();
            let begun = tokio::time::timeout(limit, held.begin(span::begin_sql(span, &self.server))).await;
            let Err(error) = begun.map_err(|_| Error::PoolTimedOut)? else { return Ok(held) };
            let refused = self.server.refused(&error);
            if !(held.is_untried() || plans && refused) {
                return Err(error);
            }
            // It is closed, which makes room in the pool.
            drop(held);
            held = self.acquire(cx).await?;
        }
    }

    /// A connection for one sampled statement, and its span.
    async fn hold(&self, cx: &Context, query: &Taken) -> Result<(Held, Statement), Error> {
        let (traced, always) = (self.acquire_traced().await, self.mode == Mode::Always);
        let plan = always || traced.is_some();
        let held = match traced {
            Some(connection) => Held::new(connection),
            None if always => self.acquire_to_begin(cx).await?,
            None => self.acquire(cx).await?,
        };
        let mut span = Statement::start(cx, &self.target, query.text().as_str());
        if plan {
            span.listen(query.text().clone());
        }
        if !always {
            span.watch(&self.watch, None);
            return Ok((held, span));
        }
        let session = span.span_context().clone();
        let opened = self.open(cx, held, &session).await;
        let held = span.check(opened)?;
        span.watch(&self.watch, Some(&session));
        Ok((held, span))
    }

    /// None rather than a long wait: nothing sampled should fail for being one of many.
    async fn acquire_traced(&self) -> Option<PoolConnection<Postgres>> {
        let pool = self.traced.as_ref()?;
        let patience = pool.options().get_acquire_timeout();
        let acquired = tokio::time::timeout(patience / TRACED_SHARE, pool.acquire()).await;
        let acquired = acquired.ok().and_then(Result::ok);
        if acquired.is_none() {
            plan::unasked();
        }
        acquired
    }
}

/// None, and a warning, if the server refuses the settings.
async fn traced_pool(config: &DbConfig, options: PgConnectOptions, server: &Server) -> Option<PgPool> {
    let settings = server.settings().iter().flat_map(|setting| ["set ", setting, ";"]).collect::<String>();
    let opened = PgPoolOptions::new()
        .min_connections(config.traced_connections)
        .max_connections(config.traced_connections)
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(true)
        .after_connect(move |connection, _| {
            let settings = settings.clone();
            Box::pin(
                async move { connection.execute(sqlx::raw_sql(AssertSqlSafe(settings))).await.map(drop) },
            )
        })
        .connect_with(options)
        .await;
    opened.inspect_err(|error| tracing::warn!(%error, "the plans of single statements are not shown")).ok()
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
            let (mut held, mut span) = self.hold(&cx, &query).await?;
            {
                let mut steps = span.hearing(held.connection().fetch_many(query));
                while let Some(step) = span.check(steps.try_next().await)? {
                    span.count(&step);
                    yield step;
                }
            }
            // A deferred constraint is checked now, by a statement that has a plan as well.
            let committed = span.hearing(held.commit()).await;
            span.check(committed)?;
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
            let (mut held, mut span) = self.hold(&cx, &query).await?;
            let row = span.hearing(held.connection().fetch_optional(query)).await;
            let row = span.check(row)?;
            span.count_rows(u64::from(row.is_some()));
            let committed = span.hearing(held.commit()).await;
            span.check(committed)?;
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
