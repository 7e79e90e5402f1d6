#![doc = include_str!("../README.md")]

mod carry;
mod doctor;
mod estimate;
mod health;
mod http;
mod lists;
mod load;
mod mcp;
mod migrate;
mod pg_log;
mod queries;
mod remote;
mod role;
mod table;
mod trace;
mod up;
mod xray;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use env::Env;

use crate::role::Role;

/// One request, one trace: from the click in the browser to the plan node in Postgres.
#[derive(Parser)]
#[command(version = env!("THROUGHLINE_VERSION"), about, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: up::Options,
}

#[derive(Subcommand)]
enum Command {
    /// Prepare and start everything on this machine, and show the first trace (the default)
    Up(up::Options),
    /// The API of the app: authenticates, fans out, composes
    Gateway(role::Options),
    /// The service of posts, replies, feeds, search and notifications
    Activities(role::Options),
    /// The service of accounts, profiles and sessions
    Users(role::Options),
    /// The one door: the web app, the way to the gateway, the relay of browser telemetry
    FrontendProxy(role::Options),
    /// Receives, keeps and shows traces
    Console(role::ConsoleOptions),
    /// Read a Postgres server's own log, and send what it tells as spans: cancelled statements, locks, foreign clients
    PgLog(pg_log::Options),
    /// Make the databases ready, on any Postgres: roles, databases, migrations, and people and posts to look at
    Migrate(migrate::Options),
    /// Ask the role beside this process whether it is well, for containers
    Health(health::Options),
    /// Print a trace as a tree
    Trace(trace::Options),
    /// List the newest traces
    Traces(lists::TracesOptions),
    /// List errors, those seen last first
    Errors(lists::ErrorsOptions),
    /// Print log lines, the newest last
    Logs(lists::LogsOptions),
    /// Write a trace as OTLP's JSON
    Export(carry::ExportOptions),
    /// Send OTLP's JSON to the console
    Import(carry::ImportOptions),
    /// Answer an assistant's questions about traces, errors and logs (Model Context Protocol)
    Mcp(mcp::Options),
    /// Send requests as a crowd does, at a rate of its own, and say what it waited
    Load(load::Options),
    /// Saved queries: run them here, or create them in Honeycomb
    Queries(queries::Options),
    /// What a rate of requests comes to in a month: traces, spans, gigabytes of logs
    Estimate(estimate::Options),
    /// Say which link is broken: every destination that is configured, or the hops of one trace
    Doctor(doctor::Options),
    /// X-Ray's groups and sampling rules, from a file
    Xray(xray::Options),
}

/// One line to people, on standard error; a closed one is nobody's problem.
pub(crate) fn complain(line: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// What a command has to say, or why it has nothing.
pub(crate) fn tell(command: &str, outcome: anyhow::Result<String>) -> ExitCode {
    use std::io::Write as _;
    match outcome {
        Ok(text) => {
            // A closed pipe (`| head`) is no error worth a word.
            let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(format_args!("throughline {command}: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let env = Env::from_process();
    match cli.command.unwrap_or(Command::Up(cli.up)) {
        Command::Up(options) => up::run(&options, env),
        Command::Gateway(options) => role::run(Role::Gateway, &options.apply(env)),
        Command::Activities(options) => role::run(Role::Activities, &options.apply(env)),
        Command::Users(options) => role::run(Role::Users, &options.apply(env)),
        Command::FrontendProxy(options) => role::run(Role::FrontendProxy, &options.apply(env)),
        Command::Console(options) => role::run(Role::Console, &options.apply(env)),
        Command::PgLog(options) => role::run(Role::PgLog, &options.apply(env)),
        Command::Migrate(options) => migrate::run(&options, &env),
        Command::Health(options) => health::run(&options, &env),
        Command::Trace(options) => trace::run(&options, &env),
        Command::Traces(options) => tell("traces", lists::traces(&options, &env)),
        Command::Errors(options) => tell("errors", lists::errors(&options, &env)),
        Command::Logs(options) => tell("logs", lists::logs(&options, &env)),
        Command::Export(options) => tell("export", carry::export(&options, &env)),
        Command::Import(options) => tell("import", carry::import(&options, &env)),
        Command::Mcp(options) => mcp::run(&options, &env),
        Command::Load(options) => load::run(&options),
        Command::Queries(options) => queries::run(&options, &env),
        Command::Estimate(options) => estimate::run(&options),
        Command::Doctor(options) => doctor::run(&options, env),
        Command::Xray(options) => xray::run(&options, &env),
    }
}
