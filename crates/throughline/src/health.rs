//! `throughline health`: asks the role beside it, for containers without a shell or curl.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use env::Env;
use service::server::Listen;

use crate::http::Client;

#[derive(Args)]
pub(crate) struct Options {
    /// Ask whether it is ready, with all that it needs, and not only whether it is alive
    #[arg(long)]
    ready: bool,
    /// Where the role listens; the same as LISTEN in the environment
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

/// Success when the role answers 200.
pub(crate) fn run(options: &Options, env: &Env) -> ExitCode {
    match ask(options, env) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::complain(format_args!("throughline health: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn ask(options: &Options, env: &Env) -> anyhow::Result<()> {
    let listen = options.listen.as_deref().or(env.get("LISTEN")).context("LISTEN is not set")?;
    let listen: Listen = listen.parse().map_err(|error| anyhow::anyhow!("LISTEN: {listen:?} {error}"))?;
    let path = if options.ready { "ready" } else { "health" };
    // A role that listens on every address answers on this machine's own.
    let answer = Client::new().get(&format!("http://127.0.0.1:{}/{path}", listen.port()))?;
    anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.body.trim());
    Ok(())
}
