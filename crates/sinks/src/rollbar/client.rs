//! A queue per destination, and the thread that resolves, scrubs and encodes, so that no request waits for it.

use std::backtrace::Backtrace;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use delivery::{Endpoint, Flushed, HttpSender, Limits, Payload, Queue, Reason, Rejection};
use env::Secret;
use serde::Serialize;
use serde_json::{Map, Value};

use super::encode::Encoder;
use super::item::{Item, Level, Process};
use super::limit::Limiter;
use super::{Config, Destination};

const TOKEN_HEADER: &str = "x-rollbar-access-token";
/// Items that wait to be encoded, a few kilobytes each. Beyond it they are dropped and counted as `queue_full`; the rate limit
/// admits 60 a minute, so that only a limit set high and a stuck machine get there.
const MAX_WAITING: usize = 256;
/// What one destination holds while it is away: an hour at the default limit. The newest are dropped, and counted.
const MAX_QUEUED_ITEMS: u64 = 4_096;
const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;
/// How often it is asked whether a fault fell silent with a count untold.
const TICK: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(10);

/// The sink. Clones are the same.
#[derive(Clone)]
pub struct Rollbar {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
}

/// Everything that came to this sink: `seen = admitted + suppressed`, and `destinations` says what became of those admitted, of
/// the browser's and of the summaries.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub seen: u64,
    pub admitted: u64,
    pub suppressed: u64,
    /// Items that tell of suppressed ones after their fault fell silent.
    pub summaries: u64,
    /// From browsers, and those of them that were too many.
    pub relayed: u64,
    pub relay_refused: u64,
    pub destinations: Vec<delivery::Report>,
}

/// What is announced as deployed.
#[derive(Clone, Debug)]
pub struct Deploy {
    /// `started`, `succeeded`, `failed` or `timed_out`.
    pub status: String,
    pub comment: String,
}

struct Shared {
    service: String,
    level: Level,
    limiter: Mutex<Limiter>,
    browser_limiter: Mutex<Limiter>,
    counts: Mutex<Report>,
    /// A stack is being resolved.
    resolving: AtomicBool,
    /// Handed over and in no queue yet: a stack takes its time on a busy machine.
    waiting: AtomicU64,
    /// In the order of the destinations.
    queues: Vec<Queue>,
    /// The same for items of browsers; where it is `None` both take the same token, and the same queue.
    browser_queues: Vec<Option<Queue>>,
}

enum Job {
    Item(Box<Item>),
    Browser(Map<String, Value>),
    /// Tells when everything before it is in the queues. `true`: and tell what is untold, since this is the end.
    Flush(Sender<()>, bool),
}

impl Rollbar {
    /// Starts the threads. Nothing is sent without a destination; then do not start it.
    pub fn start(config: &Config, process: Process) -> io::Result<Self> {
        let queue = |it: &Destination| start(it.name, it, it.token.as_ref());
        let browser_queue = |it: &Destination| {
            let token = it.browser_token.as_ref();
            token.map(|token| start("rollbar-browser", it, Some(token))).transpose()
        };
        let shared = Arc::new(Shared {
            service: process.service.clone(),
            level: config.level.unwrap_or(Level::Error),
            limiter: Mutex::new(Limiter::new(config.items_per_minute.max(1))),
            browser_limiter: Mutex::new(Limiter::new(config.items_per_minute.max(1))),
            counts: Mutex::default(),
            resolving: AtomicBool::new(false),
            waiting: AtomicU64::new(0),
            queues: config.destinations.iter().map(queue).collect::<io::Result<_>>()?,
            browser_queues: config.destinations.iter().map(browser_queue).collect::<io::Result<_>>()?,
        });
        let (jobs, inbox) = sync_channel(MAX_WAITING);
        let (worker, encoder) = (Arc::clone(&shared), Encoder::new(process, config.clone()));
        thread::Builder::new().name("rollbar".to_owned()).spawn(move || worker.work(&encoder, &inbox))?;
        Ok(Self { shared, jobs })
    }

    /// The least level of a log line that becomes an item.
    pub fn level(&self) -> Level {
        self.shared.level
    }

    /// Whether the item may go, by the rate limit of its fault. One that may not is counted, and the next that may tells of it.
    /// Asked before anything costly is collected; what is admitted has to be [sent](Self::send).
    pub fn admit(&self, mut item: Item) -> Option<Item> {
        item.fingerprint = item.fault(&self.shared.service);
        let admitted = lock(&self.shared.limiter).admit(&mut item, Instant::now());
        let mut counts = lock(&self.shared.counts);
        counts.seen += 1;
        *(if admitted { &mut counts.admitted } else { &mut counts.suppressed }) += 1;
        drop(counts);
        admitted.then_some(item)
    }

    /// The stack of the caller, for an item that was admitted. `None` while another one is being resolved: the standard library
    /// holds one lock for both, and a request must not wait for it.
    pub fn stack(&self) -> Option<Backtrace> {
        let free = !self.shared.resolving.load(Ordering::Relaxed);
        free.then(Backtrace::force_capture)
    }

    /// Never waits: one that finds no room is dropped and counted.
    pub fn send(&self, item: Item) {
        self.hand_over(Job::Item(Box::new(item)));
    }

    /// An item of a browser, `data` as it may pass; the token and the environment are put in here. `false` when all browsers
    /// together have used up the minute's items, which are as many as this process's own.
    pub fn relay(&self, data: Map<String, Value>) -> bool {
        let admitted = lock(&self.shared.browser_limiter).admit_any(Instant::now());
        let mut counts = lock(&self.shared.counts);
        *(if admitted { &mut counts.relayed } else { &mut counts.relay_refused }) += 1;
        drop(counts);
        if admitted {
            self.hand_over(Job::Browser(data));
        }
        admitted
    }

