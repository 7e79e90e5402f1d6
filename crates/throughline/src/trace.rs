//! `throughline trace ID`: any trace of the console as a tree.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use console::wire::Trace;
use env::{Env, Secret};

use crate::http::Client;

const DEFAULT_CONSOLE: &str = "http://127.0.0.1:4380";

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
    match print(options, env) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::complain(format_args!("throughline trace: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn print(options: &Options, env: &Env) -> anyhow::Result<()> {
    let console = options.console.as_deref().or(env.get("CONSOLE_URL")).unwrap_or(DEFAULT_CONSOLE);
    let body = ask(console, env.secret("CONSOLE_TOKEN"), &options.id)?;
    let text = if options.json { body } else { console::tree::render(&serde_json::from_str(&body)?) };
    // A closed pipe (`| head`) is no error worth a word.
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
    Ok(())
}

/// A trace of the console, whose id is spelled in any way.
pub(crate) fn fetch(console: &str, token: Option<Secret>, id: &str) -> anyhow::Result<Trace> {
    Ok(serde_json::from_str(&ask(console, token, id)?)?)
}

fn ask(console: &str, token: Option<Secret>, id: &str) -> anyhow::Result<String> {
    let url = format!("{}/api/traces/{}", console.trim_end_matches('/'), bare_id(id)?);
    let answer = Client::new()
        .with_token(token)
        .get(&url)
        .context("the console does not answer; is `throughline up` running?")?;
    anyhow::ensure!(answer.status != 404, "the console at {console} has no trace {id}");
    anyhow::ensure!(answer.status != 401, "the console at {console} asks for its token: set CONSOLE_TOKEN");
    anyhow::ensure!(answer.status == 200, "the console answered {} to {url}: {}", answer.status, answer.body);
    Ok(answer.body)
}

/// The console takes both spellings of an id; out of a `traceparent` or `traceresponse` the id is taken here.
fn bare_id(text: &str) -> anyhow::Result<&str> {
    let id = match text.split('-').collect::<Vec<_>>()[..] {
        [_, id, _, _] if id.len() == 32 => id,
        _ => text,
    };
    anyhow::ensure!(
        (32..=35).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'),
        "{text:?} is no trace id; for example 6a1f0c3e9b2d4c5f8a7e6d5c4b3a2f1e or 1-6a1f0c3e-9b2d4c5f8a7e6d5c4b3a2f1e"
    );
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_any_spelling() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(bare_id(text).ok(), expect, "{text}");
        check("6a1f0c3e9b2d4c5f8a7e6d5c4b3a2f1e", Some("6a1f0c3e9b2d4c5f8a7e6d5c4b3a2f1e"));
        check("1-6a1f0c3e-9b2d4c5f8a7e6d5c4b3a2f1e", Some("1-6a1f0c3e-9b2d4c5f8a7e6d5c4b3a2f1e"));
        check(
            "00-6a1f0c3e9b2d4c5f8a7e6d5c4b3a2f1e-00f067aa0ba902b7-01",
            Some("6a1f0c3e9b2d4c5f8a7e6d5c4b3a2f1e"),
        );
        check("", None);
        check("../stats", None);
        check("6a1f", None);
    }
}
