#![doc = include_str!("../README.md")]

mod activity;
mod config;
mod cursor;
mod error;
mod lab;
mod message;
mod page;
mod routes;
mod seed;
mod store;
mod sweeper;
mod term;
mod ttl;
mod wire;

use std::io;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Data, ServiceConfig};
use chrono::Utc;
use service::identity::Keys;
use service::server::{Ready, Server, Tracing};
use telemetry::postgres::{Db, DbConfig};
use tokio::sync::oneshot;
use uuid::Uuid;

pub use config::Config;
pub use store::StoreError;

use lab::Lab;
use store::Store;

/// The service, bound to its port, its database migrated.
pub struct Application {
    server: Server,
    store: Store,
    sweep_interval: Duration,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bind(#[from] io::Error),
}

impl Application {
    pub async fn build(config: Config) -> Result<Self, BuildError> {
        let store = Store::open(&config.db).await?;
        let keys = Keys::remote(config.users_url.as_str());
        let lab = config.server.debug_routes.then(|| Data::new(Lab::new(store.clone(), config.db)));
        let routes = {
            let store = store.clone();
            move |app: &mut ServiceConfig| {
                app.app_data(Data::new(store.clone())).app_data(keys.clone());
                if let Some(lab) = &lab {
                    app.app_data(lab.clone());
                }
                routes::register(app);
            }
        };
        let ready = {
            let store = store.clone();
            Ready::new().check("database", move || {
                let store = store.clone();
                async move { store.ping().await.map_err(|error| error.to_string()) }
            })
        };
        let server = Server::bind(&config.server, Tracing::On, ready, routes)?;
        Ok(Self { server, store, sweep_interval: config.sweep_interval })
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Serves, and sweeps beside it, until SIGTERM, SIGINT or the handle's stop.
    pub async fn run(self) -> io::Result<()> {
        let (stop, stopped) = oneshot::channel();
        let sweeper = telemetry::spawn(sweeper::run(self.store, self.sweep_interval, stopped));
        let outcome = self.server.run().await;
        drop(stop);
        // A sweep that has begun ends, so that its trace does.
        let _ = sweeper.await;
        outcome
    }
}

/// Brings the database's schema up to date, as every start does.
pub async fn migrate(db: &DbConfig) -> Result<(), StoreError> {
    Store::open(db).await.map(drop)
}

/// Fills an empty database with thousands of posts and replies by `authors`, and tells how many; a database that holds
/// anything is left alone. The same authors get the same posts, at the same distance from now.
pub async fn seed(db: &Db, authors: &[Uuid]) -> Result<u64, StoreError> {
    let store = Store::migrated(db.clone()).await?;
    let feed = seed::feed(authors, Utc::now());
    store.seed(&feed.posts, &feed.replies).await
}
