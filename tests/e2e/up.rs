//! What the command itself promises.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::eventually;
use crate::http::Client;
use crate::system::{System, alive, shared, signal};

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
    // One port of the console takes both.
    for vendor in ["rollbar", "cloudwatch_logs"] {
        assert_eq!(line[vendor], line["console"]);
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
        format!(
            "throughline trace: the console at {} answers 404: no span of this trace has arrived\n",
            system.at.console
        )
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

/// Not `--ephemeral`: a clone of its own, as far as `up` can see, and ports of its own.
#[test]
fn a_second_start_finds_what_the_first_left() {
    let clone = Clone::new();
    let first = clone.up();
    assert!(first.text.contains("You can sign in as"), "{}", first.text);
    assert!(first.text.contains("frontend-proxy  GET /api/"), "the first trace is a tree: {}", first.text);
    let password = first
        .text
        .lines()
        .find_map(|line| line.trim().strip_prefix("andrewbrown"))
        .unwrap()
        .trim()
        .to_owned();
    let sign_in = |up: &Up| {
        let body = json!({ "handle": "andrewbrown", "password": password });
        let reply = Client::anonymous().post(&format!("{}/api/auth/sign-in", up.gateway()), &body);
        assert_eq!(reply.status, 200, "{}", reply.body);
        Client::with_token(reply.json()["token"].as_str().unwrap())
    };
    let body = json!({ "message": "I stay", "ttl": "7-days" });
    let post = sign_in(&first).post(&format!("{}/api/activities", first.gateway()), &body);
    assert_eq!(post.status, 201, "{}", post.body);

    // Somebody else is in the way: one line says who.
    let mut other = Clone::new();
    other.offset = clone.offset;
    let output = other.command().output().unwrap();
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), line.lines().count()), (Some(1), 1), "{line}");
    assert!(line.contains("is taken by throughline (process "), "{line}");

    first.interrupt();
    let second = clone.up();
    assert!(!second.text.contains("You can sign in as"), "passwords are shown once: {}", second.text);
    sign_in(&second);
    let uuid = post.json()["uuid"].as_str().unwrap().to_owned();
    let again = Client::anonymous().get(&format!("{}/api/activities/{uuid}", second.gateway()));
    assert_eq!(again.json()["activity"]["message"], "I stay", "{}", again.body);
    second.interrupt();
}

/// A folder that looks like a clone whose web app is built.
struct Clone {
    folder: PathBuf,
    offset: u16,
}

/// `up` in the foreground, with what it printed until the first trace.
struct Up {
    child: Child,
    text: String,
}

impl Clone {
    fn new() -> Self {
        static NUMBER: AtomicU16 = AtomicU16::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("clone-{}-{number}", std::process::id()));
        let web = folder.join("frontend-proxy/web");
        fs::create_dir_all(web.join("dist")).unwrap();
        fs::write(web.join("package.json"), "{}").unwrap();
        fs::write(web.join("dist/index.html"), "<!doctype html><head></head>").unwrap();
        // Away from the usual ports and from those of `--ephemeral`.
        Self { folder, offset: 7_000 + (std::process::id() % 8_000) as u16 + number }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
        command.args(["up", "--port-offset", &self.offset.to_string()]).current_dir(&self.folder);
        command
    }

    fn up(&self) -> Up {
        let mut child = self.command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let text: Vec<String> = lines.take_while(|line| !line.starts_with("Ctrl-C")).collect();
        Up { child, text: text.join("\n") }
    }
}

impl Drop for Clone {
    fn drop(&mut self) {
        // Not in the clone when root started it.
        let _ = fs::remove_dir_all(dev_postgres::Options::for_clone(&self.folder).home.parent().unwrap());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Up {
    fn gateway(&self) -> String {
        let line = self.text.lines().find(|line| line.contains("the gateway")).unwrap();
        let url = line.split_whitespace().last().unwrap();
        url.strip_suffix("/api/activities/home").unwrap().replace("localhost", "127.0.0.1")
    }

    /// As Ctrl-C does.
    fn interrupt(mut self) {
        signal(Signal::SIGINT, self.child.id());
        let status = eventually("`up` ends after Ctrl-C", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

fn throughline(arguments: &[&str], environment: &[(&str, &str)]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}