    pub fn report(&self) -> Report {
        let destinations = self.shared.all_queues().map(Queue::report).collect();
        Report { destinations, ..lock(&self.shared.counts).clone() }
    }

    /// Waits for the receivers' answers. Blocks its thread.
    pub fn flush(&self, deadline: Duration) -> Vec<Flushed> {
        self.finish(deadline, false, Queue::flush)
    }

    /// The same for the last time: what the rate limit left out is told now.
    pub fn shutdown(&self, deadline: Duration) -> Vec<Flushed> {
        self.finish(deadline, true, Queue::shutdown)
    }

    fn finish(
        &self,
        deadline: Duration,
        last: bool,
        act: impl Fn(&Queue, Duration) -> Flushed + Sync,
    ) -> Vec<Flushed> {
        let end = Instant::now() + deadline;
        let (done, wait) = channel();
        let asked = self.jobs.try_send(Job::Flush(done, last)).is_ok();
        // What is still in no queue at the deadline is pending at every destination.
        let in_queues = asked && wait.recv_timeout(deadline).is_ok();
        let waiting = if in_queues { 0 } else { self.shared.waiting.load(Ordering::Relaxed) };
        let left = end.saturating_duration_since(Instant::now());
        thread::scope(|scope| {
            let act = &act;
            let running: Vec<_> =
                self.shared.all_queues().map(|queue| scope.spawn(move || act(queue, left))).collect();
            let flushed = running.into_iter().map(|it| it.join().expect("a flush does not panic"));
            flushed.map(|it| Flushed { pending: it.pending + waiting, ..it }).collect()
        })
    }

    fn hand_over(&self, job: Job) {
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if self.jobs.try_send(job).is_err() {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            self.shared.queues.iter().for_each(|queue| queue.lose(1, Reason::QueueFull));
        }
    }
}

/// Tells each destination that this version is running, and what each answered. Blocks for `deadline` at most.
pub fn announce(
    config: &Config,
    process: &Process,
    deploy: &Deploy,
    deadline: Duration,
) -> io::Result<Vec<delivery::Report>> {
    let encoder = Encoder::new(process.clone(), config.clone());
    let body = encoder.deploy(&deploy.status, &deploy.comment);
    let announced = encoder.destinations().iter().map(|destination| {
        let to = Destination { url: destination.deploy_url(), ..destination.clone() };
        let queue = start(destination.name, &to, destination.token.as_ref())?;
        let _counted = queue.offer(Payload::new(body.clone(), 1));
        queue.shutdown(deadline);
        Ok(queue.report())
    });
    announced.collect()
}

impl Shared {
    fn work(&self, encoder: &Encoder, inbox: &Receiver<Job>) {
        loop {
            match inbox.recv_timeout(TICK) {
                Ok(Job::Item(item)) => {
                    self.offer(encoder, &item);
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                }
                Ok(Job::Browser(data)) => {
                    self.offer_browser(&encoder.relayed(data));
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                }
                Ok(Job::Flush(done, last)) => {
                    if last {
                        let untold = lock(&self.limiter).untold();
                        self.summarise(encoder, untold);
                    }
                    // Nobody waits any more when the deadline has passed.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let silent = lock(&self.limiter).silent(Instant::now());
            self.summarise(encoder, silent);
        }
    }

    fn summarise(&self, encoder: &Encoder, items: Vec<Item>) {
        for item in items {
            lock(&self.counts).summaries += 1;
            self.offer(encoder, &item);
        }
    }

    fn offer(&self, encoder: &Encoder, item: &Item) {
        self.resolving.store(item.backtrace.is_some(), Ordering::Relaxed);
        let body = bytes::Bytes::from(encoder.item(item));
        self.resolving.store(false, Ordering::Relaxed);
        for queue in &self.queues {
            let _counted = queue.offer(Payload::new(body.clone(), 1));
        }
    }

    fn offer_browser(&self, body: &[u8]) {
        let body = bytes::Bytes::copy_from_slice(body);
        for (queue, of_browsers) in self.queues.iter().zip(&self.browser_queues) {
            let _counted = of_browsers.as_ref().unwrap_or(queue).offer(Payload::new(body.clone(), 1));
        }
    }

    fn all_queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.iter().chain(self.browser_queues.iter().flatten())
    }
}

fn start(name: &str, to: &Destination, token: Option<&Secret>) -> io::Result<Queue> {
    let endpoint = Arc::new(Endpoint {
        url: to.url.clone(),
        headers: token.map(|token| (TOKEN_HEADER.to_owned(), token.clone())).into_iter().collect(),
        content_type: "application/json",
        gzip: false,
        timeout: TIMEOUT,
        decode,
    });
    // One at a time: errors come one after the other in the order in which they happened.
    let limits = Limits { bytes: MAX_QUEUED_BYTES, items: MAX_QUEUED_ITEMS, in_flight: 1, joinable: false };
    Queue::start(name, limits, move || HttpSender::new(Arc::clone(&endpoint)))
}

/// Rollbar says `{"err": 0}`; `{"err": 1, "message": ..}` takes the item back, whatever the status says.
fn decode(body: &[u8]) -> Option<Rejection> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let refused = answer["err"].as_i64().is_some_and(|err| err != 0);
    let message = answer["message"].as_str().unwrap_or("err is not 0").to_owned();
    refused.then_some(Rejection { items: 1, message })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
