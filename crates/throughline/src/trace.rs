//! `throughline trace ID`: any trace of the console as a tree.

use std::process::ExitCode;

use clap::Args;
use env::Env;

use crate::remote::{Remote, bare_id};

#[derive(Args)]
pub(crate) struct Options {
    /// The id: 32 hexadecimal digits, X-Ray's 1-8-24, or a whole traceparent
    id: String,
    /// Where the console is (CONSOLE_URL) [default: http://127.0.0.1:4380]
    #[arg(long, value_name = "URL")]
    console: Option<String>,
    /// Print the console's answer instead of a tree
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options, env: &Env) -> ExitCode {
    crate::tell("trace", print(options, env))
}

fn print(options: &Options, env: &Env) -> anyhow::Result<String> {
    let console = Remote::new(options.console.as_deref(), env);
    if options.json {
        return console.get(&format!("/api/traces/{}", bare_id(&options.id)?));
    }
    Ok(console::tree::render(&console.trace(&options.id)?))
}
