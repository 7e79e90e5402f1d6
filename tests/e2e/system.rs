//! `throughline up --ephemeral`, started once and shared.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::eventually;
use crate::http::Client;

/// The part of the line of `up --ephemeral` that tests use; `up.rs` proves all of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Addresses {
    pub(crate) web: String,
    pub(crate) gateway: String,
    pub(crate) activities: String,
    pub(crate) users: String,
    pub(crate) console: String,
    pub(crate) otlp_http: String,
    pub(crate) pids: BTreeMap<String, u32>,
}

pub(crate) struct System {
    pub(crate) at: Addresses,
    /// What it printed.
    pub(crate) line: String,
    child: Child,
    stdin: Option<ChildStdin>,
    log: PathBuf,
}

/// Somebody who has signed up.
pub(crate) struct Person {
    pub(crate) handle: String,
    pub(crate) password: String,
    pub(crate) client: Client,
    pub(crate) token: String,
}

/// The system of all tests that break nothing. It is never dropped: when this process ends, however it does, the
/// pipe closes and `up` stops all of it.
pub(crate) fn shared() -> &'static System {
    static SHARED: OnceLock<System> = OnceLock::new();
    SHARED.get_or_init(|| System::start(&[]))
}

impl System {
    /// A system of one's own, with more environment.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("e2e-up-{number}.log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            // A developer's exporters and sampling are not these tests'.
            if ["OTEL_", "HONEYCOMB_", "CONSOLE_", "AWS_", "XRAY_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
            {
                command.env_remove(&*name);
            }
        }
        let mut child = command
            .args(["up", "--ephemeral"])
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let at = serde_json::from_str(&line).unwrap_or_else(|e| {
            panic!("`up --ephemeral` said {line:?} ({e}); it wrote:\n{}", fs::read_to_string(&log).unwrap())
        });
        Self { at, line, stdin: child.stdin.take(), child, log }
    }

    /// Closes the pipe and waits until `up` has ended.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        self.stdin = None;
        let status =
            eventually("`up` ends when its standard input closes", || self.child.try_wait().unwrap());
        (status, fs::read_to_string(&self.log).unwrap())
    }

    /// Kills `up` alone, as an out-of-memory killer would.
    pub(crate) fn kill(mut self) -> Addresses {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.at.clone()
    }

    pub(crate) fn web(&self, path: &str) -> String {
        format!("{}{path}", self.at.web)
    }

    pub(crate) fn gateway(&self, path: &str) -> String {
        format!("{}{path}", self.at.gateway)
    }

    /// Signs up somebody new.
    #[track_caller]
    pub(crate) fn sign_up(&self) -> Person {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let handle = format!("tester{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let password = format!("{handle} has a long password");
        let reply = Client::anonymous().post(
            &self.gateway("/api/auth/sign-up"),
            &json!({ "handle": handle, "email": format!("{handle}@example.com"), "password": password }),
        );
        assert_eq!(reply.status, 201, "{}", reply.body);
        let token = reply.json()["token"].as_str().unwrap().to_owned();
        Person { handle, password, client: Client::with_token(&token), token }
    }

    /// Writes a post of somebody and gives it back.
    #[track_caller]
    pub(crate) fn post(&self, person: &Person, message: &str) -> Value {
        let reply = person
            .client
            .post(&self.gateway("/api/activities"), &json!({ "message": message, "ttl": "7-days" }));
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.json()
    }

    pub(crate) fn stats(&self) -> Value {
        Client::anonymous().get(&format!("{}/api/stats", self.at.console)).json()
    }
}

/// Whether a process of this id is there.
pub(crate) fn alive(pid: u32) -> bool {
    kill(Pid::from_raw(pid as i32), None).is_ok()
}

pub(crate) fn signal(what: Signal, pid: u32) {
    // It may have ended in between.
    let _ = kill(Pid::from_raw(pid as i32), what);
}

impl Drop for System {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}
