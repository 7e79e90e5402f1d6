//! The few calls that the launcher makes itself, to its own roles: plain HTTP, blocking, bounded in time.

use std::time::Duration;

use anyhow::Context as _;
use env::Secret;

/// Longer than any answer of a healthy role takes; a role that hangs is asked again.
const TIMEOUT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_mins(1);
/// A trace of 100,000 spans is some 60 MB of JSON.
const BODY_LIMIT: u64 = 256 * 1024 * 1024;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) traceresponse: Option<String>,
    pub(crate) body: String,
}

#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    token: Option<Secret>,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::waiting(TIMEOUT)
    }

    /// For a person who waits for an answer that may be large.
    pub(crate) fn patient() -> Self {
        Self::waiting(PATIENCE)
    }

    fn waiting(timeout: Duration) -> Self {
        // No proxy: HTTP_PROXY of the environment is meant for the world outside this machine.
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .proxy(None);
        Self { agent: config.build().into(), token: None }
    }

    /// The same, with the token that opens a guarded console.
    pub(crate) fn with_token(&self, token: Option<Secret>) -> Self {
        Self { agent: self.agent.clone(), token }
    }

    pub(crate) fn get(&self, url: &str) -> anyhow::Result<Answer> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {}", token.expose()));
        }
        let response = request.call().with_context(|| format!("GET {url}"))?;
        let (parts, body) = response.into_parts();
        let traceresponse =
            parts.headers.get("traceresponse").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = body
            .into_with_config()
            .limit(BODY_LIMIT)
            .read_to_string()
            .with_context(|| format!("GET {url}"))?;
        Ok(Answer { status: parts.status.as_u16(), traceresponse, body })
    }

    pub(crate) fn post(&self, url: &str, body: &serde_json::Value) -> anyhow::Result<Answer> {
        let mut request = self.agent.post(url).header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {}", token.expose()));
        }
        let response = request.send(body.to_string()).with_context(|| format!("POST {url}"))?;
        let status = response.status().as_u16();
        let body = response.into_body();
        let body = body
            .into_with_config()
            .limit(BODY_LIMIT)
            .read_to_string()
            .with_context(|| format!("POST {url}"))?;
        Ok(Answer { status, traceresponse: None, body })
    }

    /// The same off the async thread.
    pub(crate) async fn fetch(&self, url: &str) -> anyhow::Result<Answer> {
        let (client, url) = (self.clone(), url.to_owned());
        tokio::task::spawn_blocking(move || client.get(&url)).await?
    }
}
