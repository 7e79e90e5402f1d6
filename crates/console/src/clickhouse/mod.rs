//! A console that only reads: Collectors write to ClickHouse, `throughline console --store clickhouse://..` shows it. It
//! receives nothing and keeps nothing, so nothing that is sent to it can be lost or looked for in the wrong place.

mod api;
mod config;
mod logs;
mod store;
mod traces;

use std::io;
use std::path::PathBuf;

use actix_web::dev::ServerHandle;
use service::server::{Ready, Server, Tracing};

pub use config::{Address, Config};

use crate::BuildError;
use crate::api::Access;
use store::Store;

/// A bound console. Whether ClickHouse answers is what `/ready` says.
pub struct Application {
    server: Server,
}

/// What the handlers share.
#[derive(Clone)]
struct Reader {
    store: Store,
    ui_dir: PathBuf,
    queries_dir: PathBuf,
}

impl Application {
    // The other roles wait for a database here; all have one shape.
    #[allow(clippy::unused_async)]
    pub async fn build(config: Config) -> Result<Self, BuildError> {
        let Config { console, store } = config;
        let store = Store::new(&store);
        let access = Access::new(console.token.clone());
        let ready = Ready::new().check("clickhouse", {
            let store = store.clone();
            move || {
                let store = store.clone();
                async move { store.ping().await.map_err(|error| error.to_string()) }
            }
        });
        let reader =
            Reader { store, ui_dir: console.ui_dir.clone(), queries_dir: console.queries_dir.clone() };
        let server = Server::bind(&console.server, Tracing::Off, ready, move |app| {
            api::routes(app, reader.clone(), access.clone());
        })
        .map_err(|error| BuildError::Bind {
            variable: "LISTEN",
            listen: console.server.listen.clone(),
            error,
        })?;
        Ok(Self { server })
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Stops it from elsewhere: `handle.stop(true)`.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Serves until SIGTERM, SIGINT or the handle's stop.
    pub async fn run(self) -> io::Result<()> {
        self.server.run().await
    }
}
