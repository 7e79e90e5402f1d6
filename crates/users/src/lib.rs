#![doc = include_str!("../README.md")]

mod config;
mod email;
mod error;
mod handle;
mod password;
mod passwords;
mod routes;
mod seed;
mod store;
mod tokens;
mod user;

use std::io;

use actix_web::dev::ServerHandle;
use actix_web::web;
use service::identity::Keys;
use service::server::{Ready, Server, Tracing, Untraced};
use telemetry::postgres::DbConfig;

pub use config::Config;
pub use handle::Handle;
pub use seed::{DemoAccount, SeedError, Seeded, seed};
pub use store::StoreError;
pub use tokens::KeyError;
pub use user::User;

use passwords::Passwords;
use store::Store;
use tokens::Tokens;

/// The service, bound and ready to run.
pub struct Application {
    server: Server,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    SigningKey(#[from] KeyError),
    #[error(transparent)]
    Listen(#[from] io::Error),
}

impl Application {
    pub async fn build(config: Config) -> Result<Self, BuildError> {
        let store = Store::connect(&config.db).await?;
        let tokens = web::Data::new(Tokens::load(&store, config.token_lifetime).await?);
        let passwords = web::Data::new(Passwords::new());
        let keys = Keys::local(tokens.jwks());
        let probe = store.clone();
        let ready = Ready::new().check("database", move || {
            let store = probe.clone();
            async move { store.ping().await.map_err(|error| error.to_string()) }
        });
        let published = tokens.clone();
        let untraced =
            Untraced::default().scope("/.well-known", move |app| routes::well_known(app, published.clone()));
        let server = Server::bind_with_untraced(&config.server, Tracing::On, ready, untraced, move |app| {
            app.app_data(web::Data::new(store.clone()))
                .app_data(tokens.clone())
                .app_data(passwords.clone())
                .app_data(keys.clone())
                .configure(routes::all);
        })?;
        Ok(Self { server })
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Serves until SIGTERM or SIGINT.
    pub async fn run(self) -> io::Result<()> {
        self.server.run().await
    }
}

/// Brings the database's schema up to date, as every start does.
pub async fn migrate(db: &DbConfig) -> Result<(), StoreError> {
    Store::connect(db).await.map(drop)
}
