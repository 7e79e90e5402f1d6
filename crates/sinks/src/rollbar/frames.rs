//! A backtrace as Rollbar's frames: the newest call last, the runtime's own frames left out.
//!
//! The standard library keeps its frames to itself (`backtrace_frames` is unstable) and prints them; the crate that would hand
//! them out brings a second copy of the same DWARF reader.

use std::backtrace::Backtrace;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Serialize;

/// rollbar.js 3.1.0 keeps the first and last 30 only when an item is too large; a stack of ours is short, since the
/// runtime's frames are left out.
const MAX_FRAMES: usize = 100;
/// Of a line of source; of a file.
const MAX_CODE: usize = 240;
const MAX_SOURCE_BYTES: u64 = 1024 * 1024;
/// The workspace that this was built from: files below it are named from there, so that every clone groups alike. An image
/// holds the binary without the sources, hence by name alone where there is no such folder.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/"));
    fs::canonicalize(root).unwrap_or_else(|_| root.to_owned())
});
/// What paths of libraries hold: the standard library's sources; Cargo's registry and checkouts, wherever its home is; a
/// vendored folder.
const OF_LIBRARIES: [&str; 6] =
    ["/rustc/", "/library/std/", "/library/core/", "/registry/src/", "/git/checkouts/", "/vendor/"];
/// Ours, and no part of what went wrong: they stand around every request, or were called to tell of it.
const TELLERS: [&str; 4] = [
    "telemetry/src/actix/",
    "telemetry/src/errors.rs",
    "telemetry/src/log.rs",
    "sinks/src/rollbar/client.rs",
];

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Frame {
    pub(super) filename: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lineno: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) colno: Option<u32>,
    pub(super) method: String,
    /// The line of source, where the source is: on a developer's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
}

/// Resolves, which takes milliseconds, and a second for the first time in a debug build.
pub(super) fn frames(backtrace: &Backtrace) -> Vec<Frame> {
    let mut frames = parse(&backtrace.to_string());
    frames.truncate(MAX_FRAMES);
    let mut sources = HashMap::new();
    for frame in &mut frames {
        frame.code = code(frame, &mut sources);
        frame.filename = from_root(&frame.filename);
    }
    frames.retain(|frame| !TELLERS.iter().any(|teller| frame.filename.contains(teller)));
    frames.reverse();
    frames
}

/// The text that the standard library prints, the newest call first:
///
/// ```text
///    3: activities::store::Store::home
///              at ./crates/activities/src/store.rs:120:9
/// ```
fn parse(text: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        if let Some(place) = line.strip_prefix("at ") {
            let Some(frame) = frames.last_mut() else { continue };
            let mut parts = place.rsplitn(3, ':');
            let (column, row, file) = (parts.next(), parts.next(), parts.next());
            if let (Some(column), Some(row), Some(file)) = (column, row, file) {
                frame.colno = column.parse().ok();
                frame.lineno = row.parse().ok();
                file.clone_into(&mut frame.filename);
            }
        } else if let Some((number, method)) = line.split_once(": ")
            && number.bytes().all(|b| b.is_ascii_digit())
        {
            frames.push(Frame { method: readable(method).to_owned(), ..Frame::default() });
        }
    }
    let known = frames.iter().any(|frame| !frame.filename.is_empty());
    frames.retain(|frame| if known { is_ours(&frame.filename) } else { !is_of_runtime(&frame.method) });
    for frame in frames.iter_mut().filter(|frame| frame.filename.is_empty()) {
        // A build without debug information; Rollbar wants a name.
        "unknown".clone_into(&mut frame.filename);
    }
    frames
}

/// C's frames lie below those of Rust's runtime.
fn is_ours(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|it| it == "rs")
        && !OF_LIBRARIES.iter().any(|part| file.contains(part))
}

fn is_of_runtime(method: &str) -> bool {
    let path = method.trim_start_matches(['<', '&']);
    [
        "std::",
        "core::",
        "alloc::",
        "tokio::",
        "actix_",
        "__rust",
        "rust_begin_unwind",
        "throughline_telemetry::",
        "throughline_sinks::",
    ]
    .iter()
    .any(|runtime| path.starts_with(runtime))
}

/// Without the hash at the end of older symbols (`name::h0123456789abcdef`), and without the type arguments of an inlined
/// function, which may be a screen of text (`poll<Box<..>>`).
fn readable(method: &str) -> &str {
    let name = match method.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => name,
        _ => method,
    };
    match name.split_once('<') {
        Some((bare, _)) if name.ends_with('>') && !bare.is_empty() => bare,
        _ => name,
    }
}

/// The standard library names files from the current folder, where they lie below it.
fn from_root(file: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let whole = here.join(file.strip_prefix("./").unwrap_or(file));
    let inside = whole.strip_prefix(&*ROOT).ok().and_then(|path| path.to_str());
    inside.unwrap_or(file).to_owned()
}

fn code(frame: &Frame, sources: &mut HashMap<String, Option<String>>) -> Option<String> {
    let source = sources.entry(frame.filename.clone()).or_insert_with(|| source(&frame.filename));
    let line = source.as_ref()?.lines().nth(frame.lineno?.checked_sub(1)? as usize)?.trim();
    Some(line[..line.floor_char_boundary(MAX_CODE)].to_owned())
}

fn source(file: &str) -> Option<String> {
    let small = fs::metadata(file).ok()?.len() <= MAX_SOURCE_BYTES;
    small.then(|| fs::read_to_string(file).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_one_is_read() {
        let frames = parse(&Backtrace::force_capture().to_string());
        let here = frames.iter().find(|frame| frame.method.ends_with("a_real_one_is_read"));
        let here = here.expect("a debug build knows its frames");
        assert_eq!(from_root(&here.filename), "crates/sinks/src/rollbar/frames.rs");
        assert!(here.lineno.is_some() && here.colno.is_some(), "{here:?}");
        assert!(frames.iter().all(|frame| !frame.filename.contains("/rustc/")), "{frames:#?}");
    }

    #[test]
    fn only_our_own_frames_the_newest_last() {
        let text = "\
   0: std::backtrace::Backtrace::create
             at /rustc/abc/library/std/src/backtrace.rs:331:13
   2: service::problem::Problem::internal::h0123456789abcdef
             at ./crates/service/src/problem.rs:107:9
   3: <activities::store::Store as x::Y<a::B>>::home::{{closure}}
             at ./crates/activities/src/store.rs:120:9
   4: <F as actix_web::handler::Handler<Args>>::call
             at /root/.cargo/registry/src/index/actix-web-4.0.0/src/handler.rs:1:2
   5: <L as tracing_subscriber::layer::Layer<S>>::event_enabled
             at /usr/local/cargo/registry/src/index.crates.io-0123456789abcdef/tracing-subscriber-0.3.0/src/layer.rs:1:2
   6: main";
        let told: Vec<_> =
            parse(text).into_iter().map(|f| format!("{} {} {:?}", f.method, f.filename, f.lineno)).collect();
        assert_eq!(
            told,
            [
                "service::problem::Problem::internal ./crates/service/src/problem.rs Some(107)",
                "<activities::store::Store as x::Y<a::B>>::home::{{closure}} ./crates/activities/src/store.rs Some(120)",
            ]
        );
        let bare = parse("   0: a::b\n   1: std::c\n   2: d::e");
        let told: Vec<_> = bare.iter().map(|f| format!("{} {}", f.method, f.filename)).collect();
        assert_eq!(told, ["a::b unknown", "d::e unknown"]);
        assert_eq!(parse("disabled backtrace"), []);
    }
}
