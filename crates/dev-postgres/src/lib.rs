#![doc = include_str!("../README.md")]

mod server;

mod binaries;
mod bootstrap;
mod home;
mod keeper;

use std::path::{Path, PathBuf};

pub use binaries::Binaries;
pub use bootstrap::{Service, bootstrap, bootstrap_url};
pub use server::Server;

/// The port of the development Postgres: beside 5432, where another one may already listen.
pub const DEFAULT_PORT: u16 = 5433;

/// Where the server lives and how careful it is with its data.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of `data/`, `postgres.log` and `passwords.json`. Created when missing.
    pub home: PathBuf,
    /// `None` takes a free one.
    pub port: Option<u16>,
    /// The folder of `postgres` and `initdb`, if it is known (`PG_BIN`).
    pub bin: Option<PathBuf>,
    /// Whether the data goes away with the server; then nothing is synced to disk either.
    pub ephemeral: bool,
    /// Whether the server writes a log (`jsonlog`, Postgres 15) with the errors and waits of the services: for
    /// `throughline pg-log`. It may be another at the next start.
    pub server_log: bool,
}

/// Why there is no Postgres. Each message is one line and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "no Postgres on this machine, and fetching one failed: {cause}; install it with: {}",
        binaries::INSTALL
    )]
    NotFound { cause: String },
    #[error("{} holds no usable postgres and initdb", .0.display())]
    NotInBin(PathBuf),
    #[error("port {0} is taken, so Postgres cannot listen on it; choose another or stop what listens there")]
    PortTaken(u16),
    #[error("a Postgres already runs on {} (process {pid}, port {port}); stop it first", home.display())]
    AlreadyRunning { home: PathBuf, pid: i32, port: u16 },
    #[error("initdb failed in {}: {output}", home.display())]
    Initdb { home: PathBuf, output: String },
    #[error("Postgres did not start on {}: {log}; if its data is of no worth, delete the folder", home.display())]
    NotStarted { home: PathBuf, log: String },
    #[error("the server of {} ended, and said last: {log}", home.display())]
    Ended { home: PathBuf, log: String },
    // Told here, so they are no sources, which would be told once more.
    #[error("{what}: {error}")]
    Io { what: String, error: std::io::Error },
    #[error("{what}: {error}")]
    Sql { what: String, error: sqlx::Error },
}

impl Options {
    /// The Postgres of a clone of this repository: its data stays, its port is [`DEFAULT_PORT`].
    pub fn for_clone(root: &Path) -> Self {
        Self {
            home: home::for_clone(root),
            port: Some(DEFAULT_PORT),
            bin: None,
            ephemeral: false,
            server_log: false,
        }
    }

    /// A throw-away Postgres on a free port.
    pub fn ephemeral() -> Self {
        Self { home: home::temporary(), port: None, bin: None, ephemeral: true, server_log: false }
    }

    /// Where the log is, if it is written.
    pub fn server_log_folder(&self) -> PathBuf {
        self.home.join("data").join(server::LOG_FOLDER)
    }
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }

    pub(crate) fn sql(what: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let what = what.into();
        move |error| Self::Sql { what, error }
    }
}
