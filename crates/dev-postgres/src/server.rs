//! A running Postgres.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::binaries::Binaries;
use crate::bootstrap::{Service, bootstrap};
use crate::home::{self, Home, SUPERUSER};
use crate::keeper::Keeper;
use crate::{Error, Options};

/// After a crash with much to replay a start takes long; a first one takes 0.1 s.
const START_DEADLINE: Duration = Duration::from_mins(1);
/// How long a predecessor that is stopping may take.
const PREDECESSOR_DEADLINE: Duration = Duration::from_secs(3);
const STOP_DEADLINE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);
/// Between choosing a free port and listening on it somebody else may take it.
const FREE_PORT_TRIES: usize = 5;

/// Settings for development: little memory, no replication, errors to the log and nothing else.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    // Passwords over loopback only. A socket's path may have 107 bytes; a clone's path may be longer.
    "unix_socket_directories=",
    "shared_buffers=32MB",
    "max_connections=100",
    "wal_level=minimal",
    "max_wal_senders=0",
    "jit=off",
    "log_checkpoints=off",
    // At `notice` every plan, with its literals, would go to the server's log.
    "log_min_messages=warning",
];
/// Data that goes away needs no care: a commit does not wait for the disk.
const EPHEMERAL_SETTINGS: &[&str] = &["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

pub(crate) const LOG_FOLDER: &str = "log";
/// For `throughline pg-log`: later ones of the same name win.
const LOG_SETTINGS: &[&str] = &[
    "logging_collector=on",
    "log_destination=jsonlog",
    "log_directory=log",
    "log_rotation_size=10MB",
    // The reader knows no other zone by its abbreviation, and no other language.
    "log_timezone=UTC",
    "lc_messages=C",
    "log_lock_waits=on",
    "log_checkpoints=on",
    "log_autovacuum_min_duration=0",
];

/// A Postgres that lives as long as this value, or as this process.
pub struct Server {
    port: u16,
    child: Child,
    keeper: Keeper,
    home: Home,
    passwords: Mutex<BTreeMap<String, String>>,
    logs: bool,
    /// Two bootstraps at a time would update the same rows of the catalogue, which Postgres answers with
    /// "tuple concurrently updated".
    bootstrapping: tokio::sync::Mutex<()>,
}

/// What `postmaster.pid` says; see "postmaster.pid" in Postgres' storage documentation.
struct PidFile {
    pid: i32,
    port: u16,
    status: String,
}

impl Server {
    /// Finds or fetches Postgres, makes the data directory if there is none, starts it and waits until it answers.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let start = move || {
            start(&options).inspect_err(|error| {
                // Somebody else's running server keeps its folder.
                if options.ephemeral && !matches!(error, Error::AlreadyRunning { .. }) {
                    let _ = fs::remove_dir_all(&options.home);
                }
            })
        };
        tokio::task::spawn_blocking(start)
            .await
            .map_err(|e| Error::Io { what: "starting Postgres".to_owned(), error: e.into() })?
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder of data, log and passwords.
    pub fn home(&self) -> &Path {
        &self.home.path
    }

    /// For preparing databases; no service gets it.
    pub fn superuser(&self, database: &str) -> PgConnectOptions {
        self.connect_options(database, SUPERUSER)
    }

    /// `postgres://ROLE:PASSWORD@127.0.0.1:PORT/DATABASE`, for a role of [`Server::bootstrap`].
    pub fn url(&self, database: &str, role: &str) -> String {
        let password = self.password(role).unwrap_or_default();
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// One database and one least-privilege role for each service, all of its name; gives the URLs by service.
    /// Asked again it changes nothing.
    pub async fn bootstrap(&self, services: &[&str]) -> Result<BTreeMap<String, String>, Error> {
        let mut urls = BTreeMap::new();
        for name in services {
            urls.insert((*name).to_owned(), self.bootstrap_one(name, name).await?);
        }
        Ok(urls)
    }

    /// A database that belongs to a role, both made when missing; gives its URL.
    pub async fn bootstrap_one(&self, database: &str, role: &str) -> Result<String, Error> {
        let _one_at_a_time = self.bootstrapping.lock().await;
        let password = self.password_or_new(role)?;
        let service = Service { database, role, password: &password, server_log: self.logs };
        bootstrap(&self.superuser("postgres"), &service).await?;
        Ok(self.url(database, role))
    }

    /// Stops it, within ten seconds: first politely (connections are cut, data is written), then at once.
    pub async fn stop(self) {
        // Dropping blocks for some tens of milliseconds.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    /// Whether it still runs, and if not, its last words.
    pub fn check(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(Some(_)) | Err(_) => {
                Err(Error::Ended { home: self.home.path.clone(), log: self.home.log_tail() })
            }
            Ok(None) => Ok(()),
        }
    }

    fn connect_options(&self, database: &str, role: &str) -> PgConnectOptions {
        // `new_without_pgpass`: only what is said here counts, no file of the user's.
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(role)
            .password(&self.password(role).unwrap_or_default())
            .database(database)
            .ssl_mode(PgSslMode::Disable)
            .disable_statement_logging()
    }

    fn password(&self, role: &str) -> Option<String> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner).get(role).cloned()
    }

    fn password_or_new(&self, role: &str) -> Result<String, Error> {
        let mut passwords = self.passwords.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(password) = passwords.get(role) {
            return Ok(password.clone());
        }
        let password = home::new_password();
        passwords.insert(role.to_owned(), password.clone());
        self.home.write_passwords(&passwords)?;
        Ok(password)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id() as i32);
        // Until it is waited for, the process id cannot belong to another process.
        for signal in [Signal::SIGINT, Signal::SIGQUIT] {
            let _ = kill(pid, signal);
            if wait_until(STOP_DEADLINE, || !matches!(self.child.try_wait(), Ok(None))) {
                break;
            }
        }
        self.keeper.finish();
    }
}

