//! Calls of X-Ray's API: plain to the console, signed to AWS.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use env::{Env, Secret};
use serde_json::Value;
use sinks::xray::{Caller, UpstreamConfig};

const DEFAULT_CONSOLE: &str = "http://127.0.0.1:4380";
/// The console answers in milliseconds; a call is never repeated here.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Client {
    endpoint: String,
    access: Access,
}

enum Access {
    Console { agent: ureq::Agent, token: Option<Secret> },
    Signed(Box<RefCell<Caller>>),
}

impl Client {
    pub(super) fn new(endpoint: Option<&str>, is_aws: bool, env: &Env) -> anyhow::Result<Self> {
        let endpoint = endpoint.map(|endpoint| endpoint.trim_end_matches('/'));
        if is_aws || endpoint.is_some_and(is_of_aws) {
            let config = match endpoint {
                // https://xray.eu-central-1.amazonaws.com
                Some(url) => {
                    let region = url.split('.').nth(1).unwrap_or_default();
                    let env = env.clone().with("AWS_REGION", region).with("AWS_ENDPOINT_URL_XRAY", url);
                    UpstreamConfig::from_env(&env)?
                }
                None => UpstreamConfig::from_env(env)?,
            };
            let caller = Caller::new(&config);
            return Ok(Self { endpoint: config.url, access: Access::Signed(Box::new(RefCell::new(caller))) });
        }
        let endpoint = endpoint.or(env.get("CONSOLE_URL")).unwrap_or(DEFAULT_CONSOLE);
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .http_status_as_error(false)
            // HTTP_PROXY is meant for the world outside this machine.
            .proxy(None)
            .build();
        let access = Access::Console { agent: agent.into(), token: env.secret("CONSOLE_TOKEN") };
        Ok(Self { endpoint: endpoint.trim_end_matches('/').to_owned(), access })
    }

    pub(super) fn call(&self, path: &str, request: &Value) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.endpoint);
        let body = request.to_string();
        let (status, answer) = match &self.access {
            Access::Signed(caller) => {
                let answer = caller.borrow_mut().call(path, body.as_bytes());
                answer.map_err(|problem| anyhow::anyhow!("{url} does not answer: {problem}"))?
            }
            Access::Console { agent, token } => {
                let mut call = agent.post(&url).header("content-type", "application/json");
                if let Some(token) = token {
                    call = call.header("authorization", format!("Bearer {}", token.expose()));
                }
                let mut response = call.send(&body).with_context(|| format!("{url} does not answer"))?;
                (response.status().as_u16(), response.body_mut().read_to_vec()?)
            }
        };
        anyhow::ensure!(
            (200..300).contains(&status),
            "{}",
            problem(status, &String::from_utf8_lossy(&answer))
        );
        serde_json::from_slice(&answer).with_context(|| format!("{url} does not answer like X-Ray"))
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.endpoint)
    }
}

fn is_of_aws(endpoint: &str) -> bool {
    let host = endpoint.strip_prefix("https://").unwrap_or_default();
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

/// One line of an error of X-Ray's API.
fn problem(status: u16, answer: &str) -> String {
    let json: Value = serde_json::from_str(answer).unwrap_or_default();
    let text = |key: &str| json[key].as_str();
    match (text("__type").or(text("code")), text("Message").or(text("message"))) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (None, Some(message)) => message.to_owned(),
        _ => format!("status {status}: {}", answer.trim()),
    }
}
