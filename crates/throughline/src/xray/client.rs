//! Calls of X-Ray's API: plain to the console, signed to AWS.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use env::{Env, Secret};
use serde_json::Value;
use ureq::tls::{RootCerts, TlsConfig};

const DEFAULT_CONSOLE: &str = "http://127.0.0.1:4380";
/// AWS answers in less than a second; a call is never repeated here.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Client {
    agent: ureq::Agent,
    endpoint: String,
    access: Access,
}

enum Access {
    Open,
    /// The console's token.
    Token(Secret),
    Signed(Box<Account>),
}

/// Whose account, by the variables that every tool of AWS reads.
#[cfg_attr(not(feature = "aws"), allow(dead_code))]
struct Account {
    region: String,
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Option<Secret>,
}

impl Client {
    pub(super) fn new(endpoint: Option<&str>, is_aws: bool, env: &Env) -> anyhow::Result<Self> {
        let region = env.get("AWS_REGION").or(env.get("AWS_DEFAULT_REGION"));
        let endpoint = match endpoint {
            Some(endpoint) => endpoint.to_owned(),
            None if is_aws => {
                let region = region.context("AWS_REGION is not set; for example eu-central-1")?;
                format!("https://xray.{region}.amazonaws.com")
            }
            None => env.get("CONSOLE_URL").unwrap_or(DEFAULT_CONSOLE).to_owned(),
        };
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let access = if is_of_aws(&endpoint) {
            Access::Signed(Box::new(Account::from_env(&endpoint, env)?))
        } else {
            env.secret("CONSOLE_TOKEN").map_or(Access::Open, Access::Token)
        };
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .http_status_as_error(false);
        // HTTP_PROXY is meant for the world outside this machine.
        let config = if is_of_aws(&endpoint) { config } else { config.proxy(None) };
        Ok(Self { agent: config.build().into(), endpoint, access })
    }

    pub(super) fn call(&self, path: &str, request: &Value) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.endpoint);
        let body = request.to_string();
        let mut call = self.agent.post(&url).header("content-type", "application/json");
        match &self.access {
            Access::Open => {}
            Access::Token(token) => call = call.header("authorization", format!("Bearer {}", token.expose())),
            Access::Signed(account) => {
                for (name, value) in account.sign(&url, &body)? {
                    call = call.header(name, value.expose());
                }
            }
        }
        let mut response = call.send(&body).with_context(|| format!("{url} does not answer"))?;
        let answer = response.body_mut().read_to_string()?;
        anyhow::ensure!(response.status().is_success(), "{}", problem(response.status().as_u16(), &answer));
        serde_json::from_str(&answer).with_context(|| format!("{url} does not answer like X-Ray"))
    }
}

impl Account {
    fn from_env(endpoint: &str, env: &Env) -> anyhow::Result<Self> {
        // https://xray.eu-central-1.amazonaws.com
        let region = endpoint.split('.').nth(1).unwrap_or_default().to_owned();
        let missing = |name: &str| format!("{name} is not set, and {endpoint} asks for a signature");
        Ok(Self {
            region,
            access_key_id: env
                .get("AWS_ACCESS_KEY_ID")
                .with_context(|| missing("AWS_ACCESS_KEY_ID"))?
                .to_owned(),
            secret_access_key: env
                .secret("AWS_SECRET_ACCESS_KEY")
                .with_context(|| missing("AWS_SECRET_ACCESS_KEY"))?,
            session_token: env.secret("AWS_SESSION_TOKEN"),
        })
    }

    /// The headers that prove who calls.
    #[cfg(feature = "aws")]
    fn sign(&self, url: &str, body: &str) -> anyhow::Result<Vec<(String, Secret)>> {
        use aws_credential_types::Credentials;
        use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
        use aws_sigv4::sign::v4::SigningParams;

        let token = self.session_token.as_ref().map(|token| token.expose().to_owned());
        let secret = self.secret_access_key.expose();
        let identity = Credentials::new(&self.access_key_id, secret, token, None, "environment").into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("xray")
            .time(std::time::SystemTime::now())
            .settings(SigningSettings::default())
            .build()?;
        let headers = [("content-type", "application/json")].into_iter();
        let request = SignableRequest::new("POST", url, headers, SignableBody::Bytes(body.as_bytes()))?;
        let (instructions, _) = sign(request, &params.into())?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), Secret::from(value))).collect())
    }

    #[cfg(not(feature = "aws"))]
    #[allow(clippy::unused_self)]
    fn sign(&self, _: &str, _: &str) -> anyhow::Result<Vec<(String, Secret)>> {
        anyhow::bail!("this throughline is built without the feature `aws`, which signs requests")
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
