//! `throughline up --ephemeral`, started once and shared; or, with `THROUGHLINE_SYSTEM`, one that runs already.

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
    /// These two may be out of reach: compose does not publish them.
    pub(crate) activities: Option<String>,
    pub(crate) users: Option<String>,
    pub(crate) console: String,
    pub(crate) otlp_http: String,
    /// Empty for a system that was not started here.
    #[serde(default)]
    pub(crate) pids: BTreeMap<String, u32>,
}

pub(crate) struct System {
    pub(crate) at: Addresses,
    /// What it printed.
    pub(crate) line: String,
    /// `None` for a system that was not started here.
    child: Option<Child>,
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

/// The line of a running system, such as the one that `tests/compose/run` has started. Tests that need a system of their
/// own start one all the same.
const RUNNING: &str = "THROUGHLINE_SYSTEM";

/// The system of all tests that break nothing. It is never dropped: when this process ends, however it does, the
/// pipe closes and `up` stops all of it.
pub(crate) fn shared() -> &'static System {
    static SHARED: OnceLock<System> = OnceLock::new();
    SHARED.get_or_init(|| match std::env::var(RUNNING) {
        Ok(line) => System::running(line),
        Err(_) => System::start(&[]),
    })
}

impl System {
    fn running(line: String) -> Self {
        let at = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{RUNNING} is {line:?}: {e}"));
        Self { at, line, child: None, stdin: None, log: PathBuf::new() }
    }

    /// A system of one's own, with more environment.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_with(&[], environment)
    }

    /// The same with more flags.
    pub(crate) fn start_with(flags: &[&str], environment: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("e2e-up-{number}.log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            // A developer's exporters and sampling are not these tests'.
            if ["OTEL_", "HONEYCOMB_", "CONSOLE_", "AWS_", "XRAY_", "ROLLBAR_", "THROUGHLINE_ENV"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
            {
                command.env_remove(&*name);
            }
        }
        let mut child = command
            .args(["up", "--ephemeral"])
            .args(flags)
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
        Self { at, line, stdin: child.stdin.take(), child: Some(child), log }
    }

    /// Closes the pipe and waits until `up` has ended.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        self.stdin = None;
        let mut child = self.child.take().expect("a system of one's own");
        let status = eventually("`up` ends when its standard input closes", || child.try_wait().unwrap());
        (status, fs::read_to_string(&self.log).unwrap())
    }

    /// Kills `up` alone, as an out-of-memory killer would.
    pub(crate) fn kill(mut self) -> Addresses {
        let mut child = self.child.take().expect("a system of one's own");
        child.kill().unwrap();
        child.wait().unwrap();
        self.at.clone()
    }

    /// Where every role answers that can be reached.
    pub(crate) fn roles(&self) -> impl Iterator<Item = &String> {
        let Addresses { web, gateway, activities, users, console, .. } = &self.at;
        [Some(web), Some(gateway), activities.as_ref(), users.as_ref(), Some(console)].into_iter().flatten()
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
        // The process too, since a system that runs already may know the testers of an earlier run.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let handle = format!("tester{}_{number}", std::process::id());
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
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }
}
