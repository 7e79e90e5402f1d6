use std::time::Duration;

use env::{ConfigError, Env};
use service::server::Settings;
use url::Url;

/// All that the gateway can be told.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: Settings,
    pub activities_url: Url,
    pub users_url: Url,
    /// How long one request may take, with all the calls that it needs; then the caller gets a 504.
    pub request_deadline: Duration,
    /// Marks the session cookie `Secure`: wherever the app is served over HTTPS.
    pub secure_cookie: bool,
}

impl Config {
    /// Reads `LISTEN`, `ACTIVITIES_URL`, `USERS_URL`, `REQUEST_DEADLINE` (milliseconds), `COOKIE_SECURE`.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            server: Settings::from_env("127.0.0.1:4567", env)?,
            activities_url: url(env, "ACTIVITIES_URL", "http://127.0.0.1:4568")?,
            users_url: url(env, "USERS_URL", "http://127.0.0.1:4569")?,
            request_deadline: env.millis_or("REQUEST_DEADLINE", Duration::from_secs(3))?,
            secure_cookie: env.flag("COOKIE_SECURE")?.unwrap_or(false),
        })
    }
}

fn url(env: &Env, name: &str, default: &str) -> Result<Url, ConfigError> {
    let text = env.get(name).unwrap_or(default);
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(_) => Err(ConfigError::bad(name, text, "is no http or https address", default)),
        Err(error) => Err(ConfigError::bad(name, text, &error.to_string(), default)),
    }
}
