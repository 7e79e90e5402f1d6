#![doc = include_str!("../README.md")]

mod api;
pub mod clickhouse;
pub mod config;
mod export;
pub mod forward;
mod ingest;
pub mod queries;
mod query;
mod stats;
mod store;
pub mod tree;
pub mod wire;

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use service::server::{Listen, Ready, Server, Settings, Tracing};
use vendor_apis::xray::{Counters, Daemon, Forwarder};
use vendor_apis::{cloudwatch, rollbar};

pub use config::Config;

use crate::api::{Access, Addresses, Api, Asked, Vendors};
use crate::forward::Forward;
use crate::ingest::Ingest;
use crate::ingest::budget::Budget;
use crate::ingest::grpc::GrpcServer;
use crate::query::Columns;
use crate::stats::Stats;
use crate::store::{Documents, Store};

/// How often a free port is looked for that UDP and TCP both have free.
const FREE_PORT_TRIES: usize = 20;

/// A bound console with its store open.
pub struct Application {
    server: Server,
    otlp_http: actix_web::dev::Server,
    otlp_grpc: GrpcServer,
    xray: Daemon,
    xray_tcp: Server,
    forward: Forward,
    ports: Ports,
}

/// The ports in use; they differ from the configured ones where those were 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// UI and API.
    pub web: u16,
    pub otlp_http: u16,
    pub otlp_grpc: u16,
    /// UDP and TCP.
    pub xray_daemon: u16,
}

/// Why a console does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    // Told here, so it is no source, which would be told once more.
    #[error("{variable}={listen}: {error}")]
    Bind { variable: &'static str, listen: Listen, error: io::Error },
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

        let stats = Arc::new(Stats::default());
        let store = Store::open(&config.data_dir, config.max_bytes, stats.clone())
            .map_err(|error| BuildError::Store(error.to_string()))?;
        let columns = Columns::follow(&store.path, store.changes.clone(), config.columns_max_bytes)
            .map_err(|error| BuildError::Store(error.to_string()))?;
        let documents = Arc::new(Documents { writer: store.writer.clone(), reader: store.reader.clone() });
        let counters = Arc::new(Counters::default());
        let forward = config.xray_forward.as_ref().map(|to| {
            Forwarder::start(to.host(), to.port(), counters.clone())
                .expect("a process that just started can start a thread")
        });
        let onward = Forward::start(&config.forward)
            .map_err(|error| BuildError::Store(format!("no thread to send on from: {error}")))?;
        let ingest = Ingest {
            onward: onward.clone(),
            writer: store.writer.clone(),
            budget: Budget::new(),
            stats: stats.clone(),
            forward,
            allowed_hosts: config.server.allowed_hosts.clone(),
            body_deadline: config.server.body_deadline,
        };
        let xray_api =
            vendor_apis::xray::Api::new(documents.clone(), counters.clone()).with_upstream(onward.xray());
        let access = Access::new(config.token.clone());
        let (udp, xray_tcp) = daemon_sockets(&config, &access, &xray_api)?;
        let addresses = Addresses {
            otlp_http: with_port(&config.otlp_http, port(&otlp_http)),
            otlp_grpc: with_port(&config.otlp_grpc, port(&otlp_grpc)),
            xray_daemon: with_port(&config.xray_daemon, xray_tcp.port()),
        };
        let ports = Ports {
            web: 0,
            otlp_http: port(&otlp_http),
            otlp_grpc: port(&otlp_grpc),
            xray_daemon: xray_tcp.port(),
        };
        let vendors = Vendors {
            xray: xray_api,
            rollbar: rollbar::Api::new(Arc::new(store.errors.clone()), store.errors.counters.clone()),
            cloudwatch: cloudwatch::Api::new(Arc::new(store.logs.clone()), store.logs.counters.clone()),
        };
        let api =
            Api::new(store, Asked::new(columns), stats, counters.clone(), onward.clone(), &config, addresses);

        let in_bind = |variable, listen: &Listen| {
            let listen = listen.clone();
            move |error| BuildError::Bind { variable, listen, error }
        };
        let ready = Ready::new().check("store", {
            let reader = api.reader();
            move || {
                let reader = reader.clone();
                async move { reader.ping().await.map_err(|error| error.to_string()) }
            }
        });
        let server = Server::bind(&config.server, Tracing::Off, ready, {
            move |app| api::routes(app, api.clone(), access.clone(), &vendors)
        })
        .map_err(in_bind("LISTEN", &config.server.listen))?;
        let xray = Daemon::start(udp, documents, counters, onward.xray())
            .map_err(in_bind("CONSOLE_XRAY_DAEMON", &config.xray_daemon))?;
        let otlp_http = ingest::http::serve(otlp_http, ingest.clone())
            .map_err(in_bind("CONSOLE_OTLP_HTTP", &config.otlp_http))?;
        let otlp_grpc = ingest::grpc::serve(otlp_grpc, ingest)
            .map_err(in_bind("CONSOLE_OTLP_GRPC", &config.otlp_grpc))?;
        let ports = Ports { web: server.port(), ..ports };
        Ok(Self { server, otlp_http, otlp_grpc, xray, xray_tcp, forward: onward, ports })
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
        let Self { server, otlp_http, otlp_grpc, xray, xray_tcp, forward, ports } = self;
        tracing::info!(
            web = ports.web,
            otlp_http = ports.otlp_http,
            otlp_grpc = ports.otlp_grpc,
            xray_daemon = ports.xray_daemon,
            "console listens"
        );
        let (otlp_handle, xray_handle) = (otlp_http.handle(), xray_tcp.handle());
        let web = async {
            let result = server.run().await;
            futures::join!(otlp_handle.stop(true), xray_handle.stop(true));
            result
        };
        let (web, otlp, xray_tcp) = futures::join!(web, otlp_http, xray_tcp.run());
        xray.stop().await;
        let _ = tokio::task::spawn_blocking(move || {
            otlp_grpc.stop();
            forward.shutdown();
        })
        .await;
        web.and(otlp).and(xray_tcp)
    }
}

