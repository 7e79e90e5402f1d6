//! X-Ray itself, as its daemon reaches it: segments in batches, any other call signed and passed on.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ::xray::limits::MAX_DOCUMENTS_PER_CALL;
use delivery::{
    Answer, Attempt, Authorize, Endpoint, Flushed, HttpSender, Limits, Payload, Queue, Reason, Rejection,
    Report, Sender, Unsent,
};
use env::{ConfigError, Env};
use serde_json::Value;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::xray::config::Credentials;
use crate::xray::sigv4::Signer;

const NAME: &str = "xray-aws";
/// The daemon sends a batch that is not full after so long.
const LINGER: Duration = Duration::from_secs(1);
/// Documents that wait for a batch; one more is dropped and counted. Their makers are never held up.
const WAITING: usize = 8_192;
/// The daemon's number of calls at once.
const IN_FLIGHT: usize = 8;
/// The daemon gives a call 2 s and drops the batch; ours waits longer and keeps it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Sampling rules are some kilobytes.
const MAX_ANSWER_BYTES: u64 = 8 << 20;

/// X-Ray's API in one region.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// Without a path: `https://xray.eu-central-1.amazonaws.com`.
    pub url: String,
    pub region: String,
    /// From the environment; without them a profile, ECS or IMDS is asked, by AWS's own rules.
    pub credentials: Option<Credentials>,
}

impl UpstreamConfig {
    /// `AWS_REGION`, and `AWS_ENDPOINT_URL_XRAY` where the API is not at the region's usual address.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const ENDPOINT: &str = "AWS_ENDPOINT_URL_XRAY";
        let region =
            env.get("AWS_REGION").or_else(|| env.get("AWS_DEFAULT_REGION")).ok_or_else(|| ConfigError {
                variable: "AWS_REGION".to_owned(),
                problem: "is not set, and X-Ray's API is one of a region".to_owned(),
                example: "eu-central-1".to_owned(),
            })?;
        if cfg!(not(feature = "aws")) {
            let problem = "needs the feature `aws`, which this build leaves out";
            return Err(ConfigError::bad("AWS_REGION", region, problem, ""));
        }
        let url = match env.get(ENDPOINT) {
            Some(url) => crate::otlp::check_url(ENDPOINT, url)?.to_string(),
            None => super::config::api_of(region),
        };
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { url, region: region.to_owned(), credentials: Credentials::from_env(env) })
    }
}

/// Documents on their way to `PutTraceSegments`: 50 a call, or what there is after a second. Each stays queued until X-Ray
/// has answered for it, other than with the daemon, which drops a batch that fails.
pub struct Segments {
    /// Until it ends.
    batching: Mutex<Option<Batching>>,
    queue: Arc<Queue>,
}

struct Batching {
    documents: SyncSender<String>,
    thread: JoinHandle<()>,
}

impl Segments {
    pub fn start(config: &UpstreamConfig) -> std::io::Result<Self> {
        let endpoint = Arc::new(Endpoint {
            url: format!("{}/TraceSegments", config.url),
            headers: Vec::new(),
            content_type: "application/json",
            gzip: false,
            timeout: TIMEOUT,
            decode: unprocessed,
        });
        // A payload is a whole call.
        let limits = Limits { joinable: false, in_flight: IN_FLIGHT, ..Limits::default() };
        let config = config.clone();
        let queue = Queue::start(NAME, limits, move || {
            Announced(HttpSender::authorized(Arc::clone(&endpoint), signer(&config)))
        })?;
        let queue = Arc::new(queue);
        let (documents, waiting) = sync_channel(WAITING);
        let thread = {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name("xray-batches".to_owned()).spawn(move || batch(&waiting, &queue))?
        };
        Ok(Self { batching: Mutex::new(Some(Batching { documents, thread })), queue })
    }

    /// Never waits. A document that finds no room is counted as dropped.
    pub fn offer(&self, document: String) {
        let batching = self.batching.lock().unwrap_or_else(PoisonError::into_inner);
        let is_kept = batching.as_ref().is_some_and(|it| it.documents.try_send(document).is_ok());
        if !is_kept {
            self.queue.lose(1, Reason::QueueFull);
        }
    }

