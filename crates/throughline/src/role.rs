//! One role in the foreground: the environment is read, telemetry starts, the application is built and runs.

use std::io;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use console::clickhouse;
use env::{ConfigError, Env};
use futures::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::pg_log;

/// How long the last spans of a process may take to leave it. `up` waits longer before it kills.
const FLUSH_DEADLINE: Duration = Duration::from_secs(5);
/// `EX_USAGE` of sysexits.h: the configuration is wrong, and starting again won't help.
pub(crate) const EXIT_CONFIGURATION: u8 = 64;
/// Set by `up` for the roles that it starts: they end when their standard input closes, so none outlives it.
pub(crate) const SUPERVISED: &str = "THROUGHLINE_SUPERVISED";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    FrontendProxy,
    Gateway,
    Activities,
    Users,
    Console,
    /// Beside the others, only if somebody wants it; it listens nowhere.
    PgLog,
}

#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen; the same as LISTEN in the environment
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

#[derive(Args)]
pub(crate) struct ConsoleOptions {
    #[command(flatten)]
    common: Options,
    /// Where to receive OTLP over HTTP (CONSOLE_OTLP_HTTP)
    #[arg(long, value_name = "HOST:PORT")]
    otlp_http: Option<String>,
    /// Where to receive OTLP over gRPC (CONSOLE_OTLP_GRPC)
    #[arg(long, value_name = "HOST:PORT")]
    otlp_grpc: Option<String>,
    /// Where to receive what goes to an X-Ray daemon, by UDP and TCP (CONSOLE_XRAY_DAEMON)
    #[arg(long, value_name = "HOST:PORT")]
    xray_daemon: Option<String>,
    /// Another X-Ray daemon, to which spans that come by OTLP are sent on as segments (CONSOLE_XRAY_FORWARD)
    #[arg(long, value_name = "HOST:PORT")]
    xray_forward: Option<String>,
    /// Send on what comes: `aws` makes this console the X-Ray daemon of that account, an address gets the spans as OTLP
    /// over HTTP, with the headers in CONSOLE_FORWARD_HEADERS (CONSOLE_FORWARD)
    #[arg(long, value_name = "aws|URL", num_args = 0..=1, default_missing_value = "aws")]
    forward: Vec<String>,
    /// Where to keep what is received (CONSOLE_DATA_DIR)
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Read a Collector's table in ClickHouse, and receive nothing: clickhouse://[USER:PASSWORD@]HOST[:PORT]/DATABASE
    /// [?table=otel_traces&logs=otel_logs&secure=true] (CONSOLE_STORE)
    #[arg(long, value_name = "ADDRESS")]
    store: Option<String>,
}

/// Runs `role` until SIGTERM, SIGINT or, when supervised, the end of standard input.
pub(crate) fn run(role: Role, env: &Env) -> ExitCode {
    match actix_web::rt::System::new().block_on(serve(role, env)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = if error.is::<ConfigError>() { EXIT_CONFIGURATION } else { 1 };
            crate::complain(format_args!("throughline {}: {error:#}", role.name()));
            ExitCode::from(code)
        }
    }
}

impl Role {
    /// Those that every system has, in the order of a request's way.
    pub(crate) const ALL: [Self; 5] =
        [Self::FrontendProxy, Self::Gateway, Self::Activities, Self::Users, Self::Console];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::FrontendProxy => "frontend-proxy",
            Self::Gateway => "gateway",
            Self::Activities => "activities",
            Self::Users => "users",
            Self::Console => "console",
            Self::PgLog => "pg-log",
        }
    }

    /// Whose spans it sends: those of the log are the server's.
    const fn service_name(self) -> &'static str {
        match self {
            Self::PgLog => "postgresql",
            _ => self.name(),
        }
    }
}

impl Options {
    pub(crate) fn apply(self, env: Env) -> Env {
        with(env, "LISTEN", self.listen)
    }
}

impl ConsoleOptions {
    pub(crate) fn apply(self, env: Env) -> Env {
        let env = self.common.apply(env);
        let env = with(env, "CONSOLE_OTLP_HTTP", self.otlp_http);
        let env = with(env, "CONSOLE_OTLP_GRPC", self.otlp_grpc);
        let env = with(env, "CONSOLE_XRAY_DAEMON", self.xray_daemon);
        let env = with(env, "CONSOLE_XRAY_FORWARD", self.xray_forward);
        let forward = (!self.forward.is_empty()).then(|| self.forward.join(","));
        let env = with(env, "CONSOLE_FORWARD", forward);
        let env = with(env, "CONSOLE_STORE", self.store);
        with(env, "CONSOLE_DATA_DIR", self.data_dir)
    }
}

