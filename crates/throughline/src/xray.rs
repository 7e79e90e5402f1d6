//! `throughline xray apply`: X-Ray's groups and sampling rules from a file, in the console or in an AWS account.
//!
//! What is there and as the file says stays untouched, so applying twice changes nothing; what the file does not name
//! is nobody's business here, and nothing is ever deleted.

mod client;

use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use env::Env;
use serde_json::{Map, Value, json};

use self::client::Client;

/// Beside the code, so that the binary knows it without its folder.
const CRUDDUR: &str = include_str!("../../../deploy/xray/cruddur.json");

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create or update the groups and sampling rules of a file
    Apply(Apply),
}

#[derive(Args)]
struct Apply {
    /// JSON with `groups` and `samplingRules`, as X-Ray's API spells them [default: deploy/xray/cruddur.json]
    file: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Where X-Ray's API is: the console (CONSOLE_URL) [default: http://127.0.0.1:4380], or an endpoint of AWS
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// The AWS account of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in the region AWS_REGION
    #[arg(long, conflicts_with = "endpoint_url")]
    aws: bool,
}

/// What one entry of the file needs.
struct Step {
    kind: &'static str,
    name: String,
    action: Action,
}

#[derive(Debug, PartialEq)]
enum Action {
    Unchanged,
    Create,
    /// The fields that differ, as `what there is -> what the file says`.
    Update(Vec<String>),
}

/// How groups and rules differ as far as applying goes.
struct Kind {
    label: &'static str,
    name: &'static str,
    list: &'static str,
    records: &'static str,
    create: &'static str,
    update: &'static str,
    /// The object that wraps a rule in calls and answers; groups have none in calls.
    wrapper: Option<(&'static str, &'static str)>,
    /// Fields that are said at creation and cannot be changed.
    fixed: &'static [&'static str],
}

const GROUPS: Kind = Kind {
    label: "group",
    name: "GroupName",
    list: "/Groups",
    records: "Groups",
    create: "/CreateGroup",
    update: "/UpdateGroup",
    wrapper: None,
    fixed: &["Tags"],
};

const RULES: Kind = Kind {
    label: "sampling rule",
    name: "RuleName",
    list: "/GetSamplingRules",
    records: "SamplingRuleRecords",
    create: "/CreateSamplingRule",
    update: "/UpdateSamplingRule",
    wrapper: Some(("SamplingRule", "SamplingRuleUpdate")),
    fixed: &["Version"],
};

pub(crate) fn run(options: &Options, env: &Env) -> ExitCode {
    let Command::Apply(apply) = &options.command;
    match apply_file(apply, env) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::complain(format_args!("throughline xray apply: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn apply_file(options: &Apply, env: &Env) -> anyhow::Result<()> {
    let text = match &options.file {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
        None => CRUDDUR.to_owned(),
    };
    let wanted: Value = serde_json::from_str(&text).context("the file is no JSON")?;
    let client = Client::new(options.endpoint_url.as_deref(), options.aws, env)?;
    let mut out = std::io::stdout().lock();
    let mut counts = [0; 3];
    for (kind, key) in [(&GROUPS, "groups"), (&RULES, "samplingRules")] {
        let entries = match wanted.get(key) {
            None => continue,
            Some(Value::Array(entries)) => entries,
            Some(_) => anyhow::bail!("`{key}` must be a list"),
        };
        let existing = list(&client, kind)?;
        for entry in entries {
            let Value::Object(entry) = entry else { anyhow::bail!("`{key}` must hold objects") };
            let step = plan(kind, entry, &existing)?;
            if !options.dry_run {
                carry_out(&client, kind, entry, &step)?;
            }
            let place = match step.action {
                Action::Create => 0,
                Action::Update(_) => 1,
                Action::Unchanged => 2,
            };
            counts[place] += 1;
            // A closed pipe is no error worth a word.
            let _ = writeln!(out, "{step}");
        }
    }
    let [created, updated, unchanged] = counts;
    let would = if options.dry_run { "to create" } else { "created" };
    let change = if options.dry_run { "to update" } else { "updated" };
    let _ = writeln!(out, "{client}: {created} {would}, {updated} {change}, {unchanged} unchanged");
    Ok(())
}

/// Every group or rule that there is, by pages.
fn list(client: &Client, kind: &Kind) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut request = json!({});
    loop {
        let answer = client.call(kind.list, &request)?;
        let records =
            answer[kind.records].as_array().with_context(|| format!("an answer without {}", kind.records))?;
        all.extend(records.iter().map(|record| match kind.wrapper {
            Some((inner, _)) => record[inner].clone(),
            None => record.clone(),
        }));
        match answer["NextToken"].as_str().filter(|token| !token.is_empty()) {
            Some(token) => request["NextToken"] = token.into(),
            None => return Ok(all),
        }
    }
}

fn plan(kind: &Kind, entry: &Map<String, Value>, existing: &[Value]) -> anyhow::Result<Step> {
    let name = entry
        .get(kind.name)
        .and_then(Value::as_str)
        .with_context(|| format!("a {} without {}", kind.label, kind.name))?;
    let found = existing.iter().find(|record| record[kind.name] == name);
    let action = found.map_or(Action::Create, |found| {
        let differ = entry.iter().filter(|(key, _)| !kind.fixed.contains(&key.as_str()));
        let changes: Vec<String> = differ
            .filter(|(key, value)| !covers(&found[key.as_str()], value))
            .map(|(key, value)| format!("{key} {} -> {value}", found[key.as_str()]))
            .collect();
        if changes.is_empty() { Action::Unchanged } else { Action::Update(changes) }
    });
    Ok(Step { kind: kind.label, name: name.to_owned(), action })
}

/// Whether `found` says at least what `wanted` says: 1 is 1.0, and fields that the file leaves out may be anything.
fn covers(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Number(found), Value::Number(wanted)) => found.as_f64() == wanted.as_f64(),
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| found.get(key).is_some_and(|found| covers(found, value)))
        }
        _ => found == wanted,
    }
}

