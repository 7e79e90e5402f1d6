//! The outbox with threads.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::outbox::{Answer, Attempt, Limits, Next, Notice, Outbox, Payload};
use crate::report::{Flushed, Reason, Report};
use crate::spool::Spool;

/// How long dropping a queue may take. Who wants more calls `shutdown`.
const DROP_DEADLINE: Duration = Duration::from_millis(500);

/// A network client: sends one request and tells what became of it. Each thread has its own.
pub trait Sender: 'static {
    fn send(&mut self, attempt: &Attempt) -> Answer;
}

/// A destination's queue and the threads that empty it.
pub struct Queue {
    shared: Arc<Shared>,
}

struct Shared {
    destination: String,
    outbox: Mutex<Outbox>,
    /// Something was offered, settled or stopped.
    changed: Condvar,
}

impl Queue {
    /// Starts one thread per request that may be in flight; `client` makes each one's network client, on that thread.
    pub fn start<S: Sender>(
        destination: &str,
        limits: Limits,
        client: impl Fn() -> S + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        Self::run(destination, limits, Outbox::new(destination, limits, rand::random()), client)
    }

    /// The same with a spool in `folder`: what waits is on disk too, and what an earlier process left there is sent.
    pub fn start_spooled<S: Sender>(
        destination: &str,
        limits: Limits,
        folder: &Path,
        max_bytes: u64,
        client: impl Fn() -> S + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let outbox = Outbox::new(destination, limits, rand::random());
        Self::run(destination, limits, outbox.with_spool(Spool::open(folder, max_bytes)), client)
    }

    fn run<S: Sender>(
        destination: &str,
        limits: Limits,
        outbox: Outbox,
        client: impl Fn() -> S + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Shared {
            destination: destination.to_owned(),
            outbox: Mutex::new(outbox),
            changed: Condvar::new(),
        };
        let queue = Self { shared: Arc::new(shared) };
        for _ in 0..limits.in_flight.max(1) {
            let (shared, client) = (Arc::clone(&queue.shared), client.clone());
            thread::Builder::new()
                .name(format!("send-{destination}"))
                .spawn(move || shared.work(&mut client()))?;
        }
        Ok(queue)
    }

    /// Never waits for the network. A full queue drops the payload, counts it, and says so.
    pub fn offer(&self, payload: Payload) -> Result<(), Reason> {
        let mut outbox = self.shared.lock();
        let offered = outbox.offer(payload);
        match offered {
            Ok(()) => self.shared.changed.notify_all(),
            Err(_) => self.shared.tell(outbox),
        }
        offered
    }

    /// Counts items that were lost before they became a payload.
    pub fn lose(&self, items: u64, reason: Reason) {
        let mut outbox = self.shared.lock();
        outbox.lose(items, reason);
        self.shared.tell(outbox);
    }

    pub fn report(&self) -> Report {
        self.shared.lock().report()
    }

    /// Waits until the receiver has answered for everything offered before this call, or the deadline has passed,
    /// and says which. Blocks its thread.
    pub fn flush(&self, deadline: Duration) -> Flushed {
        let end = Instant::now() + deadline;
        let mut outbox = self.shared.lock();
        let upto = outbox.flush_begin();
        self.shared.changed.notify_all();
        while !outbox.is_settled(upto) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            outbox = self.shared.wait(outbox, Some(left));
        }
        outbox.flush_end(upto)
    }

    /// Flushes, then gives up what is left and counts it. A request that is still in flight is abandoned to its
    /// thread, which ends with the request's own timeout; its items count as `answer_unknown`.
    pub fn shutdown(&self, deadline: Duration) -> Flushed {
        let mut flushed = self.flush(deadline);
        let mut outbox = self.shared.lock();
        outbox.stop();
        // What was offered during the flush is given up here, and belongs into this answer too.
        let upto = outbox.flush_begin();
        for (reason, items) in outbox.flush_end(upto).lost {
            *flushed.lost.entry(reason).or_default() += items;
        }
        drop(outbox);
        self.shared.changed.notify_all();
        flushed
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shutdown(DROP_DEADLINE);
    }
}

impl Shared {
    fn work(&self, client: &mut impl Sender) {
        let mut outbox = self.lock();
        loop {
            let now = Instant::now();
            match outbox.next(now) {
                Next::Send(attempt) => {
                    drop(outbox);
                    let answer = client.send(&attempt);
                    outbox = self.settle(attempt, answer);
                }
                Next::WaitUntil(at) => outbox = self.wait(outbox, Some(at.saturating_duration_since(now))),
                Next::Idle => outbox = self.wait(outbox, None),
                Next::Stop => return,
            }
        }
    }

    fn settle(&self, attempt: Attempt, answer: Answer) -> MutexGuard<'_, Outbox> {
        let mut outbox = self.lock();
        outbox.settle(attempt, answer, Instant::now());
        self.changed.notify_all();
        self.tell(outbox);
        self.lock()
    }

    /// Lets go of the outbox and says what people should hear.
    fn tell(&self, mut outbox: MutexGuard<'_, Outbox>) {
        let notices = outbox.take_notices();
        drop(outbox);
        for notice in notices {
            log(&self.destination, notice);
        }
    }

    /// A panic under this lock leaves the counters as they are, which is better than ending every sender.
    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, outbox: MutexGuard<'a, Outbox>, timeout: Option<Duration>) -> MutexGuard<'a, Outbox> {
        match timeout {
            Some(timeout) => {
                self.changed.wait_timeout(outbox, timeout).unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.changed.wait(outbox).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

fn log(destination: &str, notice: Notice) {
    match notice {
        Notice::Failing { problem } => {
            tracing::warn!(destination, problem, "telemetry is not accepted, it waits and is sent again");
        }
        Notice::Back { queued } => tracing::info!(destination, queued, "telemetry is accepted again"),
        Notice::Refused { reason, items, problem } => {
            tracing::warn!(destination, %reason, items, problem, "telemetry was refused for good");
        }
        Notice::Unspooled { problem } => {
            tracing::warn!(destination, problem, "telemetry that waits is not kept on disk");
        }
        Notice::Dropped { reason, queued } => {
            tracing::warn!(destination, %reason, queued, "telemetry is dropped; the counters tell how much");
        }
    }
}
