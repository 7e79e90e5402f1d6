//! The command line against a system that runs: what people and scripts see, and the exit code.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use console::wire::Trace;
use serde_json::{Value, json};

use crate::eventually;
use crate::http::{Client, host};
use crate::system::{System, shared};

/// `throughline ARGS` with nothing in its environment but `variables`, in a folder without a `.env`.
fn throughline(system: &System, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    command.args(arguments).env_clear().env("CONSOLE_URL", &system.at.console).current_dir(folder());
    command.envs(variables.iter().copied()).output().unwrap()
}

fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("e2e-command-line");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What it prints when all is well.
#[track_caller]
fn prints(system: &System, arguments: &[&str]) -> String {
    let output = throughline(system, arguments, &[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// What the doctor found, as `destination check outcome`, and whether it ended well.
fn examined(system: &System, variables: &[(&str, &str)]) -> (Vec<String>, Vec<Value>, bool) {
    let output = throughline(system, &["doctor", "--json"], variables);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(report["ok"], output.status.success(), "{report:#}");
    let findings = report["findings"].as_array().unwrap().clone();
    let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
    let line =
        |it: &Value| format!("{} {} {}", text(it, "destination"), text(it, "check"), text(it, "outcome"));
    (findings.iter().map(line).collect(), findings, output.status.success())
}

#[test]
fn a_doctor_who_finds_nothing_and_one_who_does() {
    let system = shared();
    let line: Value = serde_json::from_str(&system.line).unwrap();
    let database = line["database_urls"]["users"].as_str();
    let variables: Vec<_> = database.map(|url| ("DATABASE_URL", url)).into_iter().collect();
    let (lines, findings, well) = examined(system, &variables);
    assert!(well, "{findings:#?}");
    for destination in ["console", "xray", "console-rollbar", "cloudwatch-console"] {
        let read = format!("{destination} read back pass");
        assert!(lines.contains(&read), "no {read:?} in {lines:#?}");
    }
    assert!(database.is_none() || lines.contains(&"postgres session pass".to_owned()), "{lines:#?}");

    // AWS's credentials are looked for in files and at addresses that this machine may have.
    let nowhere = folder().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    let without = [
        ("CLOUDWATCH_LOG_GROUP", "throughline-doctor"),
        ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", system.at.console.as_str()),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", nowhere),
        ("AWS_SHARED_CREDENTIALS_FILE", nowhere),
        ("HOME", nowhere),
    ];
    let (lines, findings, well) = examined(system, &without);
    assert!(!well && lines.contains(&"cloudwatch line fail".to_owned()), "{lines:#?}");
    let failed =
        findings.iter().find(|it| it["destination"] == "cloudwatch" && it["outcome"] == "fail").unwrap();
    assert_eq!(failed["cause"], "no AWS credentials are found", "{failed}");
    assert!(failed["fix"].as_str().unwrap().starts_with("set AWS_ACCESS_KEY_ID"), "{failed}");

    // For people: the same as a table.
    let output = throughline(
        system,
        &["doctor"],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://no-such-host.invalid:4318")],
    );
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(table.lines().any(|it| it.starts_with("FAIL") && it.contains("no-such-host.invalid")), "{table}");
    assert!(table.contains("fix: check the variable's spelling"), "{table}");
}

#[test]
fn a_trace_by_hand() {
    let system = shared();
    let reply = Client::anonymous().get(&system.gateway("/api/activities/home"));
    let id = reply.trace_id();
    let trace = system.trace(&id, &["gateway", "activities", "users"]);
    let spans = trace.spans.len();
    assert_eq!(
        prints(system, &["doctor", "trace", &id]),
        format!("{id}: {spans} spans, and every hop holds\n")
    );
    assert!(prints(system, &["trace", &id]).contains("└─ activities"));

    let listed = prints(system, &["traces", "--service", "gateway", "--limit", "100"]);
    assert!(
        listed.lines().any(|it| it.contains("GET /api/activities/home") && it.ends_with(&id)),
        "{listed}"
    );
    let listed: Value = serde_json::from_str(&prints(system, &["traces", "--json", "--limit", "1"])).unwrap();
    assert_eq!(listed["traces"].as_array().unwrap().len(), 1);

    // Out of one console and into another: the same spans, which the first knows already.
    let file = folder().join("trace.json");
    let file = file.to_str().unwrap();
    assert!(prints(system, &["export", &id, "--out", file]).starts_with(&format!("{spans} spans in ")));
    assert_eq!(fs::read_to_string(file).unwrap().trim(), prints(system, &["export", &id]).trim());
    let mut other: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let copy = "c0ffee".to_owned() + &id[6..];
    rename(&mut other, &id, &copy);
    fs::write(file, other.to_string()).unwrap();
    let told = prints(system, &["import", file]);
    assert_eq!(told, format!("{spans} spans of 1 traces\n{}/trace/{copy}\n", system.at.console));
    let imported: Trace = eventually("the copy is there", || system.trace_now(&copy));
    let names = |trace: &Trace| {
        trace.spans.iter().map(|span| (span.span_id.clone(), span.name.clone())).collect::<Vec<_>>()
    };
    assert_eq!(names(&imported), names(&trace));

    let missing = throughline(system, &["export", &"f".repeat(32)], &[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("answers 404"));
}

#[test]
fn errors_and_log_lines_by_hand() {
    let system = shared();
    let reply = Client::anonymous().get(&system.gateway("/rollbar/test"));
    let id = reply.trace_id();
    let listed = eventually("the error is listed", || {
        let listed = prints(system, &["errors", "--trace", &id]);
        listed.contains("Hello World!").then_some(listed)
    });
    assert!(listed.starts_with("LAST SEEN"), "{listed}");
    let listed: Value =
        serde_json::from_str(&prints(system, &["errors", "--status", "all", "--json"])).unwrap();
    assert!(!listed["groups"].as_array().unwrap().is_empty());
    let lines = eventually("the log lines are there", || {
        let lines = prints(system, &["logs", "--trace", &id]);
        (!lines.trim().is_empty()).then_some(lines)
    });
    assert!(lines.contains(&id), "{lines}");
}

/// A caller that does not write its header as W3C wants it: the gateway begins a trace of its own, and both say where.
#[test]
fn a_torn_trace() {
    let system = shared();
    let url = system.gateway("/api/activities/home");
    let (host, port) = host(&system.at.gateway).split_once(':').unwrap();
    let id = format!("{:032x}", rand::random::<u128>());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let start = now();
    let malformed = format!("00-{id}-00f067aa0ba902b7");
    let reply = Client::anonymous().get_with(&url, &[("traceparent", malformed.as_str())]);
    let (end, other) = (now(), reply.trace_id());
    assert_ne!(other, id);
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let call = json!({
        "traceId": id, "spanId": "00f067aa0ba902b7", "name": "GET", "kind": 3,
        "startTimeUnixNano": start.to_string(), "endTimeUnixNano": end.to_string(),
        "attributes": [
            text("http.request.method", "GET"), text("server.address", host), text("url.full", &url),
            { "key": "server.port", "value": { "intValue": port } },
            { "key": "http.response.status_code", "value": { "intValue": "200" } },
        ],
    });
    let resource = json!({ "attributes": [text("service.name", "careless")] });
    let request = json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [call] }] }] });
    let sent = Client::anonymous().post(&format!("{}/v1/traces", system.at.otlp_http), &request);
    assert_eq!(sent.status, 200, "{}", sent.body);
    system.trace(&other, &["gateway", "activities", "users"]);

    for piece in [&id, &other] {
        let output = throughline(system, &["doctor", "trace", piece, "--json"], &[]);
        assert_eq!(output.status.code(), Some(1));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let [found] = &told["breaks"].as_array().unwrap()[..] else { panic!("one break, not {told:#}") };
        assert_eq!(found["hop"], "careless -> gateway", "{found}");
        let cause = found["cause"].as_str().unwrap();
        let begin = format!(
            "\"GET /api/activities/home\" of gateway began trace {other} of its own, called by \"GET\" of careless in "
        );
        assert!(cause.starts_with(&begin), "{cause}");
        assert!(cause.ends_with("traceparent was missing or malformed at gateway"), "{cause}");
    }
}

/// The trace's id, wherever it stands.
fn rename(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) if text == from => to.clone_into(text),
        Value::Array(values) => values.iter_mut().for_each(|it| rename(it, from, to)),
        Value::Object(values) => values.values_mut().for_each(|it| rename(it, from, to)),
        _ => {}
    }
}
