//! The web apps: built when their sources are newer than the build, and not looked at otherwise.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

use anyhow::Context as _;
use tokio::process::Command;

use super::plan::Plan;
use super::progress::Progress;

/// The npm workspaces, each with `src/` and a build in `dist/`.
const APPS: [&str; 2] = ["frontend-proxy/web", "crates/console/ui"];
/// What a build reads; `dist` and `node_modules` change without the sources changing.
const NOT_SOURCES: [&str; 3] = ["dist", "node_modules", "test-results"];
/// npm's own mark of what is installed; it is written at the end of each install.
const INSTALLED: &str = "node_modules/.package-lock.json";
const INSTALL_NODE: &str =
    "apt-get install -y nodejs npm (Debian 13; elsewhere https://nodejs.org, 20.19 or newer)";
/// How much of a failed command's output is shown.
const LAST_LINES: usize = 20;

pub(crate) async fn web_apps(plan: &Plan, progress: &Progress) -> anyhow::Result<()> {
    let root = plan.root();
    if stale(root).is_empty() {
        return Ok(());
    }
    // Two launchers of one clone (a test beside `up`) take turns; the second finds the work done.
    let _turn = take_turn(root).await?;
    let apps = stale(root);
    if apps.is_empty() {
        return Ok(());
    }
    if newer(modified(&root.join("package-lock.json")), modified(&root.join(INSTALLED))) {
        let step = progress.step("installing the web apps' packages (npm ci)", true);
        npm(root, &["ci"]).await?;
        step.done("the web apps' packages are installed");
    }
    for app in apps {
        let step = progress.step(&format!("building {app} (npm run build)"), true);
        npm(root, &["run", "build", "--workspace", app]).await?;
        step.done(&format!("{app} is built"));
    }
    Ok(())
}

/// The apps whose sources, or packages, are newer than their build.
fn stale(root: &Path) -> Vec<&'static str> {
    let lock = modified(&root.join("package-lock.json"));
    APPS.into_iter()
        .filter(|app| {
            let folder = root.join(app);
            let sources = newest(&folder).max(lock);
            folder.join("package.json").exists() && newer(sources, modified(&folder.join("dist/index.html")))
        })
        .collect()
}

fn newer(a: Option<SystemTime>, b: Option<SystemTime>) -> bool {
    a.is_some_and(|a| b.is_none_or(|b| a > b))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// The newest change below `folder`.
fn newest(folder: &Path) -> Option<SystemTime> {
    let mut newest = None;
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if NOT_SOURCES.iter().any(|other| name == *other) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) => newest = newest.max(modified(&entry.path())),
                Err(_) => {}
            }
        }
    }
    newest
}

async fn take_turn(root: &Path) -> anyhow::Result<File> {
    let folder = root.join(".throughline");
    fs::create_dir_all(&folder).with_context(|| format!("can't create {}", folder.display()))?;
    let file = File::create(folder.join("web-build.lock"))?;
    tokio::task::spawn_blocking(move || {
        file.lock()?;
        Ok(file)
    })
    .await?
}

async fn npm(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| {
            anyhow::anyhow!(
                "the web apps are older than their sources, and npm can't build them ({e}); install it with: \
                 {INSTALL_NODE}, or serve the old ones with --no-web-build"
            )
        })?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    // The tool's words, without npm's postscript and without stacks.
    let says = |line: &&str| !line.starts_with("npm error") && !line.trim_start().starts_with("at ");
    let lines: Vec<&str> = text.lines().filter(says).collect();
    let tail = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
    anyhow::bail!("`npm {}` failed ({}):\n  {tail}", arguments.join(" "), output.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_stale_when_any_source_is_newer() {
        let root = std::env::temp_dir().join(format!("throughline-prepare-{}", std::process::id()));
        let app = root.join(APPS[0]);
        fs::create_dir_all(app.join("src/deep")).unwrap();
        fs::create_dir_all(app.join("dist")).unwrap();
        let write = |path: &str, age: u64| {
            let file = File::create(app.join(path)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000 - age)).unwrap();
        };
        write("package.json", 50);
        write("src/deep/app.tsx", 40);
        assert_eq!(stale(&root), [APPS[0]], "never built");
        write("dist/index.html", 30);
        assert!(stale(&root).is_empty(), "up to date, and an app without package.json is none");
        write("src/deep/app.tsx", 20);
        assert_eq!(stale(&root), [APPS[0]], "a source is newer");
        fs::remove_dir_all(root).unwrap();
    }
}
