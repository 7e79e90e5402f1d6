//! Names this build: `git describe --tags`, so that `service.version` on every span leads to a commit.

#![allow(clippy::print_stdout, reason = "a build script speaks to Cargo on standard output")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=THROUGHLINE_VERSION");
    // A new commit or tag is a new version; a path that doesn't exist would rebuild every time.
    for file in ["HEAD", "packed-refs", "refs/heads", "refs/tags"].map(|name| format!("../../.git/{name}")) {
        if Path::new(&file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    let given = std::env::var("THROUGHLINE_VERSION").ok().filter(|version| !version.is_empty());
    // An image is built without the repository: there the variable, or the crate's own version, has to do.
    let version = given.or_else(describe).unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
    println!("cargo::rustc-env=THROUGHLINE_VERSION={version}");
}

fn describe() -> Option<String> {
    let output = Command::new("git").args(["describe", "--tags", "--always"]).output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !version.is_empty()).then_some(version)
}