fn start(options: &Options) -> Result<Server, Error> {
    let home = Home::open(options)?;
    let binaries = match Binaries::find(options.bin.as_deref())? {
        Some(found) => found,
        None => Binaries::fetch(&home::cache())?,
    };
    refuse_running(&home)?;

    let mut passwords = home.read_passwords()?;
    if !passwords.contains_key(SUPERUSER) {
        passwords.insert(SUPERUSER.to_owned(), home::new_password());
        home.write_passwords(&passwords)?;
    }
    home.init(&binaries, &passwords[SUPERUSER])?;

    let remove = options.ephemeral.then_some(home.path.as_path());
    let (port, child, keeper) = listen(&home, &binaries, options, remove)?;
    Ok(Server {
        port,
        child,
        keeper,
        home,
        passwords: Mutex::new(passwords),
        logs: options.server_log,
        bootstrapping: tokio::sync::Mutex::default(),
    })
}

fn listen(
    home: &Home,
    binaries: &Binaries,
    options: &Options,
    remove: Option<&Path>,
) -> Result<(u16, Child, Keeper), Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let port = available(options.port.unwrap_or(0))?;
        let mut child = spawn(home, binaries, port, options)?;
        // Before the wait, so that a process that dies while it waits leaves no server either.
        let mut keeper = match Keeper::start(child.id(), &home.data(), remove) {
            Ok(keeper) => keeper,
            Err(e) => {
                let _ = child.kill();
                return Err(Error::io("starting /bin/sh")(e));
            }
        };
        let pid = child.id() as i32;
        let mut ended = false;
        let answered = wait_until(START_DEADLINE, || {
            ended = !matches!(child.try_wait(), Ok(None));
            ended || PidFile::read(home).is_some_and(|file| file.pid == pid && file.status == "ready")
        });
        if answered && !ended {
            return Ok((port, child, keeper));
        }
        let _ = child.kill();
        let _ = child.wait();
        // It is stopped already, and the next try needs the data, even data that goes away in the end.
        keeper.abandon();
        if options.port.is_some() || available(port).is_ok() || tries == FREE_PORT_TRIES {
            return Err(not_started(home));
        }
    }
}

fn spawn(home: &Home, binaries: &Binaries, port: u16, options: &Options) -> Result<Child, Error> {
    let log =
        fs::File::create(home.log()).map_err(Error::io(format!("creating {}", home.log().display())))?;
    let errors = log.try_clone().map_err(Error::io("opening the log twice"))?;
    let mut command: Command = home.command(&binaries.postgres());
    command.arg("-D").arg(home.data()).arg("-p").arg(port.to_string());
    let wanted =
        [(true, SETTINGS), (options.ephemeral, EPHEMERAL_SETTINGS), (options.server_log, LOG_SETTINGS)];
    for setting in wanted.into_iter().filter(|(wanted, _)| *wanted).flat_map(|(_, settings)| settings) {
        command.arg("-c").arg(setting);
    }
    command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        // Ctrl-C in a terminal reaches the whole group; services still have something to write then.
        .process_group(0)
        .spawn()
        .map_err(Error::io(format!("running {}", binaries.postgres().display())))
}

/// A pid file that outlived its server (kill -9, power loss, a container started again) is removed; one of a
/// server that stops is waited for.
fn refuse_running(home: &Home) -> Result<(), Error> {
    let mut running = None;
    wait_until(PREDECESSOR_DEADLINE, || {
        running = PidFile::read(home).filter(|file| runs_on(file.pid, &home.data()));
        running.is_none()
    });
    if let Some(PidFile { pid, port, .. }) = running {
        return Err(Error::AlreadyRunning { home: home.path.clone(), pid, port });
    }
    let _ = fs::remove_file(home.data().join("postmaster.pid"));
    Ok(())
}

/// Whether the process is a Postgres on this very data. The number alone proves nothing: a container started
/// again gives the same numbers to other processes.
fn runs_on(pid: i32, data: &Path) -> bool {
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok().or_else(|| {
        // No /proc on macOS.
        let output =
            Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output().ok()?;
        Some(output.stdout)
    });
    command_line.is_some_and(|line| String::from_utf8_lossy(&line).contains(&*data.to_string_lossy()))
}

/// The port itself, or a free one for 0.
fn available(port: u16) -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|_| Error::PortTaken(port))
}

fn not_started(home: &Home) -> Error {
    Error::NotStarted { home: home.path.clone(), log: home.log_tail() }
}

/// Asks until the answer is yes; false when the deadline passes first.
fn wait_until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() > deadline {
            return false;
        }
        std::thread::sleep(POLL);
    }
}

impl PidFile {
    /// Lines: process, data directory, start time, port, socket directory, address, shared memory, status.
    fn read(home: &Home) -> Option<Self> {
        let text = fs::read_to_string(home.data().join("postmaster.pid")).ok()?;
        let line = |n| text.lines().nth(n).unwrap_or("").trim();
        Some(Self {
            pid: line(0).parse().ok()?,
            port: line(3).parse().unwrap_or(0),
            status: line(7).to_owned(),
        })
    }
}
