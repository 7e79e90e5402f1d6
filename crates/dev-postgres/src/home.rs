//! The folder of a server: where it lies, who owns it, and the passwords in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Uid, User};

use crate::binaries::Binaries;
use crate::{Error, Options};

pub(crate) const SUPERUSER: &str = "postgres";

/// Postgres refuses to run as root; these are tried in this order.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// How many of the last lines of the log an error quotes.
const LOG_LINES: usize = 4;

/// A folder with `data/`, `postgres.log` and `passwords.json`.
pub(crate) struct Home {
    pub(crate) path: PathBuf,
    /// Whom the server runs as; `None` is whoever we are.
    user: Option<User>,
}

impl Home {
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        let path = options.home.clone();
        fs::create_dir_all(&path).map_err(Error::io(format!("creating {}", path.display())))?;
        let user = if Uid::effective().is_root() { unprivileged_user() } else { None };
        if user.is_some() {
            // The server's user has to pass through here, whatever root's umask is. The secrets below have modes
            // of their own.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
                .map_err(Error::io(format!("opening {} to the server's user", path.display())))?;
        }
        Ok(Self { path, user })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("postgres.log")
    }

    /// A command that runs as the server's user, away from our working directory and environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // PGPORT, PGDATA and the like would override what we say; LC_ALL must be set on macOS.
        command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    /// Makes the data directory, unless there is one.
    pub(crate) fn init(&self, binaries: &Binaries, superuser_password: &str) -> Result<(), Error> {
        if self.data().join("PG_VERSION").exists() {
            return Ok(());
        }
        // Made aside and renamed when whole: an interrupted initdb leaves nothing that looks like data.
        let partial = self.path.join("data.partial");
        let password = self.path.join("password.tmp");
        let _ = fs::remove_dir_all(&partial);
        fs::create_dir(&partial).map_err(Error::io(format!("creating {}", partial.display())))?;
        write_secret(&password, superuser_password)?;
        self.give(&partial)?;
        self.give(&password)?;
        let made = self.initdb(binaries, &partial, &password);
        let _ = fs::remove_file(&password);
        made.map_err(|output| Error::Initdb { home: self.path.clone(), output })?;
        fs::rename(&partial, self.data()).map_err(Error::io(format!("renaming {}", partial.display())))
    }

    /// C.UTF-8 folds the case of all letters, but not every system has it.
    fn initdb(&self, binaries: &Binaries, data: &Path, password: &Path) -> Result<(), String> {
        let mut failure = String::new();
        for locale in ["C.UTF-8", "C"] {
            let mut initdb = self.command(&binaries.initdb());
            initdb.arg("--pgdata").arg(data).arg("--pwfile").arg(password);
            initdb.args(["--username", SUPERUSER, "--auth", "scram-sha-256", "--encoding", "UTF8"]);
            // Waiting for the disk takes seconds, and nobody has data here yet.
            initdb.args(["--locale", locale, "--no-sync"]);
            let output = initdb.output().map_err(|e| e.to_string())?;
            if output.status.success() {
                return Ok(());
            }
            failure = last_lines(&String::from_utf8_lossy(&output.stderr));
        }
        Err(failure)
    }

    /// The last lines of the server's log, as one.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let tail = last_lines(&String::from_utf8_lossy(&log));
        if tail.is_empty() { format!("it wrote nothing to {}", self.log().display()) } else { tail }
    }

    pub(crate) fn read_passwords(&self) -> Result<BTreeMap<String, String>, Error> {
        let path = self.path.join("passwords.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(std::io::Error::other)
                .map_err(Error::io(format!("reading {}", path.display()))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(e) => Err(Error::io(format!("reading {}", path.display()))(e)),
        }
    }

    pub(crate) fn write_passwords(&self, passwords: &BTreeMap<String, String>) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(passwords).expect("a map of strings is JSON");
        let (path, partial) = (self.path.join("passwords.json"), self.path.join("passwords.json.partial"));
        write_secret(&partial, &text)?;
        fs::rename(&partial, &path).map_err(Error::io(format!("writing {}", path.display())))
    }

    fn give(&self, path: &Path) -> Result<(), Error> {
        let Some(user) = &self.user else { return Ok(()) };
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(Error::io(format!(
            "giving {} to {}",
            path.display(),
            user.name
        )))
    }
}

const ROOT_HOME: &str = "/var/lib/throughline";

/// Two clones have two homes. A user other than root keeps it in the clone; root cannot, since the unprivileged
/// user that runs the server may not enter `/root`.
pub(crate) fn for_clone(root: &Path) -> PathBuf {
    if Uid::effective().is_root() {
        let real = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let hash = fnv1a(real.as_os_str().as_encoded_bytes());
        Path::new(ROOT_HOME).join(format!("{hash:016x}")).join("postgres")
    } else {
        root.join(".throughline/postgres")
    }
}

/// Where a fetched Postgres is kept: once per machine for root, else once per user.
pub(crate) fn cache() -> PathBuf {
    if Uid::effective().is_root() {
        return PathBuf::from(ROOT_HOME);
    }
    let user = User::from_uid(Uid::effective()).ok().flatten();
    user.map_or_else(std::env::temp_dir, |user| user.dir.join(".cache")).join("throughline")
}

pub(crate) fn temporary() -> PathBuf {
    // Root's TMPDIR may lie where the server's user cannot go.
    let folder = if Uid::effective().is_root() { PathBuf::from("/tmp") } else { std::env::temp_dir() };
    folder.join(format!("throughline-postgres-{:016x}", rand::random::<u64>()))
}

pub(crate) fn new_password() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn unprivileged_user() -> Option<User> {
    UNPRIVILEGED.into_iter().find_map(|name| User::from_name(name).ok().flatten())
}

fn write_secret(path: &Path, text: &str) -> Result<(), Error> {
    let _ = fs::remove_file(path);
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Error::io(format!("writing {}", path.display())))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join(" | ")
}

/// 64-bit FNV-1a: the standard library's hasher may change between releases, and with it the folder of the data.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_published_one() {
        // Test vectors of the FNV page (Noll): "" and "foobar".
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn each_clone_has_a_home_of_its_own() {
        let (one, other) = (for_clone(Path::new("/root/one")), for_clone(Path::new("/root/other")));
        assert_ne!(one, other);
        let parent = if Uid::effective().is_root() { ROOT_HOME } else { "/root/one/.throughline" };
        assert!(one.starts_with(parent), "{}", one.display());
    }

    #[test]
    fn an_error_quotes_the_last_lines_as_one() {
        assert_eq!(last_lines("a\nb\n\nc\nd\n  e\n"), "b | c | d | e");
    }
}
