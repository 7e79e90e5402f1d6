//! One way to start an HTTP service: guarded, traced, observable, stopped gracefully.

mod guard;
mod json;
mod listen;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server as ActixServer, ServerHandle};
use actix_web::http::KeepAlive;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, web};
use env::{ConfigError, Env};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

pub use guard::{AllowedHosts, read_body};
pub use json::payload_problem;
pub use listen::Listen;

use crate::{Problem, debug};

/// Longer than awc keeps an idle connection (15 s), so that the client is the one who closes it: a request that
/// crosses the server's close on the wire would be lost.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// A check that hangs is a failed check.
const CHECK_DEADLINE: Duration = Duration::from_secs(2);

/// How to listen and what to put up with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: Listen,
    /// Names by which this server may be asked, besides the loopback's.
    pub allowed_hosts: AllowedHosts,
    pub workers: usize,
    /// Bytes of one request body, as sent and as decompressed.
    pub max_body: usize,
    /// From the end of the head to the end of the body.
    pub body_deadline: Duration,
    /// How long requests in flight may take to end once a stop was asked for.
    pub shutdown_deadline: Duration,
    /// Whether bodies with a `Content-Encoding` are let through to the handlers, who then must decode them.
    pub encoded_bodies: bool,
    /// Whether `/debug/error` and `/debug/panic` are there to be asked: everywhere but in production.
    pub debug_routes: bool,
    /// Set on every answer that does not say otherwise.
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
}

/// Which spans requests get.
#[derive(Clone, Debug)]
pub enum Tracing {
    /// A service among services: incoming trace context is believed.
    On,
    /// The door to strangers.
    Edge(telemetry::actix::EdgePolicy),
    /// The console, which must not trace itself into itself.
    Off,
}

/// What `/ready` asks before it says yes.
#[derive(Clone, Default)]
pub struct Ready {
    checks: Vec<(&'static str, Check)>,
}

/// Routes that get no span, each set below a prefix of its own: what comes in masses and tells nothing (static files),
/// and what would tell of itself (the relay of the browser's spans).
#[derive(Clone, Default)]
pub struct Untraced {
    scopes: Vec<(&'static str, Configure)>,
}

type Configure = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;
type Check = Arc<dyn Fn() -> LocalBoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A bound server; nothing is answered before [`Server::run`].
pub struct Server {
    port: u16,
    inner: ActixServer,
}

impl Settings {
    /// Reads `LISTEN`, `ALLOWED_HOSTS`, `HTTP_WORKERS`, `HTTP_BODY_TIMEOUT` and `HTTP_SHUTDOWN_TIMEOUT` (milliseconds), and
    /// `THROUGHLINE_ENV`, of which only `production` matters here.
    pub fn from_env(default_listen: &str, env: &Env) -> Result<Self, ConfigError> {
        let default = Self::new(default_listen.parse().map_err(|e: listen::ListenError| {
            ConfigError::bad("LISTEN", default_listen, &e.to_string(), "127.0.0.1:4567")
        })?);
        let workers = env.parse_or("HTTP_WORKERS", default.workers, "2")?;
        if workers == 0 {
            return Err(ConfigError::bad("HTTP_WORKERS", "0", "must be 1 or more", "2"));
        }
        Ok(Self {
            listen: env.parse_or("LISTEN", default.listen, default_listen)?,
            allowed_hosts: env.parse_or("ALLOWED_HOSTS", default.allowed_hosts, "gateway,.example.org")?,
            workers,
            body_deadline: env.millis_or("HTTP_BODY_TIMEOUT", default.body_deadline)?,
            shutdown_deadline: env.millis_or("HTTP_SHUTDOWN_TIMEOUT", default.shutdown_deadline)?,
            debug_routes: env.get("THROUGHLINE_ENV") != Some("production"),
            ..default
        })
    }

    pub fn new(listen: Listen) -> Self {
        Self {
            listen,
            allowed_hosts: AllowedHosts::default(),
            workers: 2,
            max_body: 64 * 1024,
            body_deadline: Duration::from_secs(10),
            shutdown_deadline: Duration::from_secs(10),
            encoded_bodies: false,
            debug_routes: false,
            response_headers: Vec::new(),
        }
    }
}

impl Ready {
    /// Nothing to ask: ready as soon as it listens.
    pub fn new() -> Self {
        Self::default()
    }

    /// `check` runs on a worker at each `/ready`; its error is shown there, so it must hold no secret.
    #[must_use]
    pub fn check<F, R>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + 'static,
    {
        self.checks.push((name, Arc::new(move || check().boxed_local())));
        self
    }
}

impl Untraced {
    /// Everything below `prefix`, such as `/assets`.
    #[must_use]
    pub fn scope<C>(mut self, prefix: &'static str, configure: C) -> Self
    where
        C: Fn(&mut web::ServiceConfig) + Send + Sync + 'static,
    {
        self.scopes.push((prefix, Arc::new(configure)));
        self
    }
}

impl Server {
    /// Binds. `configure` runs once per worker, so that it may build what cannot cross threads, such as awc clients.
    pub fn bind<C>(settings: &Settings, tracing: Tracing, ready: Ready, configure: C) -> io::Result<Self>
    where
        C: Fn(&mut web::ServiceConfig) + Send + Sync + 'static,
    {
        Self::bind_with_untraced(settings, tracing, ready, Untraced::default(), configure)
    }

