use std::time::Duration;

use env::{ConfigError, Env};
use service::server::Settings;
use telemetry::postgres::DbConfig;
use url::Url;

const USERS_URL: &str = "http://127.0.0.1:4569";

/// All that this service can be told.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: Settings,
    pub db: DbConfig,
    /// Where tokens' public keys come from: the users service.
    pub users_url: Url,
    /// How often expired posts are deleted.
    pub sweep_interval: Duration,
}

impl Config {
    /// Reads `LISTEN`, `DATABASE_URL` and its companions, `USERS_URL`, `SWEEP_INTERVAL` (milliseconds).
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            server: Settings::from_env("127.0.0.1:4568", env)?,
            db: DbConfig::from_env(env)?,
            users_url: env
                .parse("USERS_URL", USERS_URL)?
                .unwrap_or_else(|| USERS_URL.parse().expect("the default is a URL")),
            sweep_interval: env.millis_or("SWEEP_INTERVAL", Duration::from_mins(1))?,
        })
    }
}