    pub fn report(&self) -> Report {
        self.queue.report()
    }

    /// Sends what waits, and ends. Blocks.
    pub fn shutdown(&self, deadline: Duration) -> Flushed {
        let batching = self.batching.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Batching { documents, thread }) = batching {
            drop(documents);
            // It has nothing to do but to hand over what waits.
            let _ = thread.join();
        }
        self.queue.shutdown(deadline)
    }
}

/// Any other call, signed: what the daemon's TCP side does.
pub struct Caller {
    agent: Agent,
    url: String,
    signer: Signer,
}

impl Caller {
    pub fn new(config: &UpstreamConfig) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            // The signature is for this address: neither a redirect nor a proxy of the environment has a say.
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .build()
            .new_agent();
        Self { agent, url: config.url.clone(), signer: signer(config) }
    }

    /// Status and body of X-Ray's answer, or why there is none. Blocks.
    pub fn call(&mut self, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>), String> {
        const HEADERS: [(&str, &str); 1] = [("content-type", "application/json")];
        let url = format!("{}{path}", self.url);
        let added = self.signer.authorize(&Unsent { url: &url, headers: &HEADERS, body })?;
        let mut request = self.agent.post(&url);
        for (name, value) in HEADERS {
            request = request.header(name, value);
        }
        for (name, value) in &added {
            request = request.header(name, value.expose());
        }
        let mut response = request.send(body).map_err(|error| error.to_string())?;
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
        Ok((response.status().as_u16(), body.map_err(|error| error.to_string())?))
    }
}

/// Says of each batch what the daemon says, for those who grep its log.
struct Announced(HttpSender);

impl Sender for Announced {
    fn send(&mut self, attempt: &Attempt) -> Answer {
        let started = Instant::now();
        let answer = again_when_aws_fails(self.0.send(attempt));
        let (segments, seconds) = (attempt.items(), started.elapsed().as_secs_f64());
        match &answer {
            Answer::Delivered { rejected: 0, .. } => {
                tracing::info!("Successfully sent batch of {segments} segments ({seconds:.3} seconds)");
            }
            Answer::Delivered { rejected, message } => {
                tracing::info!(
                    "Sent batch of {segments} segments but had {rejected} Unprocessed segments ({seconds:.3} seconds)"
                );
                tracing::error!("Unprocessed segment: {}", message.as_deref().unwrap_or_default());
            }
            Answer::Refused { problem, .. } | Answer::Retry { problem, .. } => {
                tracing::error!("Sending segment batch failed with: {problem}");
            }
        }
        answer
    }
}

/// AWS's clients send again after a 500 as after a 503; for OTLP, which `delivery` judges by, a 500 is final.
fn again_when_aws_fails(answer: Answer) -> Answer {
    match answer {
        Answer::Refused { reason: Reason::OtherStatus, problem } if problem.starts_with("500") => {
            Answer::Retry { after: None, problem }
        }
        other => other,
    }
}

fn signer(config: &UpstreamConfig) -> Signer {
    Signer::new(&config.region, config.credentials.as_ref())
}

fn batch(waiting: &Receiver<String>, queue: &Queue) {
    while let Ok(first) = waiting.recv() {
        let due = Instant::now() + LINGER;
        let mut documents = vec![first];
        while documents.len() < MAX_DOCUMENTS_PER_CALL {
            match waiting.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(document) => documents.push(document),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let items = documents.len() as u64;
        let body = serde_json::json!({ "TraceSegmentDocuments": documents }).to_string();
        let _counted = queue.offer(Payload::new(body, items));
    }
}

/// X-Ray answers 200 and names in the body what it does not take.
fn unprocessed(body: &[u8]) -> Option<Rejection> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let segments = answer.get("UnprocessedTraceSegments")?.as_array()?;
    let first = segments.first()?;
    let text = |key: &str| first.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
    let message = format!("{}: {} ({})", text("Id"), text("ErrorCode"), text("Message"));
    Some(Rejection { items: segments.len() as u64, message })
}