    /// The same for a server of which some routes get no span.
    pub fn bind_with_untraced<C>(
        settings: &Settings,
        tracing: Tracing,
        ready: Ready,
        untraced: Untraced,
        configure: C,
    ) -> io::Result<Self>
    where
        C: Fn(&mut web::ServiceConfig) + Send + Sync + 'static,
    {
        Self::serve(settings, tracing, ready, untraced, Arc::new(configure))
    }

    /// Not generic, so that the server and what wraps its routes are compiled here, and not once more for each caller.
    fn serve(
        settings: &Settings,
        tracing: Tracing,
        ready: Ready,
        untraced: Untraced,
        configure: Configure,
    ) -> io::Result<Self> {
        // The console tells of others, not of itself.
        let debug_routes = settings.debug_routes && !matches!(tracing, Tracing::Off);
        let limits = web::Data::new(settings.clone());
        let ready = web::Data::new(ready);
        let app = move |app: &mut web::ServiceConfig| {
            // Probes come every few seconds and say nothing about any user: they are not traced.
            app.app_data(limits.clone())
                .app_data(ready.clone())
                .service(web::resource("/health").wrap(from_fn(guard::guard)).get(health))
                .service(web::resource("/ready").wrap(from_fn(guard::guard)).get(show_ready));
            for (prefix, configure) in &untraced.scopes {
                let routes = web::scope(prefix)
                    .app_data(json::json_config(limits.max_body))
                    .default_service(web::to(no_such_route))
                    .configure(|app| configure(app));
                app.service(routes.wrap(from_fn(guard::guard)));
            }
            // The guard stands inside the trace, so that a refused request shows too.
            let routes = web::scope("")
                .app_data(json::json_config(limits.max_body))
                .app_data(json::query_config())
                .app_data(json::path_config())
                .default_service(web::to(no_such_route))
                .configure(|app| {
                    if debug_routes {
                        debug::register(app);
                    }
                })
                .configure(|app| configure(app))
                .wrap(from_fn(guard::guard));
            match &tracing {
                Tracing::On => app.service(routes.wrap(telemetry::actix::trace())),
                Tracing::Edge(policy) => {
                    app.service(routes.wrap(telemetry::actix::trace_edge(policy.clone())))
                }
                Tracing::Off => app.service(routes),
            };
        };
        let listen = &settings.listen;
        let server = HttpServer::new(move || App::new().configure(app.clone()))
            .workers(settings.workers)
            .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
            .shutdown_timeout(settings.shutdown_deadline.as_secs().max(1))
            .disable_signals()
            .bind(listen.address())
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}")))?;
        let port = server.addrs().first().map_or(0, std::net::SocketAddr::port);
        Ok(Self { port, inner: server.run() })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server from elsewhere: `handle.stop(true)`.
    pub fn handle(&self) -> ServerHandle {
        self.inner.handle()
    }

    /// Serves until SIGTERM, SIGINT or the handle's stop; requests in flight are answered first.
    pub async fn run(mut self) -> io::Result<()> {
        let handle = self.inner.handle();
        // actix stops at once on SIGINT; we want Ctrl-C to lose nothing either.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            result = &mut self.inner => result,
            _ = terminate.recv() => graceful(handle, self.inner).await,
            _ = interrupt.recv() => graceful(handle, self.inner).await,
        }
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|(name, _)| name)).finish()
    }
}

async fn graceful(handle: ServerHandle, server: ActixServer) -> io::Result<()> {
    let ((), result) = futures::join!(handle.stop(true), server);
    result
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// 200 or 503, each check by name, and the counters of this process's telemetry.
async fn show_ready(ready: web::Data<Ready>) -> HttpResponse {
    let results = futures::future::join_all(ready.checks.iter().map(async |(name, check)| {
        let result = match tokio::time::timeout(CHECK_DEADLINE, check()).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {} s", CHECK_DEADLINE.as_secs())),
        };
        (*name, result)
    }))
    .await;
    let ok = results.iter().all(|(_, result)| result.is_ok());
    let checks: serde_json::Map<_, _> = results
        .into_iter()
        .map(|(name, result)| (name.to_owned(), result.err().unwrap_or_else(|| "ok".to_owned()).into()))
        .collect();
    let mut response = if ok { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(json!({
        "status": if ok { "ready" } else { "not ready" },
        "checks": checks,
        "telemetry": telemetry::delivery_report(),
    }))
}

async fn no_such_route() -> Problem {
    Problem::not_found("there is nothing at this path")
}