fn carry_out(client: &Client, kind: &Kind, entry: &Map<String, Value>, step: &Step) -> anyhow::Result<()> {
    let (path, request) = match step.action {
        Action::Unchanged => return Ok(()),
        Action::Create => {
            let entry = Value::Object(entry.clone());
            (kind.create, kind.wrapper.map_or_else(|| entry.clone(), |(inner, _)| json!({ inner: entry })))
        }
        Action::Update(_) => {
            let mut entry = entry.clone();
            entry.retain(|key, _| !kind.fixed.contains(&key.as_str()));
            let entry = Value::Object(entry);
            (kind.update, kind.wrapper.map_or_else(|| entry.clone(), |(_, update)| json!({ update: entry })))
        }
    };
    client.call(path, &request).with_context(|| format!("{} {}", step.kind, step.name)).map(drop)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.kind, self.name)?;
        match &self.action {
            Action::Unchanged => write!(f, "unchanged"),
            Action::Create => write!(f, "create"),
            Action::Update(changes) => write!(f, "update {}", changes.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_done() {
        let check = |entry: Value, existing: Value, expect: &str| {
            let entry = entry.as_object().unwrap();
            assert_eq!(plan(&RULES, entry, &[existing]).unwrap().to_string(), expect);
        };
        let rule =
            json!({ "RuleName": "a", "FixedRate": 1, "Priority": 9000, "Version": 1, "Attributes": {} });
        check(rule.clone(), json!({ "RuleName": "b" }), "sampling rule a: create");
        let same = json!({ "RuleName": "a", "RuleARN": "arn", "FixedRate": 1.0, "Priority": 9000, "Attributes": {}, "Host": "*" });
        check(rule.clone(), same, "sampling rule a: unchanged");
        let other = json!({ "RuleName": "a", "FixedRate": 0.5, "Priority": 9000, "Attributes": {} });
        check(rule, other, "sampling rule a: update FixedRate 0.5 -> 1");
    }

    #[test]
    fn the_file_that_is_built_in_is_the_original_rule() {
        let wanted: Value = serde_json::from_str(CRUDDUR).unwrap();
        let rule = &wanted["samplingRules"][0];
        assert_eq!(
            (&rule["RuleName"], &rule["Priority"], &rule["ReservoirSize"], &rule["FixedRate"]),
            (&json!("Cruddur"), &json!(9000), &json!(5), &json!(0.1))
        );
        assert_eq!(wanted["groups"][0]["GroupName"], "Cruddur");
    }
}