/// A flag wins over its twin in the environment.
fn with(env: Env, name: &str, value: Option<String>) -> Env {
    match value {
        Some(value) => env.with(name, value),
        None => env,
    }
}

async fn serve(role: Role, env: &Env) -> anyhow::Result<()> {
    let mut config = telemetry::Config::from_env(role.service_name(), &exporting(role, env))?;
    env!("THROUGHLINE_VERSION").clone_into(&mut config.service_version); // see build.rs
    let guard = telemetry::init(config)?;
    // A panic has to pass by here too, or the spans that explain it are lost.
    let outcome = AssertUnwindSafe(application(role, env)).catch_unwind().await;
    match &outcome {
        Ok(Ok(())) => tracing::info!("stopped"),
        Ok(Err(error)) => tracing::error!(error = format!("{error:#}"), "stopped by an error"),
        Err(_) => tracing::error!("stopped by a panic"),
    }
    // Flushing blocks: off the thread that drives the sockets.
    let flushed = tokio::task::spawn_blocking(move || guard.shutdown(FLUSH_DEADLINE)).await;
    if !flushed.is_ok_and(|report| report.complete) {
        tracing::warn!("not everything left within {} s", FLUSH_DEADLINE.as_secs());
    }
    tell_delivery(&telemetry::delivery_report());
    outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("a panic, see the log")))
}

/// The last line of a process about each destination; the same counters as in `/ready`.
fn tell_delivery(report: &serde_json::Value) {
    let destinations =
        [&report["destinations"], &report["logs"]["destinations"], &report["rollbar"]["destinations"]];
    for counters in destinations.into_iter().filter_map(|it| it.as_array()).flatten() {
        tracing::info!(
            destination = counters["destination"].as_str(),
            offered = counters["offered"].as_u64(),
            delivered = counters["delivered"].as_u64(),
            refused = %counters["refused"],
            dropped = %counters["dropped"],
            "telemetry"
        );
    }
}

/// The console makes log lines only, and keeps them to itself: it would store a trace of storing a trace.
fn exporting(role: Role, env: &Env) -> Env {
    match role {
        // An empty variable is one that is not set.
        Role::Console => env
            .clone()
            .with("OTEL_TRACES_EXPORTER", "none")
            .with("CLOUDWATCH_LOG_GROUP", "")
            .with("ROLLBAR_ACCESS_TOKEN", ""),
        _ => env.clone(),
    }
}

async fn application(role: Role, env: &Env) -> anyhow::Result<()> {
    // The five crates have the same face and no common trait: nothing else in the workspace would use one.
    macro_rules! host {
        ($role:ident) => {{
            let config = $role::Config::from_env(env)?;
            let mut orphaned = orphaned(env);
            let application = tokio::select! {
                built = $role::Application::build(config) => built?,
                () = &mut orphaned => return Ok(()),
            };
            tracing::info!(port = application.port(), "listening");
            let handle = application.handle();
            let run = application.run();
            tokio::pin!(run);
            tokio::select! {
                ended = &mut run => ended?,
                () = orphaned => {
                    // Requests in flight are answered first.
                    let (ended, ()) = futures::join!(run, handle.stop(true));
                    ended?;
                }
            }
            Ok(())
        }};
    }
    match role {
        Role::FrontendProxy => host!(frontend_proxy),
        Role::Gateway => host!(gateway),
        Role::Activities => host!(activities),
        Role::Users => host!(users),
        Role::Console if clickhouse::Config::is_asked(env) => host!(clickhouse),
        Role::Console => host!(console),
        Role::PgLog => read_log(env).await,
    }
}

/// The reader works with files, on a thread of its own; dropping the sender stops it.
async fn read_log(env: &Env) -> anyhow::Result<()> {
    let config = pg_log::Config::from_env(env)?;
    let (stop, stopped) = std::sync::mpsc::channel();
    let mut reader = tokio::task::spawn_blocking(move || pg_log::run(&config, &stopped));
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        ended = &mut reader => return ended?,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = orphaned(env) => {}
    }
    drop(stop);
    reader.await?
}

/// Ready when `up` is gone: its end of our standard input closes, even when it was killed. Never, without `up`.
fn orphaned(env: &Env) -> futures::future::BoxFuture<'static, ()> {
    if env.get(SUPERVISED).is_none() {
        return futures::future::pending().boxed();
    }
    let (gone, wait) = oneshot::channel::<()>();
    // A plain thread: a read of standard input can't be cancelled, and would hold up a runtime's end.
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = gone.send(());
    });
    wait.map(|_| ()).boxed()
}
