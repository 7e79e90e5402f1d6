//! `throughline traces`, `errors` and `logs`: what the console's pages list, in a terminal.

use chrono::DateTime;
use clap::{Args, ValueEnum};
use console::wire::{ErrorStatus, Errors, LogEvent, Logs, Traces};
use env::Env;
use serde::de::DeserializeOwned;
use url::form_urlencoded::Serializer;

use crate::remote::{Remote, bare_id};
use crate::table::{cell, one_line, table};

#[derive(Args)]
struct Common {
    /// How many at most, 1 to 500
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Where the console is (CONSOLE_URL) [default: http://127.0.0.1:4380]
    #[arg(long, value_name = "URL")]
    console: Option<String>,
    /// Print the console's answer instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct TracesOptions {
    /// Only traces in which this service took part
    #[arg(long)]
    service: Option<String>,
    /// Only traces that took so long, in milliseconds
    #[arg(long, value_name = "MS")]
    min_duration: Option<f64>,
    /// Only traces with a span that failed
    #[arg(long)]
    errors: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct ErrorsOptions {
    /// Resolved ones that came again are active
    #[arg(long, value_enum, default_value_t = Status::Active)]
    status: Status,
    /// Only errors of this service
    #[arg(long)]
    service: Option<String>,
    /// Only errors that occurred in this trace
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, ValueEnum)]
enum Status {
    Active,
    Resolved,
    All,
}

#[derive(Args)]
pub(crate) struct LogsOptions {
    /// Words, "a phrase", -without, or a filter pattern of CloudWatch such as '{ $.level = "ERROR" }'
    query: Option<String>,
    /// Only what was logged in this trace
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// Only lines of this service
    #[arg(long)]
    service: Option<String>,
    /// trace, debug, info, warn, error or fatal; several with commas
    #[arg(long)]
    level: Option<String>,
    /// The log group
    #[arg(long)]
    group: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(crate) fn traces(options: &TracesOptions, env: &Env) -> anyhow::Result<String> {
    let mut choices = Choices::new(options.common.limit);
    choices.add("service", options.service.as_deref());
    choices.add("min_duration_ms", options.min_duration.map(|it| it.to_string()).as_deref());
    choices.add("error", options.errors.then_some("true"));
    options.common.ask(env, "/api/traces", choices, |page: &Traces| traces_table(page))
}

pub(crate) fn errors(options: &ErrorsOptions, env: &Env) -> anyhow::Result<String> {
    let mut choices = Choices::new(options.common.limit);
    let status = match options.status {
        Status::Active => "active",
        Status::Resolved => "resolved",
        Status::All => "all",
    };
    choices.add("status", Some(status));
    choices.add("service", options.service.as_deref());
    choices.add("trace_id", options.trace.as_deref().map(bare_id).transpose()?);
    options.common.ask(env, "/api/errors", choices, |page: &Errors| errors_table(page))
}

pub(crate) fn logs(options: &LogsOptions, env: &Env) -> anyhow::Result<String> {
    let mut choices = Choices::new(options.common.limit);
    choices.add("q", options.query.as_deref());
    choices.add("trace_id", options.trace.as_deref().map(bare_id).transpose()?);
    choices.add("service", options.service.as_deref());
    choices.add("level", options.level.as_deref());
    choices.add("group", options.group.as_deref());
    options.common.ask(env, "/api/logs", choices, |page: &Logs| log_lines(page))
}

/// The query of an address, encoded.
pub(crate) struct Choices(Serializer<'static, String>);

impl Default for Choices {
    fn default() -> Self {
        Self(Serializer::new(String::new()))
    }
}

impl Choices {
    pub(crate) fn new(limit: u16) -> Self {
        let mut choices = Self::default();
        choices.add("limit", Some(&limit.to_string()));
        choices
    }

    /// `None` chooses nothing.
    pub(crate) fn add(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.append_pair(name, value);
        }
    }

    pub(crate) fn after(mut self, path: &str) -> String {
        format!("{path}?{}", self.0.finish())
    }
}

impl Common {
    fn ask<T: DeserializeOwned>(
        &self,
        env: &Env,
        path: &str,
        choices: Choices,
        show: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<String> {
        let console = Remote::new(self.console.as_deref(), env);
        let path = choices.after(path);
        if self.json { console.get(&path) } else { Ok(show(&console.read(&path)?)) }
    }
}

fn traces_table(page: &Traces) -> String {
    let head =
        ["START", "DURATION", "SPANS", "ERRORS", "SERVICE", "NAME", "TRACE"].map(str::to_owned).to_vec();
    let rows = page.traces.iter().map(|it| {
        vec![
            time(it.start_unix_nano),
            format!("{:.1} ms", it.duration_nano as f64 / 1e6),
            it.span_count.to_string(),
            it.error_count.to_string(),
            cell(&it.service),
            cell(&it.name),
            it.trace_id.clone(),
        ]
    });
    let lines: Vec<_> = std::iter::once(head).chain(rows).collect();
    table(&lines, |place| (1..4).contains(&place))
}

fn errors_table(page: &Errors) -> String {
    let head = ["LAST SEEN", "COUNT", "PEOPLE", "LEVEL", "STATUS", "SERVICE", "TITLE", "LAST TRACE"];
    let rows = page.groups.iter().map(|it| {
        let status = match it.status {
            ErrorStatus::Active => "active",
            ErrorStatus::Resolved => "resolved",
            ErrorStatus::Regression => "regression",
        };
        vec![
            time(it.last_seen_unix_nano),
            it.count.to_string(),
            it.people.to_string(),
            cell(&it.level),
            status.to_owned(),
            cell(&it.service),
            cell(&it.title),
            it.last_trace_id.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let lines: Vec<_> = std::iter::once(head.map(str::to_owned).to_vec()).chain(rows).collect();
    table(&lines, |place| (1..3).contains(&place))
}

/// The newest last, as a log is read, and each line whole.
fn log_lines(page: &Logs) -> String {
    let lines = page.events.iter().rev().map(|it| {
        let (level, service) = (it.level.as_deref().unwrap_or("-"), it.service.as_deref().unwrap_or("-"));
        let trace = it.trace_id.as_deref().unwrap_or("-");
        let when = time(it.time_unix_nano);
        format!("{when}  {level:<5}  {}  {trace:<32}  {}\n", one_line(service), one_line(message(it)))
    });
    lines.collect()
}

/// What a line says, without the JSON around it.
pub(crate) fn message(event: &LogEvent) -> &str {
    let said = event.fields.as_ref().and_then(|fields| fields.get("message").or_else(|| fields.get("msg")));
    said.and_then(|it| it.as_str()).unwrap_or(&event.message)
}

pub(crate) fn time(unix_nano: i64) -> String {
    DateTime::from_timestamp_nanos(unix_nano).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const START: i64 = 1_755_000_000_123_456_789;

    #[test]
    fn what_is_asked_for_is_encoded() {
        let mut choices = Choices::new(20);
        choices.add("q", Some(r#"{ $.level = "ERROR" && 1 }"#));
        choices.add("service", None);
        let expect = "/api/logs?limit=20&q=%7B+%24.level+%3D+%22ERROR%22+%26%26+1+%7D";
        assert_eq!(choices.after("/api/logs"), expect);
    }

    #[test]
    fn traces_in_a_table() {
        let trace = json!({
            "trace_id": "a".repeat(32), "xray_trace_id": "", "name": "GET /api/activities/home", "service": "gateway",
            "start_unix_nano": START, "duration_nano": 12_345_678, "span_count": 17, "error_count": 0, "services": [], "root": true,
        });
        let page: Traces = serde_json::from_value(json!({ "traces": [trace] })).expect("a page");
        insta::assert_snapshot!(traces_table(&page), @r"
        START                     DURATION  SPANS  ERRORS  SERVICE  NAME                      TRACE
        2025-08-12T12:00:00.123Z   12.3 ms     17       0  gateway  GET /api/activities/home  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        ");
    }

    #[test]
    fn errors_in_a_table() {
        let group = json!({
            "id": "1", "fingerprint": "f", "title": "sqlx::Error: pool\ntimed out", "level": "error", "status": "regression",
            "environment": "production", "service": "users", "context": null, "count": 3, "people": 2,
            "first_seen_unix_nano": START, "last_seen_unix_nano": START, "last_trace_id": null,
        });
        let page: Errors =
            serde_json::from_value(json!({ "groups": [group], "next": null })).expect("a page");
        insta::assert_snapshot!(errors_table(&page), @r"
        LAST SEEN                 COUNT  PEOPLE  LEVEL  STATUS      SERVICE  TITLE                        LAST TRACE
        2025-08-12T12:00:00.123Z      3       2  error  regression  users    sqlx::Error: pool timed out  -
        ");
    }

    #[test]
    fn log_lines_with_the_newest_last() {
        let event = |message: &str, fields| {
            json!({
                "id": "1", "time_unix_nano": START, "group": "g", "stream": "s", "level": "warn", "service": "gateway",
                "message": message, "trace_id": null, "span_id": null, "fields": fields,
            })
        };
        let events =
            [event("plain\u{1b}[2J text", json!(null)), event("{}", json!({ "message": "from JSON" }))];
        let page: Logs = serde_json::from_value(json!({ "events": events, "next": null })).expect("a page");
        insta::assert_snapshot!(log_lines(&page), @r"
        2025-08-12T12:00:00.123Z  warn   gateway  -                                 from JSON
        2025-08-12T12:00:00.123Z  warn   gateway  -                                 plain [2J text
        ");
    }
}
