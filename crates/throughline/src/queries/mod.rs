//! `throughline queries`: the saved queries of the console, run here or sent to Honeycomb.

mod honeycomb;
mod push;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use env::Env;

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Name the saved queries
    List(Folder),
    /// Run one over the spans of the console
    Run(run::Options),
    /// Create them in Honeycomb, with a board that shows all; what is there already is left as it is
    Push(push::Options),
}

#[derive(Args)]
struct Folder {
    /// Where the saved queries are (CONSOLE_QUERIES_DIR) [default: crates/console/queries]
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, env: &Env) -> ExitCode {
    let (name, result) = match &options.command {
        Command::List(folder) => ("list", run::list(&folder.path(env))),
        Command::Run(options) => ("run", run::run(options, env)),
        Command::Push(options) => ("push", push::run(options, env)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::complain(format_args!("throughline queries {name}: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

impl Folder {
    fn path(&self, env: &Env) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| console::config::queries_dir(env))
    }
}
