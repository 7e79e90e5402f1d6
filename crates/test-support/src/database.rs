//! One Postgres per test process, one database per test.

use std::sync::atomic::{AtomicU32, Ordering};

use dev_postgres::{Options, Server};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgPool};
use tokio::sync::OnceCell;

/// Never dropped: its keeper stops it when the process ends.
static SERVER: OnceCell<Server> = OnceCell::const_new();

/// The role that owns every test's database: as little privileged as a service's.
const ROLE: &str = "test";

/// A database that no other test sees; removed when dropped.
pub struct TestDb {
    name: String,
    url: String,
    superuser: PgConnectOptions,
}

/// The Postgres of this process, started on first use.
pub async fn postgres() -> &'static Server {
    SERVER
        .get_or_init(|| async { Server::start(Options::ephemeral()).await.unwrap_or_else(|e| panic!("{e}")) })
        .await
}

impl TestDb {
    /// An empty database, bootstrapped as `throughline up` does it for a service.
    pub async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let server = postgres().await;
        let url = server.bootstrap_one(&name, ROLE).await.unwrap_or_else(|e| panic!("{e}"));
        let superuser = server.superuser(&name);
        Self { name, url, superuser }
    }

    /// `postgres://ROLE:PASSWORD@127.0.0.1:PORT/DATABASE`, as a service gets it in `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A plain pool of the service's role, for looking at what the code under test did.
    pub async fn pool(&self) -> PgPool {
        PgPoolOptions::new().max_connections(2).connect(&self.url).await.expect("the test's database answers")
    }

    /// A connection of the superuser to this database.
    pub async fn superuser(&self) -> sqlx::PgConnection {
        self.superuser.connect().await.expect("the test's Postgres answers")
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let (name, superuser) = (self.name.clone(), self.superuser.clone().database("postgres"));
        // On a thread with a runtime of its own, since the test's is busy here. Not waited for: if the process
        // ends first, the whole server goes.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| {
                runtime.block_on(async {
                    let mut connection = superuser.connect().await?;
                    sqlx::raw_sql(AssertSqlSafe(format!("drop database if exists \"{name}\" with (force)")))
                        .execute(&mut connection)
                        .await?;
                    connection.close().await
                })
            })
        });
    }
}
