//! `throughline doctor`: which link is broken, why, and what to do.
//!
//! Each destination that is configured is looked at from the outside in: variables, name, port, TLS, key, one probe of its
//! kind, and that probe read back where the API allows. The probes say that they are the doctor's.

mod aws;
mod cloudwatch;
mod otlp;
mod postgres;
mod reach;
mod report;
mod rollbar;
#[cfg(test)]
mod tests;
mod trace;
mod xray;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use console::wire::{Summary, Trace, Traces};
use env::{ConfigError, Env};
use serde_json::{Value, json};

use self::otlp::Console;
use self::reach::Asker;
use self::report::{Examination, Finding, Trouble, as_table, is_well};
use self::trace::Break;
use crate::remote::{self, Remote};
use crate::up::dotenv;

/// The newest traces that began before this one's end; among those of its own time are its neighbours.
const LISTED: usize = 200;
const NEIGHBOURS: usize = 50;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: Option<What>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Tell Rollbar that this version is running, and nothing else
    #[arg(long)]
    deploy: bool,
}

#[derive(Subcommand)]
enum What {
    /// Name the first hop at which a trace breaks
    Trace(TraceOptions),
}

#[derive(Args)]
struct TraceOptions {
    /// The id: 32 hexadecimal digits, X-Ray's 1-8-24, or a whole traceparent
    id: String,
    /// Where the console is (CONSOLE_URL) [default: http://127.0.0.1:4380]
    #[arg(long, value_name = "URL")]
    console: Option<String>,
    /// Print JSON instead of lines
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options, env: Env) -> ExitCode {
    let outcome = match (&options.what, with_dotenv(env)) {
        (_, Err(error)) => Err(error),
        (Some(What::Trace(options)), Ok(env)) => follow(options, &env),
        (None, Ok(env)) => {
            let findings = if options.deploy { deploy(&env) } else { examine(&env) };
            say(&as_text(options.json, &findings));
            Ok(is_well(&findings))
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            crate::complain(format_args!("throughline doctor: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Everything that is configured, each destination on a thread of its own: one that does not answer delays no other.
fn examine(env: &Env) -> Vec<Finding> {
    let asker = Asker::new();
    let (env, console, mut findings) = find_console(&asker, env);
    let (env, console) = (&env, console.as_ref());
    let asker = &asker;
    let spans = read(&mut findings, "spans", sinks::spans::Config::from_env(env));
    let errors = read(&mut findings, "rollbar", sinks::rollbar::Config::from_env(env));
    let lines = read(&mut findings, "cloudwatch", sinks::cloudwatch::Config::from_env(env));
    let ui = env.get("HONEYCOMB_UI_URL").and_then(|url| url.split("/environments/").nth(1));
    let honeycomb_environment = ui.and_then(|rest| rest.split('/').next());
    let mut tasks: Vec<Box<dyn FnOnce() -> Vec<Finding> + Send + '_>> = Vec::new();
    if let Some(spans) = &spans {
        for destination in &spans.otlp.destinations {
            tasks.push(Box::new(move || otlp::examine(asker, destination, console, honeycomb_environment)));
        }
        if let Some(daemon) = &spans.xray.daemon {
            // What the console's own daemon takes can be read in the console.
            let ours = console.filter(|it| it.xray_daemon.as_ref() == Some(&daemon.udp));
            tasks.push(Box::new(move || xray::daemon(asker, daemon, ours)));
        }
        if let Some(signed) = &spans.xray.endpoint {
            tasks.push(Box::new(move || xray::endpoint(signed, env)));
        }
    }
    if let Some(errors) = &errors {
        for destination in &errors.destinations {
            tasks.push(Box::new(move || rollbar::examine(asker, destination, &errors.environment, console)));
        }
    }
    if let Some(lines) = &lines {
        for destination in &lines.destinations {
            tasks.push(Box::new(move || cloudwatch::examine(destination)));
        }
    }
    tasks.push(Box::new(move || postgres::examine(env).unwrap_or_default()));

    let found = thread::scope(|scope| {
        let running: Vec<_> = tasks.into_iter().map(|task| scope.spawn(task)).collect();
        running.into_iter().map(|it| it.join().expect("a check does not panic")).collect::<Vec<_>>()
    });
    findings.extend(found.into_iter().flatten());
    findings
}

fn deploy(env: &Env) -> Vec<Finding> {
    let (env, _, _) = find_console(&Asker::new(), env);
    let mut findings = Vec::new();
    if let Some(config) = read(&mut findings, "rollbar", sinks::rollbar::Config::from_env(&env)) {
        findings.extend(rollbar::deploy(&config, env!("THROUGHLINE_VERSION")));
    }
    findings
}

/// A configuration, or the line that the process would stop with at its start.
fn read<T>(findings: &mut Vec<Finding>, what: &str, config: Result<T, ConfigError>) -> Option<T> {
    match config {
        Ok(config) => Some(config),
        Err(error) => {
            let mut examination = Examination::of(what);
            let fix = match error.example.as_str() {
                "" => format!("unset {}", error.variable),
                example => format!("for example {}={example}", error.variable),
            };
            let cause = format!("{}: {}", error.variable, error.problem);
            examination.note("variables", Err(Trouble::new(cause, fix)));
            findings.extend(examination.findings);
            None
        }
    }
}

/// The console, and what `up` tells its roles of it, unless the environment says other things.
fn find_console(asker: &Asker, env: &Env) -> (Env, Option<Console>, Vec<Finding>) {
    let mut examination = Examination::of("console");
    let url = env.get("CONSOLE_URL").unwrap_or(remote::DEFAULT).trim_end_matches('/').to_owned();
    let token = env.secret("CONSOLE_TOKEN");
    let bearer: Vec<_> = token
        .iter()
        .map(|it| ("authorization".to_owned(), format!("Bearer {}", it.expose()).into()))
        .collect();
    let answer = asker.get(&format!("{url}/api/stats"), &bearer);
    let stats: Option<Value> =
        answer.as_ref().ok().filter(|it| it.is_success()).and_then(|it| serde_json::from_str(&it.body).ok());
    let Some(stats) = stats else {
        match (answer, env.get("CONSOLE_URL")) {
            (Ok(answer), _) if answer.status == 401 => {
                let trouble = Trouble::new(
                    "it asks for its token",
                    "set CONSOLE_TOKEN to what the console was started with",
                );
                examination.note("console", Err(trouble));
            }
            (Ok(answer), Some(_)) => {
                let cause = format!("{url}/api/stats answers {}", answer.told());
                examination
                    .note("console", Err(Trouble::new(cause, "correct CONSOLE_URL: no console is there")));
            }
            (Err(trouble), Some(_)) => drop(examination.note("console", Err(trouble))),
            _ => examination.skip("console", &format!("none at {url}; `throughline up` starts one")),
        }
        return (env.clone(), None, examination.findings);
    };
    examination.note("console", Ok(url.clone()));
    let mut env = env.clone();
    // A console that listens everywhere answers at this machine's own address.
    let address = |name: &str| stats[name].as_str().map(|it| it.replace("0.0.0.0:", "127.0.0.1:"));
    let known = [
        ("CONSOLE_OTLP_ENDPOINT", address("otlp_http").map(|it| format!("http://{it}"))),
        ("CONSOLE_ROLLBAR_ENDPOINT", Some(url.clone())),
        ("CONSOLE_CLOUDWATCH_LOGS_ENDPOINT", Some(url.clone())),
        ("AWS_XRAY_DAEMON_ADDRESS", address("xray_daemon")),
    ];
    for (name, value) in known {
        if let Some(value) = value.filter(|_| env.get(name).is_none()) {
            env = env.with(name, value);
        }
    }
    let xray_daemon = address("xray_daemon");
    (env, Some(Console { url, token, xray_daemon }), examination.findings)
}

/// What `up` reads, so that both speak of the same keys.
fn with_dotenv(env: Env) -> anyhow::Result<Env> {
    let file = Path::new(".env");
    if !file.exists() {
        return Ok(env);
    }
    let text = fs::read_to_string(file).context(".env")?;
    dotenv::under(env, &text).map_err(|error| anyhow::anyhow!(".env: {error}"))
}

fn follow(options: &TraceOptions, env: &Env) -> anyhow::Result<bool> {
    let console = Remote::new(options.console.as_deref(), env);
    let trace = console.trace(&options.id)?;
    let others = if trace::may_be_torn(&trace) { neighbours(&console, &trace)? } else { Vec::new() };
    let breaks = trace::breaks(&trace, &others);
    say(&told(options.json, &trace, &breaks));
    Ok(breaks.is_empty())
}

/// Traces of the same time, which may hold what is missing here.
fn neighbours(console: &Remote, trace: &Trace) -> anyhow::Result<Vec<Trace>> {
    let end = trace.start_unix_nano + trace.duration_nano;
    let listed: Traces = console.read(&format!("/api/traces?limit={LISTED}&before={end}.{}", i64::MAX))?;
    let same_time = |other: &&Summary| {
        other.trace_id != trace.trace_id
            && other.start_unix_nano + other.duration_nano >= trace.start_unix_nano
    };
    let wanted = listed.traces.iter().filter(same_time).take(NEIGHBOURS);
    // One that is pruned in between is none.
    Ok(wanted.filter_map(|other| console.trace(&other.trace_id).ok()).collect())
}

fn told(as_json: bool, trace: &Trace, breaks: &[Break]) -> String {
    if as_json {
        return json!({ "trace_id": trace.trace_id, "spans": trace.span_count, "breaks": breaks })
            .to_string();
    }
    if breaks.is_empty() {
        return format!("{}: {} spans, and every hop holds", trace.trace_id, trace.span_count);
    }
    let lines = breaks.iter().enumerate().map(|(n, it)| {
        let first = if n == 0 { "the first broken hop" } else { "then" };
        format!("{first}: {}\n  {}\n  fix: {}", it.hop, it.trouble.cause, it.trouble.fix)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn as_text(as_json: bool, findings: &[Finding]) -> String {
    if as_json {
        json!({ "ok": is_well(findings), "findings": findings }).to_string()
    } else {
        as_table(findings)
    }
}

/// A closed pipe (`| head`) is no error worth a word.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
}
