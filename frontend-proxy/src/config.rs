use std::path::PathBuf;
use std::time::Duration;

use env::{ConfigError, Env};
use service::server::Settings;
use url::Url;

#[derive(Clone, Debug)]
pub struct Config {
    pub server: Settings,
    /// Where `/api/*` goes.
    pub gateway_url: String,
    /// Where a person's browser finds the console; for the app's link to "this page's trace".
    pub console_url: String,
    /// The built web app.
    pub web_dir: PathBuf,
    /// The ratio with which our pages sample, told to them and checked again here.
    pub browser_ratio: f64,
    /// How long the gateway may take until the head of its answer.
    pub api_timeout: Duration,
}

/// Bytes of a browser's request: a page that goes away can send 64 KiB (`keepalive` in the fetch standard).
const MAX_BODY: usize = 256 * 1024;
/// The gateway answers within its own deadlines, which are shorter; so is the time for a body (10 s), so that a slow
/// client is told 408 and not that the gateway is slow.
const API_TIMEOUT: Duration = Duration::from_secs(15);

impl Config {
    /// Reads `GATEWAY_URL`, `CONSOLE_URL`, `WEB_DIR`, `BROWSER_TRACES_SAMPLER_ARG`, `API_TIMEOUT` (milliseconds) and what
    /// [`Settings::from_env`] reads.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let mut server = Settings::from_env("127.0.0.1:3000", env)?;
        server.max_body = MAX_BODY;
        server.encoded_bodies = true;
        let web_dir = env.get("WEB_DIR").map_or_else(default_web_dir, PathBuf::from);
        let browser_ratio = env.parse_or("BROWSER_TRACES_SAMPLER_ARG", 1.0, "0.1")?;
        if !(0.0..=1.0).contains(&browser_ratio) {
            let value = browser_ratio.to_string();
            return Err(ConfigError::bad(
                "BROWSER_TRACES_SAMPLER_ARG",
                &value,
                "must be between 0 and 1",
                "0.1",
            ));
        }
        Ok(Self {
            server,
            gateway_url: url(env, "GATEWAY_URL", "http://127.0.0.1:4567")?,
            console_url: url(env, "CONSOLE_URL", "http://localhost:4380")?,
            web_dir,
            browser_ratio,
            api_timeout: env.millis_or("API_TIMEOUT", API_TIMEOUT)?,
        })
    }
}

/// Beside the workspace that this was built from.
fn default_web_dir() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/web/dist"))
}

/// An http(s) address without a trailing slash.
fn url(env: &Env, variable: &str, default: &str) -> Result<String, ConfigError> {
    let text = env.get(variable).unwrap_or(default);
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(ConfigError::bad(variable, text, "is no http address", default)),
    }
}
