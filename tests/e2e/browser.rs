//! A real browser clicks in the app; what follows is one tree, and the browser's span is its root.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::system::shared;
use crate::trace::{self, text};

const CHROMIUM: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome-headless-shell"];
const INSTALL: &str = "apt-get install -y chromium && npm ci";

/// The traces of what was clicked.
pub(crate) struct Clicks {
    pub(crate) home: String,
    pub(crate) profile: String,
    pub(crate) post: String,
}

pub(crate) const EVERYONE: [&str; 5] = ["cruddur-web", "frontend-proxy", "gateway", "activities", "users"];

#[test]
fn a_click_is_the_root_of_one_tree() {
    let Some(Clicks { home, post, .. }) = clicks() else { return };
    let system = shared();
    let home = system.trace(home, &EVERYONE);
    let post = system.trace(post, &EVERYONE);
    for trace in [&home, &post] {
        let roots = trace::roots(trace);
        assert_eq!(roots[0].service, "cruddur-web", "{}", trace::tree(trace));
        let in_postgres = |span: &&console::wire::Span| text(span, "db.system.name") == Some("postgresql");
        assert!(trace.spans.iter().any(|span| in_postgres(&span)), "{}", trace::tree(trace));
    }
}

/// Clicks in a browser, once for all tests; `None` where there is none, which is said aloud.
pub(crate) fn clicks() -> Option<&'static Clicks> {
    static CLICKS: OnceLock<Option<Clicks>> = OnceLock::new();
    CLICKS.get_or_init(click).as_ref()
}

fn click() -> Option<Clicks> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (chromium, system) = (ready()?, shared());
    let person = system.sign_up();
    let output = Command::new("node")
        .arg(root.join("tests/e2e/browser.mjs"))
        .env("CHROMIUM", &chromium)
        .env("WEB", &system.at.web)
        .env("CONSOLE", &system.at.console)
        .env("HANDLE", &person.handle)
        .env("PASSWORD", &person.password)
        .env("SCREENSHOTS", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // One line for each action: its name and the trace id that the page linked to.
    let trace_of = |action: &str| {
        said.lines()
            .find_map(|line| line.strip_prefix(action)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("the browser told no trace of {action}: {said}"))
            .to_owned()
    };
    Some(Clicks { home: trace_of("home"), profile: trace_of("profile"), post: trace_of("post") })
}

/// The browser, and all that it takes to drive it; `None` where something is missing, which is said aloud.
pub(crate) fn ready() -> Option<String> {
    let Some(chromium) = chromium() else {
        skip("there is no Chromium");
        return None;
    };
    // Its start installs the web apps' packages, and playwright-core with them.
    shared();
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node_modules/playwright-core").is_dir() {
        skip("playwright-core is not installed");
        return None;
    }
    Some(chromium)
}

/// `CHROMIUM`, else what is on the PATH.
fn chromium() -> Option<String> {
    if let Ok(path) = std::env::var("CHROMIUM") {
        return Some(path);
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let found = CHROMIUM
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|p| p.is_file());
    found.map(|path| path.display().to_string())
}

/// Loud, and past the capture of test output: a skipped test must not look like a passed one. Where the browser must
/// be there (`THROUGHLINE_REQUIRE_BROWSER`), it fails instead.
fn skip(why: &str) {
    use std::io::Write as _;
    assert!(std::env::var_os("THROUGHLINE_REQUIRE_BROWSER").is_none(), "{why}; install it with: {INSTALL}");
    let line = format!("\n*** SKIPPED: the browser test, since {why}. Install it with: {INSTALL} ***\n\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
