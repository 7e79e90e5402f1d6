//! CloudWatch Logs, through the sink itself: one line, and the stream it went to.

use std::thread;
use std::time::{Duration, Instant};

use sinks::cloudwatch::{Config, Destination, Logs, Names, read_back};

use super::aws;
use super::otlp::Probe;
use super::reach::reach;
use super::report::{Examination, Finding, Trouble};

const DEADLINE: Duration = Duration::from_secs(10);
/// CloudWatch shows a line some seconds after it took it.
const READ_BACK: Duration = Duration::from_secs(15);
const ACTIONS: &str = "logs:CreateLogStream and logs:PutLogEvents (and logs:CreateLogGroup, logs:PutRetentionPolicy for a new group)";

pub(super) fn examine(destination: &Destination) -> Vec<Finding> {
    let mut examination = Examination::of(destination.name.as_str());
    let _ended = look(&mut examination, destination);
    examination.findings
}

fn look(examination: &mut Examination, destination: &Destination) -> Option<()> {
    let url = destination.endpoint.clone().unwrap_or_else(|| aws_url(&destination.region));
    reach(examination, &url)?;
    let names =
        Names { service: "throughline-doctor".to_owned(), instance: "probe".to_owned(), ..Names::default() };
    let probe = Probe::new();
    examination.note("line", write(destination, &names, &probe.trace_id))?;
    let end = Instant::now() + READ_BACK;
    let read = loop {
        match read_back(destination, &names, &probe.trace_id) {
            Ok(true) => break Ok(format!("in the group {}", destination.group)),
            Ok(false) if Instant::now() < end => thread::sleep(Duration::from_millis(300)),
            Ok(false) => {
                let cause =
                    format!("it was accepted, and is not in the stream after {} s", READ_BACK.as_secs());
                break Err(Trouble::new(
                    cause,
                    "ask again; a group of the class INFREQUENT_ACCESS cannot be read so",
                ));
            }
            // Who may write need not be one who may read.
            Err(problem) if problem.contains("AccessDenied") => {
                examination.skip(
                    "read back",
                    "the credentials may not read (logs:GetLogEvents), which no service needs",
                );
                return Some(());
            }
            Err(problem) => break Err(Trouble::new(problem, "look at the group in the CloudWatch console")),
        }
    };
    examination.note("read back", read)
}

fn write(destination: &Destination, names: &Names, trace_id: &str) -> Result<String, Trouble> {
    let config = Config {
        destinations: vec![destination.clone()],
        schedule_delay: Duration::from_millis(1),
        // A probe that does not arrive is no line that anybody waits for.
        spool: None,
    };
    let failed = |problem: &str| Trouble::new(problem, "look at the way to this address");
    let logs = Logs::start(&config, names).map_err(|error| failed(&error.to_string()))?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let line = format!(
        r#"{{"level":"DEBUG","service":"{}","trace_id":"{trace_id}","message":"throughline doctor"}}"#,
        names.service
    );
    logs.write(now.as_millis() as i64, &line);
    let flushed = first_answer(&logs);
    logs.shutdown(Duration::ZERO);
    flushed.map_err(|problem| {
        aws::explain(&problem, ACTIONS, || match &problem {
            it if it.contains("more than two hours ahead") || it.contains("older than 14 days") => {
                Trouble::new(
                    format!("this machine's clock is off: {it}"),
                    "set the clock (`timedatectl set-ntp true`)",
                )
            }
            it if it.contains("ResourceNotFound") => Trouble::new(
                it.clone(),
                format!("create the group {}, or allow {ACTIONS}", destination.group),
            ),
            it if it.contains("WrongAddress") || it.contains("UnknownOperation") || it.contains("404") => {
                Trouble::new(it.clone(), "no CloudWatch Logs there: correct AWS_ENDPOINT_URL_CLOUDWATCH_LOGS")
            }
            it => failed(it),
        })
    })
}

/// Delivered, or the first problem: a problem that would pass is one here too.
fn first_answer(logs: &Logs) -> Result<String, String> {
    let end = Instant::now() + DEADLINE;
    loop {
        let (_, reports) = logs.report();
        let report = &reports[0];
        if report.delivered == 1 {
            return Ok("accepted".to_owned());
        }
        if let Some(problem) = &report.last_problem {
            return Err(problem.clone());
        }
        if Instant::now() > end {
            return Err(format!("no answer within {} s", DEADLINE.as_secs()));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn aws_url(region: &str) -> String {
    let china = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://logs.{region}.amazonaws.com{china}")
}
