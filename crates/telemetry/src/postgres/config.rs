use std::str::FromStr;
use std::time::Duration;

use env::{ConfigError, Env, Secret};

/// Five for each of two cores: a sampled statement holds its connection for three round trips.
const MAX_CONNECTIONS: u32 = 10;
/// Below the five seconds that callers give a service, so that they get an answer and not a timeout of their own.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);
/// Enough for a tenth of what the others do, at twice the time for each.
const TRACED_CONNECTIONS: u32 = 2;

const URL_EXAMPLE: &str = "postgres://activities:secret@127.0.0.1:5433/activities";

/// How a service reaches its database.
#[derive(Clone, Debug)]
pub struct DbConfig {
    pub url: Secret,
    pub max_connections: u32,
    /// How long a statement may wait for a free connection before it fails with `PoolTimedOut`.
    pub acquire_timeout: Duration,
    /// How long one statement may run before Postgres ends it with 57014.
    pub statement_timeout: Duration,
    pub mode: Mode,
    /// In [`Mode::Transactions`], connections beside the others for sampled single statements, which bring back
    /// their plans. When none becomes free soon such a statement goes with the others, without a plan.
    pub traced_connections: u32,
}

/// Which sampled statements carry their trace into Postgres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Every one. A single statement is wrapped in a transaction of its own, which takes one round trip more: its BEGIN
    /// stands for the test of the connection that every other statement is preceded by.
    Always,
    /// Those inside a [`super::Tx`], where it costs no round trip. A single statement brings back its plan over
    /// a small pool of its own, and the server is not told the trace.
    #[default]
    Transactions,
}

impl DbConfig {
    pub fn new(url: impl Into<Secret>) -> Self {
        Self {
            url: url.into(),
            max_connections: MAX_CONNECTIONS,
            acquire_timeout: ACQUIRE_TIMEOUT,
            statement_timeout: STATEMENT_TIMEOUT,
            mode: Mode::default(),
            traced_connections: TRACED_CONNECTIONS,
        }
    }

    /// `DATABASE_URL`, `DATABASE_MAX_CONNECTIONS`, `DATABASE_ACQUIRE_TIMEOUT_MS`, `DATABASE_STATEMENT_TIMEOUT_MS`,
    /// `DATABASE_TRACED_CONNECTIONS` and `PG_TRACE_CONTEXT`.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let url = env.require::<String>("DATABASE_URL", URL_EXAMPLE)?;
        // sqlx would say this at connect time, with the password in it and without the variable's name.
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(ConfigError {
                variable: "DATABASE_URL".to_owned(),
                problem: "is no postgres:// URL".to_owned(),
                example: URL_EXAMPLE.to_owned(),
            });
        }
        let max_connections = env.parse_or("DATABASE_MAX_CONNECTIONS", MAX_CONNECTIONS, "10")?;
        if max_connections == 0 {
            return Err(ConfigError::bad("DATABASE_MAX_CONNECTIONS", "0", "is too few", "10"));
        }
        Ok(Self {
            url: url.into(),
            max_connections,
            acquire_timeout: env.millis_or("DATABASE_ACQUIRE_TIMEOUT_MS", ACQUIRE_TIMEOUT)?,
            statement_timeout: env.millis_or("DATABASE_STATEMENT_TIMEOUT_MS", STATEMENT_TIMEOUT)?,
            traced_connections: env.parse_or("DATABASE_TRACED_CONNECTIONS", TRACED_CONNECTIONS, "2")?,
            mode: env.parse_or("PG_TRACE_CONTEXT", Mode::default(), "always")?,
        })
    }
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "always" => Ok(Self::Always),
            "transactions" => Ok(Self::Transactions),
            _ => Err("is neither always nor transactions"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)], expect: &str) {
        let config = DbConfig::from_env(&Env::from_pairs(pairs.iter().copied()));
        let text = config.map_or_else(|e| e.to_string(), |c| format!("{} {:?}", c.max_connections, c.mode));
        assert_eq!(text, expect);
    }

    #[test]
    fn a_bad_value_names_its_variable_and_keeps_the_password() {
        let url = ("DATABASE_URL", "postgres://u:p@h/d");
        check(&[url], "10 Transactions");
        check(&[url, ("PG_TRACE_CONTEXT", "always"), ("DATABASE_MAX_CONNECTIONS", "3")], "3 Always");
        check(&[], &format!("DATABASE_URL: is not set; for example DATABASE_URL={URL_EXAMPLE}"));
        check(
            &[("DATABASE_URL", "mysql://u:hunter2@h/d")],
            &format!("DATABASE_URL: is no postgres:// URL; for example DATABASE_URL={URL_EXAMPLE}"),
        );
        check(
            &[url, ("PG_TRACE_CONTEXT", "sometimes")],
            r#"PG_TRACE_CONTEXT: "sometimes" is neither always nor transactions; for example PG_TRACE_CONTEXT=always"#,
        );
    }
}
