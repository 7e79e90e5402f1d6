//! A sender over HTTP.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use env::Secret;
use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::outbox::{Answer, Attempt};
use crate::queue::Sender;
use crate::report::Reason;

/// OTLP 1.11: clients should limit what they read of an answer to 4 MiB.
const MAX_ANSWER_BYTES: u64 = 4 * 1024 * 1024;
/// Of an answer that is no success, so much is kept for people.
const MAX_PROBLEM_CHARS: usize = 200;
/// Of that answer, so much is searched for secrets; longer than any that could begin in what is kept.
const MAX_PROBLEM_BYTES: usize = 16 * 1024;
/// Below the five seconds after which actix-web closes an idle connection; a request on a closed one would have to be sent twice.
const MAX_IDLE: Duration = Duration::from_secs(4);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// ureq's default is 128 KiB twice per connection; answers here are a few bytes, and bodies are written in one go.
const BUFFER_BYTES: usize = 16 * 1024;

/// Where to send, and how.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub url: String,
    pub headers: Vec<(String, Secret)>,
    pub content_type: &'static str,
    pub gzip: bool,
    /// For the whole request, name look-up to the last byte of the answer.
    pub timeout: Duration,
    /// Reads the body of a 2xx answer. `None` when nothing was rejected.
    pub decode: fn(&[u8]) -> Option<Rejection>,
}

/// How long Rollbar asks to wait with a 429, which has no `Retry-After`.
const RATE_LIMIT_SECONDS: &str = "x-rate-limit-remaining-seconds";

/// What a 2xx answer takes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub items: u64,
    pub message: String,
}

/// What a request needs beside the endpoint's headers, such as a signature over its body.
pub trait Authorize: 'static {
    /// The headers to add, or why there are none now; the payload then waits like one whose receiver is away. Asked for each
    /// request, on the sender's own thread, which it may hold up.
    fn authorize(&mut self, request: &Unsent) -> Result<Vec<(String, Secret)>, String>;
}

/// A POST before it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Unsent<'a> {
    pub url: &'a str,
    /// `content-type` and `content-encoding`.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// The client of one thread.
pub struct HttpSender {
    endpoint: Arc<Endpoint>,
    agent: Agent,
    authorize: Option<Box<dyn Authorize>>,
}

impl HttpSender {
    /// One whose every request is authorized anew.
    pub fn authorized(endpoint: Arc<Endpoint>, authorize: impl Authorize) -> Self {
        Self { authorize: Some(Box::new(authorize)), ..Self::new(endpoint) }
    }

