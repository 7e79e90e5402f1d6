//! The real thing, over HTTP only: `throughline up --ephemeral`, requests as a client makes them, and what the
//! console says about them.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#![allow(clippy::print_stdout, reason = "the numbers of the load test are worth reading")]

mod browser;
mod canary;
mod doctor;
mod errors;
mod hostile;
mod http;
mod load;
mod outage;
mod pg_log;
mod plans;
mod stories;
mod system;
mod topology;
mod trace;
mod up;
mod xray;

use std::time::{Duration, Instant};

/// Asks until the answer is `Some`; fails with `what` when patience (`RUST_TEST_PATIENCE_MS`) ends.
#[track_caller]
fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let (start, patience) = (Instant::now(), test_support::patience().max(Duration::from_secs(30)));
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < patience, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}
