use std::time::Duration;

use env::{ConfigError, Env};
use service::server::Settings;
use telemetry::postgres::DbConfig;

#[derive(Clone, Debug)]
pub struct Config {
    pub server: Settings,
    pub db: DbConfig,
    /// How long a token is valid; nothing can call it back before.
    pub token_lifetime: Duration,
}

impl Config {
    /// Reads `DATABASE_URL`, `TOKEN_LIFETIME` (milliseconds) and what [`Settings::from_env`] and
    /// [`DbConfig::from_env`] read.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            server: Settings::from_env("127.0.0.1:4569", env)?,
            db: DbConfig::from_env(env)?,
            token_lifetime: env.millis_or("TOKEN_LIFETIME", Duration::from_hours(1))?,
        })
    }
}
