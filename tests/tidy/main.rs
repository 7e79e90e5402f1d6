//! The rules of the house that a compiler can't keep, each with its reason.
//!
//! They read the sources as text; a rule that fails names the file, the line and why the rule is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The services of the demonstration. They speak HTTP to each other and never link each other.
const SERVICES: [&str; 4] = ["gateway", "activities", "users", "frontend-proxy"];
/// The tools around the demonstration. The services build, run and trace without them.
const TOOLS: [&str; 5] = ["console", "query", "vendor-apis", "dev-postgres", "throughline"];
/// The crates of the OpenTelemetry SDK. `opentelemetry-proto` is a wire format and not among them.
const OTEL_SDK: [&str; 6] = [
    "opentelemetry",
    "opentelemetry_sdk",
    "opentelemetry-otlp",
    "opentelemetry-http",
    "opentelemetry-semantic-conventions",
    "tracing-opentelemetry",
];

struct Package {
    name: String,
    folder: PathBuf,
    dependencies: BTreeSet<String>,
}

struct Source {
    path: PathBuf,
    text: String,
}

#[test]
fn no_service_depends_on_another_service_or_on_a_tool() {
    let packages = packages();
    for service in SERVICES {
        for other in SERVICES.iter().chain(&TOOLS).filter(|other| **other != service) {
            assert!(
                !reaches(&packages, service, other),
                "{service} links {other}: services speak HTTP to each other, and trace without the tools"
            );
        }
    }
}

#[test]
fn only_telemetry_and_sinks_name_the_opentelemetry_sdk() {
    for package in packages().values() {
        if matches!(package.name.as_str(), "telemetry" | "sinks") {
            continue;
        }
        for sdk in OTEL_SDK {
            assert!(
                !package.dependencies.contains(sdk),
                "{} names {sdk}: a service says `telemetry::init` and `#[tracing::instrument]`, nothing of exporters",
                package.name
            );
        }
    }
}

#[test]
fn only_telemetry_sets_the_globals() {
    forbid(
        &["global::set_tracer_provider", "global::set_text_map_propagator", "set_global_default"],
        |path| path.starts_with("crates/telemetry/"),
        "two places that set a global overwrite each other without a word",
    );
}

#[test]
fn the_translators_do_no_io_and_know_no_sdk() {
    let packages = packages();
    for pure in ["xray", "pg-plan"] {
        for forbidden in OTEL_SDK.iter().chain(&["tokio", "actix-web", "sqlx", "ureq"]) {
            assert!(
                !packages[pure].dependencies.contains(*forbidden),
                "{pure} depends on {forbidden}: it is a pure translator"
            );
        }
    }
    forbid(
        &["TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs", "std::fs", "std::thread"],
        |path| !(path.starts_with("crates/xray/src") || path.starts_with("crates/pg-plan/src")),
        "a pure translator opens nothing",
    );
}

#[test]
fn only_config_reads_the_environment() {
    forbid(
        &["std::env::var", "env::vars", "Env::from_process"],
        |path| {
            path.starts_with("crates/env/")
                || path.starts_with("crates/dev-postgres/") // looks for programs on PATH
                || path.starts_with("crates/throughline/src")
                || path.starts_with("crates/test-support/")
                || path.ends_with("config.rs")
                || is_test(path)
        },
        "configuration is read once, as data, so that a bad value stops the process with one line",
    );
}

#[test]
fn only_the_store_of_a_service_names_sqlx() {
    for service in SERVICES {
        let folder = package_folder(service).join("src");
        forbid(
            &["sqlx::", "use sqlx"],
            |path| {
                !path.starts_with(&folder)
                    || path.ends_with("store.rs")
                    || path.components().any(|c| c.as_os_str() == "store")
            },
            "SQL has one room, the store; everything else asks it",
        );
    }
}

#[test]
fn a_service_has_the_rooms_a_reader_expects() {
    for service in ["gateway", "activities", "users"] {
        for room in ["lib.rs", "config.rs", "error.rs", "routes.rs", "routes"] {
            let path = package_folder(service).join("src").join(room);
            assert!(
                root().join(&path).exists(),
                "{} is missing: every service has the same file names",
                path.display()
            );
        }
    }
    for store in ["activities", "users"] {
        for room in ["src/store.rs", "sql", "migrations", ".sqlx"] {
            let path = package_folder(store).join(room);
            assert!(root().join(&path).exists(), "{} is missing", path.display());
        }
    }
}

/// A key written twice is a key misspelt once, and then a column that stays empty.
#[test]
fn every_attribute_key_is_written_once() {
    let home = "crates/telemetry/src/attributes.rs";
    let text = fs::read_to_string(root().join(home)).unwrap();
    let keys: Vec<&str> = text
        .lines()
        .filter(|line| line.trim_start().starts_with("pub const"))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    assert!(keys.len() > 3, "{home} declares the keys of the workspace as `pub const`");
    assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len(), "{home} declares a key twice");
    for source in sources("rs") {
        if source.path == Path::new(home)
            || is_test(&source.path)
            || source.path.starts_with("crates/console")
        {
            continue;
        }
        for key in &keys {
            let quoted = format!("\"{key}\"");
            assert!(
                !production(&source.text).contains(&quoted),
                "{} writes {quoted} again; use the constant of {home}",
                source.path.display()
            );
        }
    }
}

