//! Rollbar, and the console in its place: an item of level debug, always the same one, and the deploy notice.

use std::time::Duration;

use env::Secret;
use serde_json::{Value, json};
use sinks::rollbar::{Config, Deploy, Destination, Process, announce};

use super::otlp::{Console, Probe};
use super::reach::{Answer, Asker, clock, reach};
use super::report::{Examination, Finding, Trouble};

const DEPLOY_DEADLINE: Duration = Duration::from_secs(10);

pub(super) fn examine(
    asker: &Asker,
    destination: &Destination,
    environment: &str,
    console: Option<&Console>,
) -> Vec<Finding> {
    let mut examination = Examination::of(destination.name);
    let _ended = look(&mut examination, asker, destination, environment, console);
    examination.findings
}

fn look(
    examination: &mut Examination,
    asker: &Asker,
    destination: &Destination,
    environment: &str,
    console: Option<&Console>,
) -> Option<()> {
    reach(examination, &destination.url)?;
    let probe = Probe::new();
    let item = json!({ "data": {
        "environment": environment, "level": "debug", "language": "rust", "platform": "linux",
        "fingerprint": "throughline-doctor", "title": "throughline doctor",
        "body": { "message": { "body": "throughline doctor: items arrive" } },
        "custom": { "trace_id": probe.trace_id, "service": "throughline-doctor" },
        "attributes": [{ "key": "trace_id", "value": probe.trace_id }],
    } });
    let headers: Vec<(String, Secret)> =
        destination.token.iter().map(|token| ("x-rollbar-access-token".to_owned(), token.clone())).collect();
    let answer = asker.post(&destination.url, &headers, &item.to_string());
    let time = answer.as_ref().ok().and_then(clock);
    examination.note("item", answer.and_then(|answer| accepted(&answer)))?;
    if let Some(time) = time {
        examination.note("clock", time)?;
    }
    if let Some(console) = console.filter(|_| destination.name == "console-rollbar") {
        let path = format!("/api/errors?status=all&trace_id={}", probe.trace_id);
        let found = |answer: &Answer| answer.is_success() && answer.body.contains("throughline doctor");
        let read =
            console.eventually(asker, &path, found).map(|()| "the item is among the errors".to_owned());
        examination.note("read back", read)
    } else {
        examination
            .skip("read back", "a post token reads nothing: look for \"throughline doctor\" at level debug");
        Some(())
    }
}

fn accepted(answer: &Answer) -> Result<String, Trouble> {
    const TOKEN: &str = "copy the token of scope post_server_item from Settings, Project Access Tokens, into ROLLBAR_ACCESS_TOKEN";
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let told = match body["message"].as_str() {
        Some(message) => format!("{}: {message}", answer.status),
        None => answer.told(),
    };
    match answer.status {
        200..=299 if body["err"].as_i64() == Some(0) => Ok(format!("{} accepted", answer.status)),
        200..=299 => Err(Trouble::new(told, "that is no answer of Rollbar: correct ROLLBAR_ENDPOINT")),
        401 => Err(Trouble::new(format!("the token is not known ({told})"), TOKEN)),
        403 => Err(Trouble::new(format!("the token is of the wrong kind, or disabled ({told})"), TOKEN)),
        404 | 405 => {
            Err(Trouble::new(told, "correct ROLLBAR_ENDPOINT; Rollbar's is https://api.rollbar.com"))
        }
        422 => Err(Trouble::new(
            told,
            "correct THROUGHLINE_ENV: it names the project's environment, 255 characters at most",
        )),
        429 => Err(Trouble::new(told, "the project's rate limit is reached: raise it, or wait")),
        _ => Err(Trouble::new(told, "try again; if it stays, see status.rollbar.com")),
    }
}

/// `--deploy`: tells every destination that this version is running.
pub(super) fn deploy(config: &Config, version: &str) -> Vec<Finding> {
    let mut examination = Examination::of("rollbar");
    if config.is_off() {
        let fix = "set ROLLBAR_ACCESS_TOKEN, or CONSOLE_ROLLBAR_ENDPOINT";
        examination.note("deploy", Err(Trouble::new("no Rollbar is configured", fix)));
        return examination.findings;
    }
    let process = Process { service: "throughline".to_owned(), code_version: version.to_owned() };
    let notice = Deploy { status: "succeeded".to_owned(), comment: "throughline doctor --deploy".to_owned() };
    let answers = match announce(config, &process, &notice, DEPLOY_DEADLINE) {
        Ok(answers) => answers,
        Err(error) => {
            examination.note("deploy", Err(Trouble::new(error.to_string(), "free threads or memory")));
            return examination.findings;
        }
    };
    let told = answers.into_iter().flat_map(|report| {
        let mut examination = Examination::of(report.destination.as_str());
        let told = if report.delivered == 1 {
            Ok(format!("{version} in {}", config.environment))
        } else {
            let cause = report.last_problem.unwrap_or_else(|| "no answer came in time".to_owned());
            Err(Trouble::new(cause, "see this destination's other checks"))
        };
        examination.note("deploy", told);
        examination.findings
    });
    told.collect()
}