fn bind(variable: &'static str, listen: &Listen) -> Result<TcpListener, BuildError> {
    let listener = TcpListener::bind((listen.host(), listen.port())).map_err(|error| BuildError::Bind {
        variable,
        listen: listen.clone(),
        error,
    })?;
    Ok(listener)
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("a bound listener has an address").port()
}

/// The daemon's two sockets, on one port. A free one is taken by TCP and then asked for by UDP, and given back when
/// UDP can't have it: held all the while, so that nobody takes it in between.
fn daemon_sockets(
    config: &Config,
    access: &Access,
    xray_api: &vendor_apis::xray::Api,
) -> Result<(UdpSocket, Server), BuildError> {
    let listen = &config.xray_daemon;
    let in_bind = |error| BuildError::Bind { variable: "CONSOLE_XRAY_DAEMON", listen: listen.clone(), error };
    let settings = Settings { listen: listen.clone(), ..config.server.clone() };
    let mut tries = FREE_PORT_TRIES;
    loop {
        let (access, xray_api) = (access.clone(), xray_api.clone());
        let tcp = Server::bind(&settings, Tracing::Off, Ready::new(), move |app| {
            api::daemon_routes(app, access.clone(), &xray_api);
        })
        .map_err(in_bind)?;
        tries -= 1;
        match UdpSocket::bind((listen.host(), tcp.port())) {
            Ok(udp) => return Ok((udp, tcp)),
            Err(_) if listen.port() == 0 && tries > 0 => {}
            Err(error) => return Err(in_bind(error)),
        }
    }
}

fn with_port(listen: &Listen, port: u16) -> String {
    match listen.host() {
        host if host.contains(':') => format!("[{host}]:{port}"),
        host => format!("{host}:{port}"),
    }
}
