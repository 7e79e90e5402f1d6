//! Waiting without sleeping: ask again until the answer is there.

use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// How long a test waits before it fails: `RUST_TEST_PATIENCE_MS`, more on a slow machine.
pub fn patience() -> Duration {
    env::Env::from_process().millis_or("RUST_TEST_PATIENCE_MS", PATIENCE).unwrap_or_else(|e| panic!("{e}"))
}

/// Asks until the answer is `Some`, and gives it. Panics with `what` when patience ends.
///
/// ```
/// # async fn example() {
/// let answer = test_support::eventually("an answer", || async { Some(42) }).await;
/// # }
/// ```
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let (start, patience) = (Instant::now(), patience());
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < patience, "not within {patience:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}
