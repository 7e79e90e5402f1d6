//! X-Ray's sampling rules, fetched through the daemon's HTTP side by a thread of its own.
//!
//! The one who asks gets an answer at once, from what was fetched last. A daemon that is away costs no request anything: the
//! rules hold for an hour, and after it, as before the first fetch, one request a second and 5 % are sampled.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ::xray::sampling::{
    ClientId, Decision, Request, RuleRecord, RulesRequest, RulesResponse, Sampler, TargetsResponse,
    rules_pause, targets_pause,
};
use opentelemetry::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::Agent;

use crate::xray::DaemonAddress;

/// After a fetch of the rules that failed: the daemon often starts later than its clients.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(5);
/// 25 rules are AWS's limit per region, a few kilobytes; ten pages of a megabyte are more than anybody has.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;
const MAX_PAGES: usize = 10;

/// Decides by X-Ray's rules. Dropped, it ends its thread.
pub struct RemoteSampler {
    sampler: Arc<Mutex<Sampler>>,
    _running: Sender<()>,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Call(#[from] ureq::Error),
    #[error("the answer is none: {0}")]
    Answer(#[from] serde_json::Error),
    #[error("no rule in the answer; the last list is kept")]
    Empty,
}

/// What the thread has.
struct Fetcher {
    sampler: Arc<Mutex<Sampler>>,
    agent: Agent,
    url: String,
    /// All pauses are divided by it.
    hurry: u32,
    failing: bool,
}

impl RemoteSampler {
    pub fn start(daemon: &DaemonAddress) -> io::Result<Self> {
        Self::start_hurried(daemon, 1)
    }

    /// For tests, who have no five minutes.
    #[doc(hidden)]
    pub fn start_hurried(daemon: &DaemonAddress, hurry: u32) -> io::Result<Self> {
        let sampler = Arc::new(Mutex::new(Sampler::new(ClientId::new(rand::random()))));
        let (running, ended) = channel();
        let fetcher = Fetcher {
            sampler: Arc::clone(&sampler),
            agent: agent(),
            url: format!("http://{}", daemon.tcp),
            hurry: hurry.max(1),
            failing: false,
        };
        thread::Builder::new().name("xray-rules".to_owned()).spawn(move || fetcher.run(&ended))?;
        Ok(Self { sampler, _running: running })
    }

    /// Asked for roots only. `random` is from 0 to below 1, best of all [`xray::sampling::chance`](::xray::sampling::chance).
    pub fn decide(&self, request: &Request, random: f64) -> Decision {
        lock(&self.sampler).decide(request, since_1970(), random)
    }
}

impl Fetcher {
    fn run(mut self, ended: &Receiver<()>) {
        // Its own calls are no part of any trace.
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let mut rules_at = Instant::now();
        let mut targets_at = rules_at + self.pause(targets_pause(rand::random()));
        loop {
            if Instant::now() >= rules_at {
                let fetched = self.rules();
                let pause = if fetched.is_ok() { rules_pause(rand::random()) } else { RETRY_PAUSE };
                self.tell(fetched);
                rules_at = Instant::now() + self.pause(pause);
            }
            if Instant::now() >= targets_at {
                let reported = self.targets();
                self.tell(reported);
                targets_at = Instant::now() + self.pause(targets_pause(rand::random()));
                if lock(&self.sampler).is_outdated() {
                    rules_at = Instant::now();
                }
            }
            let next = rules_at.min(targets_at).saturating_duration_since(Instant::now());
            if ended.recv_timeout(next) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// All pages, or nothing: half a list would let requests fall to the wrong rule.
    fn rules(&self) -> Result<(), Problem> {
        let mut records: Vec<RuleRecord> = Vec::new();
        let mut request = RulesRequest::default();
        for _ in 0..MAX_PAGES {
            let page: RulesResponse = self.call("GetSamplingRules", &request)?;
            records.extend(page.sampling_rule_records);
            request.next_token = page.next_token.filter(|token| !token.is_empty());
            if request.next_token.is_none() {
                break;
            }
        }
        if lock(&self.sampler).load(records, since_1970()) { Ok(()) } else { Err(Problem::Empty) }
    }

    /// Reports what was counted, and takes the quotas of the answer. A report that fails is part of the next one.
    fn targets(&self) -> Result<(), Problem> {
        let reports = lock(&self.sampler).reports(since_1970());
        let mut outcome = Ok(());
        for report in reports {
            match self.call::<TargetsResponse>("SamplingTargets", &report) {
                Ok(response) => lock(&self.sampler).apply(&report, &response),
                Err(problem) => {
                    lock(&self.sampler).restore(&report);
                    outcome = Err(problem);
                }
            }
        }
        outcome
    }

    fn call<T: DeserializeOwned>(&self, operation: &str, request: &impl Serialize) -> Result<T, Problem> {
        let body = serde_json::to_vec(request)?;
        let request = self.agent.post(format!("{}/{operation}", self.url));
        let mut response = request.header("content-type", "application/json").send(&body)?;
        let answer = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec()?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Each change once: a daemon that is away for a day is two lines.
    fn tell(&mut self, outcome: Result<(), Problem>) {
        match (outcome, self.failing) {
            (Err(problem), false) => {
                tracing::warn!(daemon = self.url, %problem, "X-Ray's sampling rules do not come; the last ones hold");
                self.failing = true;
            }
            (Ok(()), true) => {
                tracing::info!(daemon = self.url, "X-Ray's sampling rules come again");
                self.failing = false;
            }
            _ => {}
        }
    }

    fn pause(&self, pause: Duration) -> Duration {
        pause / self.hurry
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        // The daemon is near; a proxy is for what is not.
        .proxy(None)
        .max_redirects(0)
        .timeout_global(Some(TIMEOUT))
        .user_agent(concat!("throughline/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A panic under this lock leaves counts as they are, which is better than a service that decides no more.
fn lock(sampler: &Mutex<Sampler>) -> MutexGuard<'_, Sampler> {
    sampler.lock().unwrap_or_else(PoisonError::into_inner)
}
