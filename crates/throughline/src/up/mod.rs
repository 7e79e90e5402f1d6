//! `throughline up`: the whole system on one machine, every role its own process, and its first trace.

pub(crate) mod dotenv;
mod first_trace;
mod plan;
mod ports;
mod postgres;
mod prepare;
mod progress;
mod seed;
mod stop;
mod supervise;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use env::{ConfigError, Env};
use tokio::sync::mpsc;

use self::plan::Plan;
use self::postgres::Postgres;
use self::progress::Progress;
use self::stop::Stop;
use self::supervise::{Death, Supervisor};
use crate::http::Client;
use crate::role::{EXIT_CONFIGURATION, Role};

#[derive(Args)]
pub(crate) struct Options {
    /// Take free ports and a temporary folder, print one line of JSON when ready, and leave nothing behind
    #[arg(long)]
    ephemeral: bool,
    /// Add this to every port, for a second clone beside the first
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "ephemeral")]
    port_offset: u16,
    /// Serve the web apps as they are, without looking whether their sources are newer
    #[arg(long)]
    no_web_build: bool,
    /// Let Postgres write its log, and read it: what no client hears of, as spans of `postgresql` (see docs/pg-log.md)
    #[arg(long)]
    pg_log: bool,
}

pub(crate) fn run(options: &Options, env: Env) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs only memory");
    match runtime.block_on(up(options, env)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::complain(format_args!("throughline up: {error:#}"));
            if error.is::<ConfigError>() { ExitCode::from(EXIT_CONFIGURATION) } else { ExitCode::FAILURE }
        }
    }
}

async fn up(options: &Options, env: Env) -> anyhow::Result<()> {
    let plan = Plan::new(options, env)?;
    let progress = Progress::new();
    let mut stop = Stop::listen(options.ephemeral)?;
    let (deaths, mut died) = mpsc::channel(Role::ALL.len());
    let mut supervisor = Supervisor::new(plan.logs(), deaths)?;
    let mut postgres = None;

    let outcome = tokio::select! {
        result = start(options, &plan, &progress, &mut supervisor, &mut postgres) => match result {
            Err(error) => Err(error),
            Ok(()) => stay(&mut stop, &mut died, &progress, &mut postgres).await,
        },
        () = stop.asked() => Ok(()),
        Some(death) = died.recv() => Err(death.into()),
    };

    progress.clear();
    if outcome.is_ok() {
        progress.line("stopping (a second Ctrl-C kills what is left)");
    }
    let ordered = async {
        supervisor.stop(&progress).await;
        if let Some(postgres) = postgres.take() {
            postgres.stop().await;
        }
    };
    tokio::select! {
        () = ordered => {}
        () = stop.insisted() => progress.line("asked twice: killed at once, and the last spans may be lost"),
    }
    // What still runs is killed here; Postgres recovers from its log at the next start.
    drop(supervisor);
    plan.clean_up();
    outcome
}

/// From nothing to the first trace.
async fn start(
    options: &Options,
    plan: &Plan,
    progress: &Progress,
    supervisor: &mut Supervisor,
    postgres: &mut Option<Postgres>,
) -> anyhow::Result<()> {
    plan.check_ports()?;
    if !options.no_web_build {
        prepare::web_apps(plan, progress).await?;
    }
    // Three of the roles need no database, and start while Postgres does.
    for role in [Role::Console, Role::Gateway, Role::FrontendProxy] {
        supervisor.start(role, &plan.environment(role, None))?;
    }
    let database = postgres.insert(Postgres::start(plan, progress).await?);
    for role in [Role::Users, Role::Activities] {
        supervisor.start(role, &plan.environment(role, Some(database)))?;
    }
    if options.pg_log {
        supervisor.start(Role::PgLog, &plan.environment(Role::PgLog, Some(database)))?;
    }
    let client = Client::new();
    let ((), seeded) = futures::try_join!(
        supervise::ready(plan, &client, progress),
        seed::on_first_start(plan, database, progress),
    )?;

    if options.ephemeral {
        progress.clear();
        announce(&plan.as_json(&supervisor.pids(), database))?;
        return Ok(());
    }
    let trace = first_trace::request(plan, &client, progress).await;
    progress.clear();
    announce(&plan.as_text(seeded.as_ref(), trace))
}

/// Until somebody asks to stop or a role dies. Postgres may come and go: it is started again, since its data is safe.
async fn stay(
    stop: &mut Stop,
    died: &mut mpsc::Receiver<Death>,
    progress: &Progress,
    postgres: &mut Option<Postgres>,
) -> anyhow::Result<()> {
    let postgres = postgres.as_mut().expect("start() left one");
    tokio::select! {
        () = stop.asked() => Ok(()),
        Some(death) = died.recv() => Err(death.into()),
        broken = postgres.keep_running(progress) => Err(broken),
    }
}

/// The one thing that goes to standard output.
fn announce(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}
