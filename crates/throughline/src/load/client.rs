//! HTTP for thousands in flight.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use env::Secret;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Longer than any deadline of the services; who waits longer has gone.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A page of a feed has some tens of kilobytes.
const MAX_ANSWER_BYTES: usize = 8 << 20;
const AGENT: &str = concat!("throughline-load/", env!("CARGO_PKG_VERSION"));

pub(super) struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    /// Without a slash at its end.
    base: String,
}

/// What came back. Status 0: nothing did.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) bytes: u64,
    /// Of `traceresponse`.
    pub(super) trace_id: Option<String>,
    pub(super) body: Value,
    /// Why nothing came back.
    pub(super) problem: Option<String>,
}

impl Client {
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        let base = url.trim_end_matches('/').to_owned();
        let uri: hyper::Uri = base.parse().with_context(|| format!("{url} is not an address"))?;
        ensure!(
            uri.scheme_str() == Some("http") && uri.host().is_some(),
            "{url} is not an address like {}; load is put on a system from beside it, without TLS",
            super::DEFAULT_URL
        );
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(TIMEOUT));
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, base })
    }

    pub(super) async fn get(&self, path: &str, token: Option<&Secret>) -> Reply {
        self.send("GET", path, token, None).await
    }

    pub(super) async fn post(&self, path: &str, token: Option<&Secret>, body: &Value) -> Reply {
        self.send("POST", path, token, Some(body)).await
    }

    async fn send(&self, method: &str, path: &str, token: Option<&Secret>, body: Option<&Value>) -> Reply {
        match tokio::time::timeout(TIMEOUT, self.exchange(method, path, token, body)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => Reply { problem: Some(format!("{error:#}")), ..Reply::default() },
            Err(_) => {
                Reply { problem: Some(format!("no answer in {} s", TIMEOUT.as_secs())), ..Reply::default() }
            }
        }
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        token: Option<&Secret>,
        body: Option<&Value>,
    ) -> anyhow::Result<Reply> {
        let mut request =
            Request::builder().method(method).uri(format!("{}{path}", self.base)).header(USER_AGENT, AGENT);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::from(body.map(Value::to_string).unwrap_or_default()))?;
        let response = self.http.request(request).await.map_err(|error| {
            anyhow::anyhow!(std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string))
        })?;
        let status = response.status().as_u16();
        let header = response.headers().get("traceresponse").and_then(|value| value.to_str().ok());
        let trace_id = header.and_then(|value| value.split('-').nth(1)).map(str::to_owned);
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?.to_bytes();
        Ok(Reply {
            status,
            bytes: body.len() as u64,
            trace_id,
            body: serde_json::from_slice(&body).unwrap_or_default(),
            problem: None,
        })
    }
}
