//! Calls to another service: one deadline over everything, honest statuses, retries only where they are safe.

use std::time::Duration;

use actix_web::http::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use awc::error::SendRequestError;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout_at};

use crate::Problem;
use crate::identity::Token;

/// Attempts at one `GET`, the first included.
const ATTEMPTS: u32 = 3;
/// Before the second attempt; doubled before the third.
const BACKOFF: Duration = Duration::from_millis(25);
/// Bytes of one answer.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A client of one service. Belongs to one worker, as awc's does.
#[derive(Clone)]
pub struct Upstream {
    name: &'static str,
    base: String,
    deadline: Duration,
    client: awc::Client,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Upstream {
    /// `deadline` covers one call with all its attempts, from connecting to the last byte of the answer.
    pub fn new(name: &'static str, base_url: &str, deadline: Duration) -> Self {
        Self {
            name,
            base: base_url.trim_end_matches('/').to_owned(),
            deadline,
            client: telemetry::awc::client(deadline),
            header: None,
        }
    }

    /// The same service, told one thing more in every request.
    #[must_use]
    pub fn with_header(&self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self.clone() }
    }

    /// `GET`, tried again when the service cannot be reached or says 503.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path_and_query: &str,
        token: Option<&Token>,
    ) -> Result<T, Problem> {
        let deadline = Instant::now() + self.deadline;
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(deadline, Method::GET, path_and_query, token, None).await {
                Ok(body) => return self.parse(&body),
                Err(failure) => failure,
            };
            let pause = BACKOFF * 2u32.pow(attempt - 1);
            if !failure.is_transient() || attempt == ATTEMPTS || Instant::now() + pause >= deadline {
                return Err(self.problem(failure));
            }
            sleep(pause).await;
            attempt += 1;
        }
    }

    /// `POST`, tried once: the service may have acted although its answer was lost.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        token: Option<&Token>,
    ) -> Result<T, Problem> {
        let body = self.post_for_bytes(path, body, token).await?;
        self.parse(&body)
    }

    /// `POST` whose answer has no body.
    pub async fn post_no_content(
        &self,
        path: &str,
        body: &impl Serialize,
        token: Option<&Token>,
    ) -> Result<(), Problem> {
        self.post_for_bytes(path, body, token).await.map(drop)
    }

    async fn post_for_bytes(
        &self,
        path: &str,
        body: &impl Serialize,
        token: Option<&Token>,
    ) -> Result<Bytes, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| Problem::internal(&error))?;
        let deadline = Instant::now() + self.deadline;
        self.attempt(deadline, Method::POST, path, token, Some(body))
            .await
            .map_err(|failure| self.problem(failure))
    }

    async fn attempt(
        &self,
        deadline: Instant,
        method: Method,
        path: &str,
        token: Option<&Token>,
        body: Option<Vec<u8>>,
    ) -> Result<Bytes, Failure> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .insert_header((ACCEPT, "application/json"));
        if let Some(token) = token {
            request = request.insert_header((AUTHORIZATION, token.bearer()));
        }
        if let Some(header) = &self.header {
            request = request.insert_header(header.clone());
        }
        let exchange = async {
            let mut response = match body {
                Some(body) => request.content_type("application/json").send_body(body).await,
                None => request.send().await,
            }?;
            let body = response
                .body()
                .limit(MAX_ANSWER)
                .await
                .map_err(|error| Failure::Broken(error.to_string()))?;
            match response.status() {
                status if status.is_success() => Ok(body),
                status => Err(Failure::Refused(status, body)),
            }
        };
        timeout_at(deadline, exchange).await.unwrap_or(Err(Failure::Slow))
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Problem> {
        serde_json::from_slice(body).map_err(|error| self.problem(Failure::Broken(error.to_string())))
    }

    fn problem(&self, failure: Failure) -> Problem {
        let name = self.name;
        // Logged here, once: the caller of this service only learns which neighbour failed.
        match failure {
            Failure::Slow => {
                tracing::warn!(
                    upstream = name,
                    deadline_ms = self.deadline.as_millis() as u64,
                    "upstream is slow"
                );
                gateway_timeout(name)
            }
            Failure::Unreachable(error) => {
                tracing::warn!(upstream = name, error, "upstream cannot be reached");
                bad_gateway(format!("{name} cannot be reached"))
            }
            Failure::Broken(error) => {
                tracing::warn!(upstream = name, error, "upstream broke off or answered nonsense");
                bad_gateway(format!("{name} gave no usable answer"))
            }
            // The caller's own mistake, in the words of the service that knows.
            Failure::Refused(status, body) if status.is_client_error() => {
                Problem::from_upstream(status, &body)
                    .unwrap_or_else(|| Problem::new(status, "upstream", format!("{name} answered {status}")))
            }
            Failure::Refused(status, body) => {
                // A problem with a trace id is one that its own service has told of.
                if Problem::is_told(&body) {
                    telemetry::current::cause_is_told();
                }
                if status == StatusCode::GATEWAY_TIMEOUT {
                    return gateway_timeout(name);
                }
                tracing::warn!(upstream = name, status = status.as_u16(), "upstream failed");
                bad_gateway(format!("{name} answered {status}"))
            }
        }
    }
}

enum Failure {
    Slow,
    /// Nothing was sent.
    Unreachable(String),
    Broken(String),
    Refused(StatusCode, Bytes),
}

impl Failure {
    fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Broken(_) | Self::Refused(StatusCode::SERVICE_UNAVAILABLE, _)
        )
    }
}

impl From<SendRequestError> for Failure {
    fn from(error: SendRequestError) -> Self {
        match error {
            SendRequestError::Timeout | SendRequestError::Connect(awc::error::ConnectError::Timeout) => {
                Self::Slow
            }
            SendRequestError::Connect(error) => Self::Unreachable(error.to_string()),
            error => Self::Broken(error.to_string()),
        }
    }
}

/// 502: a neighbour is dead or talks nonsense.
pub fn bad_gateway(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "bad-gateway", detail)
}

/// 504: a neighbour took too long.
pub fn gateway_timeout(name: &str) -> Problem {
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "gateway-timeout", format!("{name} took too long to answer"))
}

/// Why awc could not bring an answer's head, for callers that stream (the frontend-proxy).
pub fn send_problem(name: &'static str, error: SendRequestError) -> Problem {
    match Failure::from(error) {
        Failure::Slow => {
            tracing::warn!(upstream = name, "upstream is slow");
            gateway_timeout(name)
        }
        Failure::Unreachable(error) | Failure::Broken(error) => {
            tracing::warn!(upstream = name, error, "upstream cannot be reached");
            bad_gateway(format!("{name} cannot be reached"))
        }
        Failure::Refused(status, _) => bad_gateway(format!("{name} answered {status}")),
    }
}
