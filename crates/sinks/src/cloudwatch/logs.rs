//! Lines into a bounded buffer, from there by a plain thread into the queues.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use delivery::{Flushed, Payload, Queue, Reason, Report};
use serde::Serialize;

use crate::cloudwatch::client;
use crate::cloudwatch::config::{Config, Names};
use crate::cloudwatch::encode::{self, MAX_BATCH_BYTES, MAX_BATCH_EVENTS};

/// Lines that wait for the thread: a second of 20,000 lines of 400 bytes. When it is full the line is dropped and counted (it is on
/// standard output all the same); whoever logs never waits.
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Takes lines, sends them to every destination. Clones are the same.
#[derive(Clone)]
pub struct Logs {
    shared: Arc<Shared>,
    queues: Arc<[Queue]>,
}

/// `written = batched + dropped + waiting`, in lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogReport {
    pub written: u64,
    /// Offered to every destination's queue.
    pub batched: u64,
    pub dropped: BTreeMap<Reason, u64>,
    pub waiting: u64,
}

/// What a flush found.
#[derive(Clone, Debug, Default)]
pub struct LogsFlush {
    /// Lines that were in no batch when the deadline came.
    pub waiting: u64,
    /// Dropped before they were in a batch, since the last flush that told of it.
    pub dropped: u64,
    pub destinations: Vec<Flushed>,
}

