//! What stops the server when we die: a shell at the other end of a pipe.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Reads until the pipe closes; then stops Postgres (INT is its "fast" shutdown), if the pid file still names it,
/// and removes the folder, if there is one to remove. 20 seconds at most: data that long in use is left alone.
const SCRIPT: &str = r#"
pid=$1 data=$2 remove=$3
cat >/dev/null
if [ "$(head -n 1 "$data/postmaster.pid" 2>/dev/null)" = "$pid" ]; then
  tries=0
  if kill -INT "$pid"; then
    while [ -e "$data/postmaster.pid" ] && [ $tries -lt 400 ]; do sleep 0.05; tries=$((tries + 1)); done
  fi
fi
if [ -n "$remove" ]; then rm -rf "$remove"; fi
"#;

/// Linux's parent-death signal would be shorter, but it follows the *thread* that started the child (a test's
/// ends with the test), is lost when the user changes, and macOS has none.
pub(crate) struct Keeper(Child);

impl Keeper {
    /// The pipe's end of ours is close-on-exec, so no other child of this process holds it open.
    pub(crate) fn start(postgres: u32, data: &Path, remove: Option<&Path>) -> io::Result<Self> {
        Command::new("/bin/sh")
            .args(["-c", SCRIPT, "dev-postgres-keeper"])
            .arg(postgres.to_string())
            .arg(data)
            .arg(remove.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // A group of its own: Ctrl-C in a terminal must not end it before the server.
            .process_group(0)
            .spawn()
            .map(Self)
    }

    /// Ends it without its work being done.
    pub(crate) fn abandon(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Lets the keeper do its work and waits until it is done.
    pub(crate) fn finish(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
