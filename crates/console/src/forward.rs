//! Onward: what is received here is kept here, and sent on as well to whoever is named.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use env::{ConfigError, Env};
use futures::future::{BoxFuture, FutureExt as _};
use serde_json::{Value, json};
use sinks::otlp::Destination;
use sinks::spans::Queues;
use sinks::xray::{Caller, Segments, UpstreamConfig};
use tokio::task::spawn_blocking;
use vendor_apis::xray::Upstream;

const FORWARD: &str = "CONSOLE_FORWARD";
const HEADERS: &str = "CONSOLE_FORWARD_HEADERS";
const EXAMPLE: &str = "https://api.honeycomb.io";
/// Stands for X-Ray in the account whose credentials there are.
const AWS: &str = "aws";
/// What is queued when the console ends has so long to leave.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// `CONSOLE_FORWARD`: `aws`, addresses that take OTLP over HTTP, or both, separated by commas.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// X-Ray documents, and the rules of sampling.
    pub aws: Option<UpstreamConfig>,
    /// Spans, as they came.
    pub otlp: Vec<Destination>,
}

impl Config {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let headers = env.get(HEADERS).map(|value| (HEADERS, value));
        let mut config = Self::default();
        for word in env.get(FORWARD).unwrap_or_default().split(',').map(str::trim).filter(|it| !it.is_empty())
        {
            if word == AWS {
                config.aws = Some(UpstreamConfig::from_env(env)?);
                continue;
            }
            if !word.contains("://") {
                return Err(ConfigError::bad(FORWARD, word, "is neither aws nor an address", EXAMPLE));
            }
            let name = match config.otlp.len() {
                0 => "forward".to_owned(),
                n => format!("forward-{}", n + 1),
            };
            config.otlp.push(Destination::parse(&name, (FORWARD, word), headers)?);
        }
        Ok(config)
    }
}

/// The running ways on.
#[derive(Clone)]
pub(crate) struct Forward {
    spans: Option<Queues>,
    aws: Option<Arc<Aws>>,
}

impl Forward {
    pub(crate) fn start(config: &Config) -> io::Result<Self> {
        let spans = (!config.otlp.is_empty()).then(|| Queues::to(config.otlp.clone())).transpose()?;
        let aws = config.aws.as_ref().map(Aws::start).transpose()?.map(Arc::new);
        Ok(Self { spans, aws })
    }

    pub(crate) fn takes_spans(&self) -> bool {
        self.spans.is_some()
    }

    /// An `ExportTraceServiceRequest` in protobuf that holds `count` spans.
    pub(crate) fn spans(&self, request: &Bytes, count: u64) {
        if let Some(queues) = &self.spans {
            queues.offer(request, count);
        }
    }

    pub(crate) fn xray(&self) -> Option<Arc<dyn Upstream>> {
        self.aws.clone().map(|aws| aws as Arc<dyn Upstream>)
    }

    /// Counters of each destination.
    pub(crate) fn report(&self) -> Value {
        let mut reports = self.spans.as_ref().map(Queues::report).unwrap_or_default();
        reports.extend(self.aws.as_ref().map(|aws| aws.segments.report()));
        json!(reports)
    }

    /// Sends what waits, within a bound. Blocks.
    pub(crate) fn shutdown(&self) {
        if let Some(queues) = &self.spans {
            queues.shutdown(LAST_WORDS);
        }
        if let Some(aws) = &self.aws {
            aws.segments.shutdown(LAST_WORDS);
        }
    }
}

/// X-Ray in an AWS account: with it this console is the daemon.
struct Aws {
    segments: Segments,
    caller: Arc<Mutex<Caller>>,
}

impl Aws {
    fn start(config: &UpstreamConfig) -> io::Result<Self> {
        let caller = Arc::new(Mutex::new(Caller::new(config)));
        Ok(Self { segments: Segments::start(config)?, caller })
    }
}

impl Upstream for Aws {
    fn document(&self, text: &str) {
        self.segments.offer(text.to_owned());
    }

    fn call(&self, path: &'static str, body: bytes::Bytes) -> BoxFuture<'_, Result<(u16, Bytes), String>> {
        let caller = Arc::clone(&self.caller);
        async move {
            let answer = spawn_blocking(move || {
                caller.lock().unwrap_or_else(PoisonError::into_inner).call(path, &body)
            });
            let (status, body) = answer.await.map_err(|error| error.to_string())??;
            Ok((status, Bytes::from(body)))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], expect: &str) {
        let env = Env::from_pairs(variables.iter().copied());
        let found = match Config::from_env(&env) {
            Ok(config) => {
                let aws = config.aws.map(|aws| format!("aws {} {}", aws.region, aws.url));
                let otlp = config.otlp.iter().map(|it| {
                    let headers: Vec<_> = it.headers.iter().map(|(name, _)| name.as_str()).collect();
                    format!("{} {} [{}]", it.name, it.url, headers.join(" "))
                });
                aws.into_iter().chain(otlp).collect::<Vec<_>>().join("; ")
            }
            Err(error) => format!("error: {}", error.variable),
        };
        assert_eq!(found, expect, "{variables:?}");
    }

    #[test]
    fn where_to() {
        check(&[], "");
        check(&[("CONSOLE_FORWARD", "aws")], "error: AWS_REGION");
        check(
            &[("CONSOLE_FORWARD", "aws"), ("AWS_REGION", "eu-central-1")],
            "aws eu-central-1 https://xray.eu-central-1.amazonaws.com",
        );
        check(
            &[
                ("CONSOLE_FORWARD", "aws"),
                ("AWS_REGION", "x"),
                ("AWS_ENDPOINT_URL_XRAY", "http://127.0.0.1:1/"),
            ],
            "aws x http://127.0.0.1:1",
        );
        check(
            &[
                ("CONSOLE_FORWARD", "https://api.honeycomb.io, http://c:4318/v1/traces"),
                ("CONSOLE_FORWARD_HEADERS", "x-honeycomb-team=key"),
            ],
            "forward https://api.honeycomb.io/v1/traces [x-honeycomb-team]; \
             forward-2 http://c:4318/v1/traces [x-honeycomb-team]",
        );
        check(&[("CONSOLE_FORWARD", "honeycomb")], "error: CONSOLE_FORWARD");
        check(&[("CONSOLE_FORWARD", "ftp://x")], "error: CONSOLE_FORWARD");
    }
}
