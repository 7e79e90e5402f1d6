//! `CONSOLE_STORE`: where the spans are.

use env::{ConfigError, Env};
use url::Url;

const EXAMPLE: &str = "clickhouse://reader:word@clickhouse:8123/otel?table=otel_traces";
/// The Collector's exporter's own defaults.
const DEFAULT_TABLE: &str = "otel_traces";
const DEFAULT_LOGS: &str = "otel_logs";
/// ClickHouse's HTTP interface, plain and by TLS.
const PORTS: [u16; 2] = [8123, 8443];

/// The settings of a console that reads ClickHouse.
#[derive(Clone, Debug)]
pub struct Config {
    /// Of the web server, the token and the UI; the rest is of no account.
    pub console: crate::Config,
    pub store: Address,
}

/// `clickhouse://[user:password@]host[:port]/database[?table=otel_traces&logs=otel_logs&secure=true]`
#[derive(Clone)]
pub struct Address {
    /// Of the HTTP interface, without user and password.
    pub url: String,
    pub user: Option<String>,
    pub password: Option<String>,
    pub database: String,
    pub table: String,
    /// The table of logs, which may not be there.
    pub logs: String,
}

impl Config {
    /// Whether the environment asks for such a console.
    pub fn is_asked(env: &Env) -> bool {
        env.get("CONSOLE_STORE").is_some()
    }

    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let store = env.get("CONSOLE_STORE").unwrap_or_default();
        // The address is not quoted: it may hold the password.
        let store = Address::parse(store).map_err(|problem| ConfigError {
            variable: "CONSOLE_STORE".to_owned(),
            problem: problem.to_owned(),
            example: EXAMPLE.to_owned(),
        })?;
        Ok(Self { console: crate::Config::from_env(env)?, store })
    }
}

impl Address {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "is no address")?;
        if url.scheme() != "clickhouse" {
            return Err("must begin with clickhouse://");
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("has no host")?;
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| "is not UTF-8")
        };
        let database = decoded(url.path().trim_matches('/'))?;
        if database.is_empty() {
            return Err("names no database");
        }
        let (mut table, mut logs, mut secure) = (DEFAULT_TABLE.to_owned(), DEFAULT_LOGS.to_owned(), false);
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("table", value) if !value.is_empty() => value.clone_into(&mut table),
                ("logs", value) if !value.is_empty() => value.clone_into(&mut logs),
                ("secure", "true") => secure = true,
                ("secure", "false") => secure = false,
                _ => return Err("may have ?table=NAME, logs=NAME and secure=true, nothing else"),
            }
        }
        let scheme = if secure { "https" } else { "http" };
        let port = url.port().unwrap_or(PORTS[usize::from(secure)]);
        let user = Some(url.username()).filter(|user| !user.is_empty());
        Ok(Self {
            url: format!("{scheme}://{host}:{port}"),
            user: user.map(decoded).transpose()?,
            password: url.password().map(decoded).transpose()?,
            database,
            table,
            logs,
        })
    }
}

impl std::fmt::Debug for Address {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}?table={}", self.url, self.database, self.table)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn an_address_is_read_and_its_password_not_shown() {
        let address =
            Address::parse("clickhouse://reader:p%40ss@db:9999/otel?table=spans&secure=true").unwrap();
        assert_eq!(format!("{address:?}"), "https://db:9999/otel?table=spans");
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("reader"), Some("p@ss")));
        let plain = Address::parse("clickhouse://db/otel").unwrap();
        assert_eq!((plain.url.as_str(), plain.table.as_str()), ("http://db:8123", "otel_traces"));
        assert_eq!(Address::parse("clickhouse://db/otel?logs=lines").unwrap().logs, "lines");
        for wrong in ["db", "http://db/otel", "clickhouse://db", "clickhouse://db/otel?tabel=x"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}
