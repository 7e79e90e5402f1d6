#![doc = include_str!("../README.md")]

mod compose;
mod config;
mod error;
mod input;
mod routes;
mod session;
mod upstream;

use std::io;
use std::rc::Rc;

use actix_web::dev::ServerHandle;
use actix_web::web::{Data, ServiceConfig};
use service::identity::Keys;
use service::server::{Ready, Server, Tracing};

pub use config::Config;

use session::Cookies;
use upstream::Neighbours;

/// The gateway, bound to its port.
pub struct Application {
    server: Server,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Bind(#[from] io::Error),
}

impl Application {
    /// Asks nobody: the services behind it may start later.
    #[allow(clippy::unused_async, reason = "all roles are built alike")]
    pub async fn build(config: Config) -> Result<Self, BuildError> {
        let keys = Keys::remote(config.users_url.as_str()).accept_cookie();
        let server = config.server.clone();
        let routes = move |app: &mut ServiceConfig| {
            // Once per worker, as the clients cannot cross threads.
            app.app_data(Rc::new(Neighbours::new(&config)))
                .app_data(keys.clone())
                .app_data(Data::new(Cookies { secure: config.secure_cookie }));
            routes::register(app, config.server.debug_routes);
        };
        Ok(Self { server: Server::bind(&server, Tracing::On, Ready::new(), routes)? })
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Serves until SIGTERM, SIGINT or the handle's stop.
    pub async fn run(self) -> io::Result<()> {
        self.server.run().await
    }
}