/// Whether a line tells of these queues: it must not come to them, or every outage would feed itself.
pub fn is_about_us(target: &str, line: &str) -> bool {
    target.starts_with("throughline_delivery") && line.contains(r#""destination":"cloudwatch"#)
}

impl Logs {
    pub fn start(config: &Config, names: &Names) -> io::Result<Self> {
        let queues = config.destinations.iter().map(|it| client::queue(it, names, config.spool.as_ref()));
        let logs = Self {
            queues: queues.collect::<io::Result<Vec<_>>>()?.into(),
            shared: Arc::new(Shared {
                buffer: Mutex::default(),
                filled: Condvar::new(),
                batched: Condvar::new(),
                delay: config.schedule_delay,
            }),
        };
        let (shared, queues) = (Arc::clone(&logs.shared), Arc::clone(&logs.queues));
        thread::Builder::new().name("logs".to_owned()).spawn(move || shared.work(&queues))?;
        Ok(logs)
    }

    /// Copies one line, without its newline. Never waits for more than the buffer's lock, which is held for a copy at most.
    pub fn write(&self, milliseconds: i64, line: &str) {
        let mut buffer = self.shared.lock();
        let reason = if buffer.stopped {
            Some(Reason::ShutDown)
        } else if line.is_empty() {
            // An empty message fails the whole call.
            Some(Reason::NotEncoded)
        } else if buffer.bytes.len() + line.len() > MAX_WAITING_BYTES {
            Some(Reason::QueueFull)
        } else {
            None
        };
        if let Some(reason) = reason {
            *buffer.dropped.entry(reason).or_default() += 1;
            return;
        }
        buffer.size += encode::write(&mut buffer.bytes, milliseconds, line);
        buffer.lines += 1;
        buffer.accepted += 1;
        let wake = buffer.lines == 1 || buffer.is_batch() && !std::mem::replace(&mut buffer.told, true);
        drop(buffer);
        // Two wake-ups a batch instead of one a line.
        if wake {
            self.shared.filled.notify_one();
        }
    }

    pub fn report(&self) -> (LogReport, Vec<Report>) {
        let report = self.shared.lock().report();
        (report, self.queues.iter().map(Queue::report).collect())
    }

    /// Batches what was written and waits for the receivers' answers. Blocks its thread.
    pub fn flush(&self, deadline: Duration) -> LogsFlush {
        self.finish(deadline, Queue::flush)
    }

    /// Takes nothing more, then flushes.
    pub fn shutdown(&self, deadline: Duration) -> LogsFlush {
        self.shared.lock().stopped = true;
        self.finish(deadline, Queue::shutdown)
    }

    fn finish(&self, deadline: Duration, act: impl Fn(&Queue, Duration) -> Flushed + Sync) -> LogsFlush {
        let end = Instant::now() + deadline;
        let (waiting, dropped) = self.shared.drain(end);
        let left = end.saturating_duration_since(Instant::now());
        // All destinations at the same time: one that is away costs the others nothing.
        let destinations = thread::scope(|scope| {
            let running: Vec<_> = self.queues.iter().map(|queue| scope.spawn(|| act(queue, left))).collect();
            running.into_iter().map(|it| it.join().expect("a flush does not panic")).collect()
        });
        LogsFlush { waiting, dropped, destinations }
    }
}

impl LogsFlush {
    /// Every line that was written before has been delivered to every destination.
    pub fn is_complete(&self) -> bool {
        self.waiting == 0 && self.dropped == 0 && self.destinations.iter().all(Flushed::is_complete)
    }
}

struct Shared {
    buffer: Mutex<Buffer>,
    /// The first line, a whole batch, a flush, or the end.
    filled: Condvar,
    /// A batch is in the queues.
    batched: Condvar,
    delay: Duration,
}

#[derive(Default)]
struct Buffer {
    /// As `encode` writes them.
    bytes: Vec<u8>,
    lines: u64,
    /// As CloudWatch counts bytes.
    size: usize,
    /// The thread has been told of a whole batch.
    told: bool,
    accepted: u64,
    batched: u64,
    dropped: BTreeMap<Reason, u64>,
    /// Drops that a flush has told of.
    told_dropped: u64,
    /// A flush waits for this many to be batched.
    wanted: u64,
    stopped: bool,
}

impl Shared {
    fn work(&self, queues: &[Queue]) {
        while let Some((written, lines)) = self.next() {
            for (body, events) in encode::batches(written) {
                for queue in queues {
                    let _counted = queue.offer(Payload::new(body.clone(), events));
                }
            }
            self.lock().batched += lines;
            self.batched.notify_all();
        }
    }

    /// Waits for a batch, or for as many lines as came within the delay. `None` after the shutdown, when all is batched.
    fn next(&self) -> Option<(Vec<u8>, u64)> {
        let mut buffer = self.lock();
        while buffer.lines == 0 {
            if buffer.stopped {
                return None;
            }
            buffer = self.filled.wait(buffer).unwrap_or_else(PoisonError::into_inner);
        }
        let end = Instant::now() + self.delay;
        while !buffer.is_batch() && !buffer.is_urgent() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            buffer = self.filled.wait_timeout(buffer, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        buffer.told = false;
        buffer.size = 0;
        let room = Vec::with_capacity(buffer.bytes.len().min(MAX_BATCH_BYTES));
        Some((std::mem::replace(&mut buffer.bytes, room), std::mem::take(&mut buffer.lines)))
    }

    /// Waits until what was written so far is batched. Gives what is left of it, and the drops not told of yet.
    fn drain(&self, end: Instant) -> (u64, u64) {
        let mut buffer = self.lock();
        let wanted = buffer.accepted;
        buffer.wanted = buffer.wanted.max(wanted);
        self.filled.notify_all();
        while buffer.batched < wanted {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            buffer = self.batched.wait_timeout(buffer, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let dropped = buffer.dropped.values().sum();
        let told = std::mem::replace(&mut buffer.told_dropped, dropped);
        (wanted.saturating_sub(buffer.batched), dropped - told)
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    fn is_batch(&self) -> bool {
        self.lines >= MAX_BATCH_EVENTS as u64 || self.size >= MAX_BATCH_BYTES
    }

    fn is_urgent(&self) -> bool {
        self.stopped || self.batched < self.wanted
    }

    fn report(&self) -> LogReport {
        LogReport {
            written: self.accepted + self.dropped.values().sum::<u64>(),
            batched: self.batched,
            dropped: self.dropped.clone(),
            waiting: self.accepted - self.batched,
        }
    }
}
