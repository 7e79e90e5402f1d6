#![doc = include_str!("../README.md")]

mod api;
pub mod config;
mod ingest;
mod stats;
mod store;
pub mod tree;
pub mod wire;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use service::server::{Listen, Ready, Server, Tracing};

pub use config::Config;

use crate::api::{Access, Api};
use crate::ingest::Ingest;
use crate::ingest::budget::Budget;
use crate::ingest::grpc::GrpcServer;
use crate::stats::Stats;
use crate::store::Store;

/// A bound console with its store open.
pub struct Application {
    server: Server,
    otlp_http: actix_web::dev::Server,
    otlp_grpc: GrpcServer,
    ports: Ports,
}

/// The ports in use; they differ from the configured ones where those were 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// UI and API.
    pub web: u16,
    pub otlp_http: u16,
    pub otlp_grpc: u16,
}

/// Why a console does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{variable}={listen}: {source}")]
    Bind { variable: &'static str, listen: Listen, source: io::Error },
    #[error("CONSOLE_DATA_DIR: {0}")]
    Store(String),
}

impl Application {
    /// Binds every port and opens the store, so that whatever is wrong is said before anything is received.
    // The other roles wait for a database here; all have one shape.
    #[allow(clippy::unused_async)]
    pub async fn build(config: Config) -> Result<Self, BuildError> {
        let otlp_http = bind("CONSOLE_OTLP_HTTP", &config.otlp_http)?;
        let otlp_grpc = bind("CONSOLE_OTLP_GRPC", &config.otlp_grpc)?;
        let (http_port, grpc_port) = (port(&otlp_http), port(&otlp_grpc));

        let stats = Arc::new(Stats::default());
        let store = Store::open(&config.data_dir, config.max_bytes, stats.clone())
            .map_err(|error| BuildError::Store(error.to_string()))?;
        let ingest = Ingest {
            writer: store.writer.clone(),
            budget: Budget::new(),
            stats: stats.clone(),
            allowed_hosts: config.server.allowed_hosts.clone(),
            body_deadline: config.server.body_deadline,
        };
        let api = Api::new(store, stats, &config, http_port, grpc_port);
        let access = Access::new(config.token.clone());

        let in_bind = |variable, listen: &Listen| {
            let listen = listen.clone();
            move |source| BuildError::Bind { variable, listen, source }
        };
        let ready = Ready::new().check("store", {
            let reader = api.reader();
            move || {
                let reader = reader.clone();
                async move { reader.ping().await.map_err(|error| error.to_string()) }
            }
        });
        let server = Server::bind(&config.server, Tracing::Off, ready, move |app| {
            api::routes(app, api.clone(), access.clone());
        })
        .map_err(in_bind("LISTEN", &config.server.listen))?;
        let otlp_http = ingest::http::serve(otlp_http, ingest.clone())
            .map_err(in_bind("CONSOLE_OTLP_HTTP", &config.otlp_http))?;
        let otlp_grpc = ingest::grpc::serve(otlp_grpc, ingest)
            .map_err(in_bind("CONSOLE_OTLP_GRPC", &config.otlp_grpc))?;
        let ports = Ports { web: server.port(), otlp_http: http_port, otlp_grpc: grpc_port };
        Ok(Self { server, otlp_http, otlp_grpc, ports })
    }

    /// Of the UI and API.
    pub fn port(&self) -> u16 {
        self.ports.web
    }

    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Stops all of it from elsewhere: `handle.stop(true)`.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Serves until SIGTERM, SIGINT or the handle's stop; then the receivers answer what is in flight.
    pub async fn run(self) -> io::Result<()> {
        let Self { server, otlp_http, otlp_grpc, ports } = self;
        tracing::info!(
            web = ports.web,
            otlp_http = ports.otlp_http,
            otlp_grpc = ports.otlp_grpc,
            "console listens"
        );
        let otlp_handle = otlp_http.handle();
        let web = async {
            let result = server.run().await;
            otlp_handle.stop(true).await;
            result
        };
        let (web, otlp) = futures::join!(web, otlp_http);
        let _ = tokio::task::spawn_blocking(|| otlp_grpc.stop()).await;
        web.and(otlp)
    }
}

fn bind(variable: &'static str, listen: &Listen) -> Result<TcpListener, BuildError> {
    let listener = TcpListener::bind((listen.host(), listen.port())).map_err(|source| BuildError::Bind {
        variable,
        listen: listen.clone(),
        source,
    })?;
    Ok(listener)
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("a bound listener has an address").port()
}
