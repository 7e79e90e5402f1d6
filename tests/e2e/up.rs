//! What the command itself promises.

use std::process::Command;

use serde_json::Value;

use crate::eventually;
use crate::http::Client;
use crate::system::{System, alive, shared};

#[test]
fn the_line_of_an_ephemeral_system_has_exactly_the_documented_keys() {
    let line: Value = serde_json::from_str(&shared().line).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        keys(&line),
        "activities cloudwatch_logs console database_urls gateway otlp_grpc otlp_http pids rollbar users web xray_daemon"
    );
    assert_eq!(keys(&line["database_urls"]), "activities users");
    assert_eq!(keys(&line["pids"]), "activities console frontend-proxy gateway postgres up users");
    // The console receives these formats in later versions; until then a script can see that it does not.
    for later in ["xray_daemon", "rollbar", "cloudwatch_logs"] {
        assert_eq!(line[later], Value::Null);
    }
}

#[test]
fn a_closed_pipe_stops_everything_and_a_killed_launcher_leaves_nothing() {
    let stopped = System::start(&[]);
    let pids: Vec<u32> = stopped.at.pids.values().copied().collect();
    assert_eq!(Client::anonymous().get(&stopped.web("/api/activities/home?limit=1")).status, 200);
    let (status, log) = stopped.stop();
    assert!(status.success(), "{status}: {log}");
    assert!(!log.contains("killed"), "every role stopped by itself: {log}");
    assert_eq!(pids.iter().filter(|pid| alive(**pid)).count(), 0);

    let killed = System::start(&[]).kill();
    for (name, pid) in killed.pids {
        eventually(&format!("{name} notices that `up` is gone"), || (!alive(pid)).then_some(()));
    }
}

#[test]
fn a_trace_prints_as_a_tree() {
    let system = shared();
    let reply = Client::anonymous().get(&system.web("/api/activities/home?limit=1"));
    let id = reply.trace_id();
    system.trace(&id, &["frontend-proxy", "gateway", "activities", "users"]);
    let output = throughline(&["trace", &id, "--console", &system.at.console], &[]);
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && tree.contains("activities  GET /activities/home"), "{tree}");

    let output = throughline(&["trace", &"7".repeat(32), "--console", &system.at.console], &[]);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        line,
        format!("throughline trace: the console at {} has no trace {}\n", system.at.console, "7".repeat(32))
    );
}

#[test]
fn a_wrong_setting_is_one_line_and_exit_code_64() {
    let check = |role: &str, name: &str, value: &str| {
        let output = throughline(&[role], &[(name, value)]);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(
            line.starts_with(&format!("throughline {role}: {name}: ")) && line.contains("; for example "),
            "{line}"
        );
    };
    check("gateway", "LISTEN", "nowhere");
    check("gateway", "OTEL_TRACES_SAMPLER", "sometimes");
    check("users", "DATABASE_URL", "");
    check("console", "CONSOLE_MAX_BYTES", "much");
    check("frontend-proxy", "LISTEN", "127.0.0.1:notaport");
}

fn throughline(arguments: &[&str], environment: &[(&str, &str)]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}