    pub fn new(endpoint: Arc<Endpoint>) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            // Telemetry goes where the configuration says, not where HTTP_PROXY or a redirect does: the headers hold keys.
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(endpoint.timeout))
            .timeout_connect(Some(CONNECT_TIMEOUT.min(endpoint.timeout)))
            .max_idle_age(MAX_IDLE)
            .max_idle_connections(1)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .user_agent(concat!("throughline/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self { endpoint, agent, authorize: None }
    }

    fn request(&mut self, attempt: &Attempt) -> Result<(Response<Body>, Headers), Problem> {
        let body = body(attempt, self.endpoint.gzip)?;
        let mut headers = vec![("content-type", self.endpoint.content_type)];
        headers.extend(self.endpoint.gzip.then_some(("content-encoding", "gzip")));
        let added = match &mut self.authorize {
            Some(it) => it.authorize(&Unsent { url: &self.endpoint.url, headers: &headers, body: &body }),
            None => Ok(Vec::new()),
        };
        let added = added.map_err(Problem::NotAuthorized)?;
        let mut request = self.agent.post(&self.endpoint.url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        for (name, value) in self.endpoint.headers.iter().chain(&added) {
            request = request.header(name, value.expose());
        }
        Ok((request.send(&body[..])?, added))
    }

    fn read(&self, mut response: Response<Body>, added: &[(String, Secret)]) -> Answer {
        let status = response.status();
        let after = response
            .headers()
            .get(header::RETRY_AFTER)
            .or_else(|| response.headers().get(RATE_LIMIT_SECONDS))
            .and_then(|v| v.to_str().ok())
            .and_then(|v| retry_after(v, SystemTime::now()));
        // An answer that breaks off after a 2xx head has still said that the request arrived.
        let body =
            response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec().unwrap_or_default();
        if status.is_success() {
            return match (self.endpoint.decode)(&body) {
                Some(Rejection { items, message }) => {
                    Answer::Delivered { rejected: items, message: Some(message) }
                }
                None => Answer::Delivered { rejected: 0, message: None },
            };
        }
        judge(status, after, problem(status, &self.without_secrets(&body, added)))
    }

    /// Some receivers quote the key that they refuse, and AWS what was signed; the problem goes to logs and to `/ready`.
    fn without_secrets(&self, body: &[u8], added: &[(String, Secret)]) -> String {
        let headers = self.endpoint.headers.iter().chain(added);
        let secrets = headers.map(|(_, value)| value.expose()).filter(|s| !s.is_empty());
        let text = String::from_utf8_lossy(&body[..body.len().min(MAX_PROBLEM_BYTES)]).into_owned();
        secrets.fold(text, |text, secret| text.replace(secret, "***"))
    }
}

impl Sender for HttpSender {
    fn send(&mut self, attempt: &Attempt) -> Answer {
        match self.request(attempt) {
            Ok((response, added)) => self.read(response, &added),
            // Refused, reset, timed out, unresolved, untrusted, without credentials. All of them may pass.
            Err(error) => Answer::Retry { after: None, problem: error.to_string() },
        }
    }
}

/// `Retry-After` in either of its spellings (RFC 9110, 10.2.3); a date in the past means now.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// OTLP 1.11, "Failures": only 429, 502, 503 and 504 may be sent again.
fn judge(status: StatusCode, after: Option<Duration>, problem: String) -> Answer {
    let reason = match status.as_u16() {
        429 | 502 | 503 | 504 => return Answer::Retry { after, problem },
        400 => Reason::BadRequest,
        401 | 403 => Reason::Unauthorized,
        404 | 405 => Reason::WrongAddress,
        413 => Reason::TooLarge,
        _ => Reason::OtherStatus,
    };
    Answer::Refused { reason, problem }
}

/// The status and what is legible of the body (OTLP answers with a protobuf whose message is text).
fn problem(status: StatusCode, body: &str) -> String {
    let text: String = body
        .chars()
        .filter(|c| !c.is_control() && *c != char::REPLACEMENT_CHARACTER)
        .take(MAX_PROBLEM_CHARS)
        .collect();
    let text = text.trim();
    if text.is_empty() { status.to_string() } else { format!("{status}: {text}") }
}

type Headers = Vec<(String, Secret)>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Network(#[from] ureq::Error),
    #[error("{0}")]
    Compression(#[from] std::io::Error),
    #[error("{0}")]
    NotAuthorized(String),
}

fn body(attempt: &Attempt, gzip: bool) -> std::io::Result<Cow<'_, [u8]>> {
    if gzip {
        let mut encoder = GzEncoder::new(Vec::with_capacity(attempt.bytes() / 4), Compression::fast());
        for payload in attempt.payloads() {
            encoder.write_all(&payload.body)?;
        }
        return encoder.finish().map(Cow::Owned);
    }
    let mut payloads = attempt.payloads();
    match (payloads.len(), payloads.next()) {
        (1, Some(only)) => Ok(Cow::Borrowed(&only.body)),
        _ => Ok(Cow::Owned(join(attempt))),
    }
}

fn join(attempt: &Attempt) -> Vec<u8> {
    let mut body = Vec::with_capacity(attempt.bytes());
    for payload in attempt.payloads() {
        body.extend_from_slice(&payload.body);
    }
    body
}
