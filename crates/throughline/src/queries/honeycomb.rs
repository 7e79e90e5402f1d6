//! Calls of Honeycomb's management API.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use env::{Env, Secret};
use serde_json::Value;
use ureq::tls::{RootCerts, TlsConfig};

const DEFAULT_ENDPOINT: &str = "https://api.honeycomb.io";
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Honeycomb {
    agent: ureq::Agent,
    endpoint: String,
    key: Secret,
}

#[derive(Clone, Copy)]
pub(super) enum Method {
    Get,
    Post,
    Put,
}

impl Honeycomb {
    /// `None` without a key.
    pub(super) fn new(env: &Env) -> Option<Self> {
        let key = env.secret("HONEYCOMB_CONFIGURATION_KEY").or_else(|| env.secret("HONEYCOMB_API_KEY"))?;
        let endpoint = env.get("HONEYCOMB_API_ENDPOINT").unwrap_or(DEFAULT_ENDPOINT);
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .http_status_as_error(false)
            .tls_config(tls)
            .build();
        Some(Self { agent: agent.into(), endpoint: endpoint.trim_end_matches('/').to_owned(), key })
    }

    /// Which team and environment the key is of, as `team/environment`.
    pub(super) fn account(&self) -> anyhow::Result<String> {
        let auth = self.call(Method::Get, "/1/auth", None)?;
        let slug = |part: &str| auth[part]["slug"].as_str().unwrap_or_default().to_owned();
        Ok(format!("{}/{}", slug("team"), slug("environment")))
    }

    pub(super) fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.endpoint);
        let key = self.key.expose();
        let body = body.map(Value::to_string).unwrap_or_default();
        let json = "application/json";
        let response = match method {
            Method::Get => self.agent.get(&url).header("x-honeycomb-team", key).call(),
            Method::Post => {
                let request = self.agent.post(&url).header("x-honeycomb-team", key);
                request.header("content-type", json).send(body)
            }
            Method::Put => {
                let request = self.agent.put(&url).header("x-honeycomb-team", key);
                request.header("content-type", json).send(body)
            }
        };
        let mut response = response.with_context(|| format!("{url} does not answer"))?;
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().with_context(|| url.clone())?;
        match status {
            200..=299 => serde_json::from_str(&text).with_context(|| format!("{url} answered no JSON")),
            401 => anyhow::bail!("{url}: the key is refused; a Configuration key is needed"),
            403 => anyhow::bail!(
                "{url}: the key may not do this; it needs Manage Queries and Columns and Manage Public Boards ({text})"
            ),
            429 => anyhow::bail!(
                "{url}: too many requests; run this again in a minute, it goes on where it ended"
            ),
            _ => anyhow::bail!("{url} answered {status}: {text}"),
        }
    }
}
