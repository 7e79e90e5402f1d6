//! The roles as processes: started with an environment and a pipe, watched, stopped in order.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use env::Env;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::plan::Plan;
use super::progress::Progress;
use crate::http::Client;
use crate::role::Role;

/// First who takes requests, last who takes their telemetry.
const STOP_ORDER: [Role; 6] =
    [Role::FrontendProxy, Role::Gateway, Role::Activities, Role::Users, Role::PgLog, Role::Console];
/// A role answers what it has begun (10 s at most) and flushes (5 s); after this long it hangs, and is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// How long all roles together may take to be ready; a healthy machine needs less than 2 s.
const READY_DEADLINE: Duration = Duration::from_mins(1);
/// How often a role is asked whether it is ready: a refused connection costs next to nothing.
const READY_INTERVAL: Duration = Duration::from_millis(20);
/// How much of a dead role's log is shown.
const LAST_LINES: usize = 12;
const LAST_BYTES: u64 = 16 * 1024;

pub(crate) struct Supervisor {
    logs: PathBuf,
    running: Vec<Running>,
    deaths: mpsc::Sender<Death>,
}

/// A role that ended although nobody asked it to.
#[derive(Debug)]
pub(crate) struct Death {
    role: Role,
    status: Option<ExitStatus>,
    /// The last of its log, read at once: an ephemeral one goes away before anybody is told.
    last_lines: Vec<String>,
}

struct Running {
    role: Role,
    pid: u32,
    /// Closing it asks the role to stop; the system closes it when `up` itself is killed.
    stdin: Option<ChildStdin>,
    /// Dropping it kills the role.
    kill: Option<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
}

impl Supervisor {
    pub(crate) fn new(logs: PathBuf, deaths: mpsc::Sender<Death>) -> anyhow::Result<Self> {
        fs::create_dir_all(&logs).with_context(|| format!("can't create {}", logs.display()))?;
        Ok(Self { logs, running: Vec::new(), deaths })
    }

    /// Starts `role` with exactly this environment; its output goes to a log file of its own.
    pub(crate) fn start(&mut self, role: Role, environment: &Env) -> anyhow::Result<()> {
        let path = self.logs.join(format!("{}.log", role.name()));
        let log = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg(role.name())
            .env_clear()
            .envs(environment.iter())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A group of its own, so that a terminal's Ctrl-C reaches `up` alone, which stops the roles in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("can't start {}", role.name()))?;
        let pid = child.id().expect("it has just been started");
        let stdin = child.stdin.take();
        let (kill, killed) = oneshot::channel();
        let ended = tokio::spawn(watch(role, child, killed, path, self.deaths.clone()));
        self.running.push(Running { role, pid, stdin, kill: Some(kill), ended });
        Ok(())
    }

    pub(crate) fn pids(&self) -> Vec<(Role, u32)> {
        self.running.iter().map(|running| (running.role, running.pid)).collect()
    }

    /// Every role ends before the next is asked to, so that each can still deliver what it has.
    pub(crate) async fn stop(&mut self, progress: &Progress) {
        self.running.sort_by_key(|running| STOP_ORDER.iter().position(|role| *role == running.role));
        for running in &mut self.running {
            running.stdin = None;
            if timeout(STOP_DEADLINE, &mut running.ended).await.is_err() {
                progress.line(&format!(
                    "{} did not stop within {} s and was killed",
                    running.role.name(),
                    STOP_DEADLINE.as_secs()
                ));
                running.kill = None;
                let _ = (&mut running.ended).await;
            }
        }
    }
}

/// Waits until every role says that it is ready.
pub(crate) async fn ready(plan: &Plan, client: &Client, progress: &Progress) -> anyhow::Result<()> {
    let each = Role::ALL.map(|role| async move {
        let step = progress.step(&format!("starting {}", role.name()), false);
        let url = format!("{}/ready", plan.url(role));
        let mut last = String::from("it never answered");
        let all = async {
            loop {
                match client.fetch(&url).await {
                    Ok(answer) if answer.status == 200 => return,
                    Ok(answer) => last = format!("{} {}", answer.status, answer.body.trim()),
                    Err(error) => last = format!("{error:#}"),
                }
                sleep(READY_INTERVAL).await;
            }
        };
        let in_time = timeout(READY_DEADLINE, all).await;
        in_time.map_err(|_| {
            anyhow::anyhow!(
                "{} is not ready after {} s ({last}); its log is {}",
                role.name(),
                READY_DEADLINE.as_secs(),
                plan.logs().join(format!("{}.log", role.name())).display()
            )
        })?;
        step.done(&format!("{} on {}", role.name(), plan.url(role)));
        anyhow::Ok(())
    });
    futures::future::try_join_all(each).await?;
    Ok(())
}

async fn watch(
    role: Role,
    mut child: Child,
    killed: oneshot::Receiver<()>,
    log: PathBuf,
    deaths: mpsc::Sender<Death>,
) {
    let status = tokio::select! {
        status = child.wait() => status.ok(),
        _ = killed => {
            let _ = child.kill().await;
            return;
        }
    };
    // Nobody listens any more when all are being stopped.
    let _ = deaths.try_send(Death { role, status, last_lines: last_lines(&log) });
}

impl std::error::Error for Death {}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ended by itself", self.role.name())?;
        if let Some(status) = self.status {
            write!(f, " ({status})")?;
        }
        write!(f, "; the last lines of its log:")?;
        for line in &self.last_lines {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

fn last_lines(path: &Path) -> Vec<String> {
    let read = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        std::io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].iter().map(|line| (*line).to_owned()).collect()
}