#[test]
fn tests_wait_for_facts_and_are_never_switched_off() {
    forbid(
        &[concat!("#[", "ignore"), concat!("assert!(", "true)"), concat!("#[", "serial")],
        |_| false,
        "a test that is switched off or can't fail is worse than none",
    );
}

#[test]
fn every_crate_has_a_readme_and_a_line_in_the_architecture() {
    let architecture = fs::read_to_string(root().join("crates/README.md")).unwrap();
    for package in packages().values() {
        let readme = package.folder.join("README.md");
        assert!(root().join(&readme).is_file(), "{} is missing: it is the crate's rustdoc", readme.display());
        assert!(
            architecture.contains(&format!("`{}`", package.name)),
            "crates/README.md does not speak of `{}`",
            package.name
        );
    }
}

#[test]
fn the_readme_gives_the_commands_that_ci_runs() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    for command in ["cargo run --release", "cargo test --workspace"] {
        assert!(
            readme.lines().any(|line| line.trim() == command),
            "README.md does not give `{command}` on a line of its own"
        );
    }
    assert!(ci.contains("cargo test --workspace"), ".ci/run does not run the README's test command");
}

/// The app and the console are apart, and neither asks the service for them.
#[test]
fn the_faults_of_the_laboratory_have_the_same_names_everywhere() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let said = |path: &str| -> BTreeMap<String, String> {
        let text = read(path);
        let (_, rest) = text.split_once("FAULTS = {").expect(path);
        let (block, _) = rest.split_once('}').expect(path);
        let entries = block.lines().filter_map(|line| line.split_once(':'));
        let plain = |text: &str| text.trim().trim_matches([',', '\'']).to_owned();
        entries.map(|(name, text)| (plain(name), plain(text))).collect()
    };
    let app = said("frontend-proxy/web/src/laboratory.ts");
    assert_eq!(app, said("crates/console/ui/src/setup/Laboratory.tsx"));

    let service: BTreeSet<String> = read("crates/activities/src/lab.rs")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(\"")?.split_once("\", Self::"))
        .map(|(name, _)| name.to_owned())
        .collect();
    let page = read("docs/laboratory.md");
    let page: BTreeSet<String> =
        page.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    assert_eq!(service.len(), 7, "{service:?}");
    assert_eq!(service, page);
    assert_eq!(service, app.into_keys().collect());
}

#[test]
fn lock_files_name_no_download_address() {
    let lock = fs::read_to_string(root().join("package-lock.json")).unwrap();
    assert!(
        !lock.contains("\"resolved\": \"http"),
        "package-lock.json ties a clone to one registry's address; .npmrc leaves it out"
    );
}

// -- the machinery --

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn package_folder(name: &str) -> PathBuf {
    if name == "frontend-proxy" { PathBuf::from(name) } else { Path::new("crates").join(name) }
}

/// The members of the workspace with the names of their ordinary dependencies, as their Cargo.toml writes them.
fn packages() -> BTreeMap<String, Package> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    members
        .lines()
        .filter_map(|line| line.split('"').nth(1))
        .map(|folder| {
            let name = folder.rsplit('/').next().unwrap().to_owned();
            let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
            let dependencies = text
                .split("\n[")
                .filter(|section| section.starts_with("dependencies]"))
                .flat_map(|section| section.lines().skip(1))
                .filter_map(|line| line.split(['.', ' ', '=']).next())
                .filter(|dependency| !dependency.is_empty() && !dependency.starts_with('#'))
                .map(str::to_owned)
                .collect();
            (name.clone(), Package { name, folder: folder.into(), dependencies })
        })
        .collect()
}

fn reaches(packages: &BTreeMap<String, Package>, from: &str, to: &str) -> bool {
    packages.get(from).is_some_and(|package| {
        package.dependencies.iter().any(|dependency| dependency == to || reaches(packages, dependency, to))
    })
}

/// Every source file of the workspace with this ending, with its path from the root.
fn sources(ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates"), root().join("frontend-proxy"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | "node_modules" | "dist" | "peers") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == ending) {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path: path.strip_prefix(root()).unwrap().to_owned(), text });
            }
        }
    }
    assert!(found.len() > 20, "the walk over the sources found only {} files", found.len());
    found
}

fn is_test(path: &Path) -> bool {
    path.components().any(|c| matches!(c.as_os_str().to_str(), Some("tests" | "benches" | "examples")))
        || path.ends_with("build.rs")
}

/// The text before the file's own tests.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn forbid(needles: &[&str], allowed: impl Fn(&Path) -> bool, why: &str) {
    let mut broken = Vec::new();
    for source in sources("rs") {
        if allowed(&source.path) || source.path.starts_with("tests/tidy") {
            continue;
        }
        for (number, line) in production(&source.text).lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for needle in needles {
                if line.contains(needle) {
                    broken.push(format!("{}:{}: {needle}", source.path.display(), number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{why}:\n{}", broken.join("\n"));
}
