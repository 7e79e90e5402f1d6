//! The environment's variables as plain data: the OpenTelemetry specification's names first.

use std::time::Duration;

use env::{ConfigError, Env, Secret};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// The specification's default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The specification's default, taken only when `OTEL_TRACES_EXPORTER=otlp` asks for OTLP and nothing says where.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";
const HONEYCOMB_ENDPOINT: &str = "https://api.honeycomb.io";
const HONEYCOMB_KEY_HEADER: &str = "x-honeycomb-team";

/// Where spans go. No destination and no printing: nowhere.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub destinations: Vec<Destination>,
    /// `OTEL_TRACES_EXPORTER=console`: a line per span on standard output.
    pub print: bool,
}

#[derive(Clone, Debug)]
pub struct Destination {
    /// In reports and log lines: `otlp`, `honeycomb` or `console`.
    pub name: String,
    /// With the path of the signal, `/v1/traces`.
    pub url: String,
    pub headers: Vec<(String, Secret)>,
    pub gzip: bool,
    pub timeout: Duration,
}

impl Destination {
    /// One that a variable of another name asks for: an address, which gets the signal's path if it has none, and headers in
    /// the form of `OTEL_EXPORTER_OTLP_HEADERS`.
    pub fn parse(
        name: &str,
        (variable, url): (&str, &str),
        headers: Option<(&str, &str)>,
    ) -> Result<Self, ConfigError> {
        let has_path = check_url(variable, url)?.path() != "/";
        Ok(Self {
            name: name.to_owned(),
            url: if has_path { url.to_owned() } else { join_path(variable, url)? },
            headers: headers.map_or(Ok(Vec::new()), |(name, value)| parse_headers(name, value))?,
            gzip: true,
            timeout: DEFAULT_TIMEOUT,
        })
    }
}

/// What `OTEL_TRACES_EXPORTER` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    otlp: bool,
    print: bool,
    pub(crate) none: bool,
}

impl Config {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let wanted = Wanted::from_env(env)?;
        // Checked even when unused: a bad value stops the process at start, not on the day it begins to matter.
        check_protocol(env)?;
        let common = Common::from_env(env)?;
        if wanted.as_ref().is_some_and(|w| w.none) {
            return Ok(Self::default());
        }
        let mut config = Self { print: wanted.as_ref().is_some_and(|w| w.print), ..Self::default() };
        if wanted.is_none_or(|w| w.otlp) {
            config.add(otlp(env, &common)?);
            config.add(honeycomb(env, &common)?);
        }
        // The local console receives also when OTEL_TRACES_EXPORTER=console turns to standard output.
        config.add(console(env)?);
        if config.destinations.is_empty() && wanted.is_some_and(|w| w.otlp) {
            config.add(Some(
                common.destination("otlp", join_path("OTEL_EXPORTER_OTLP_ENDPOINT", DEFAULT_ENDPOINT)?),
            ));
        }
        Ok(config)
    }

    /// Nothing is exported.
    pub fn is_off(&self) -> bool {
        self.destinations.is_empty() && !self.print
    }

    /// Two variables may name one receiver (`OTEL_EXPORTER_OTLP_ENDPOINT=https://api.honeycomb.io` beside
    /// `HONEYCOMB_API_KEY`): it gets every span once, with the headers of both.
    fn add(&mut self, destination: Option<Destination>) {
        let Some(destination) = destination else { return };
        match self.destinations.iter_mut().find(|d| same_receiver(&d.url, &destination.url)) {
            None => self.destinations.push(destination),
            Some(known) => {
                for (name, value) in destination.headers {
                    if !known.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(&name)) {
                        known.headers.push((name, value));
                    }
                }
            }
        }
    }
}

/// What the `OTEL_EXPORTER_OTLP_*` variables say about any destination but the local console.
pub(crate) struct Common {
    headers: Vec<(String, Secret)>,
    gzip: bool,
    timeout: Duration,
}

impl Common {
    pub(crate) fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let (headers, name) = either(env, "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS");
        let timeout = env.millis_or("OTEL_EXPORTER_OTLP_TIMEOUT", DEFAULT_TIMEOUT)?;
        Ok(Self {
            headers: headers.map_or(Ok(Vec::new()), |value| parse_headers(name, value))?,
            gzip: gzip(env)?,
            timeout: env.millis_or("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", timeout)?,
        })
    }

    pub(crate) fn destination(&self, name: &str, url: String) -> Destination {
        Destination {
            name: name.to_owned(),
            url,
            headers: self.headers.clone(),
            gzip: self.gzip,
            timeout: self.timeout,
        }
    }
}

impl Wanted {
    /// `None` when the variable is unset.
    pub(crate) fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        const NAME: &str = "OTEL_TRACES_EXPORTER";
        let Some(value) = env.get(NAME) else { return Ok(None) };
        let mut wanted = Self::default();
        for word in value.split(',').map(str::trim) {
            match word {
                "otlp" => wanted.otlp = true,
                "console" | "stdout" => wanted.print = true,
                "none" => wanted.none = true,
                _ => return Err(ConfigError::bad(NAME, value, "is none of otlp, console and none", "otlp")),
            }
        }
        Ok(Some(wanted))
    }
}

fn otlp(env: &Env, common: &Common) -> Result<Option<Destination>, ConfigError> {
    const SIGNAL: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const GENERAL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    // The signal's own variable is taken as it is, the general one gets the signal's path.
    let url = match (env.get(SIGNAL), env.get(GENERAL)) {
        (Some(value), _) => check_url(SIGNAL, value)?.to_string(),
        (None, Some(value)) => join_path(GENERAL, value)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(common.destination("otlp", url)))
}

fn honeycomb(env: &Env, common: &Common) -> Result<Option<Destination>, ConfigError> {
    const KEY: &str = "HONEYCOMB_API_KEY";
    const ENDPOINT: &str = "HONEYCOMB_API_ENDPOINT";
    let url = join_path(ENDPOINT, env.get(ENDPOINT).unwrap_or(HONEYCOMB_ENDPOINT))?;
    let Some(key) = env.secret(KEY) else { return Ok(None) };
    if !key.expose().bytes().all(|b| b.is_ascii_graphic()) {
        return Err(unprintable(KEY, "hcaik_01hq..."));
    }
    let mut headers = vec![(HONEYCOMB_KEY_HEADER.to_owned(), key)];
    // Only Classic keys need it; others take the dataset from service.name.
    headers.extend(env.secret("HONEYCOMB_DATASET").map(|d| ("x-honeycomb-dataset".to_owned(), d)));
    Ok(Some(Destination { headers, ..common.destination("honeycomb", url) }))
}

fn console(env: &Env) -> Result<Option<Destination>, ConfigError> {
    const NAME: &str = "CONSOLE_OTLP_ENDPOINT";
    env.get(NAME)
        .map(|value| {
            Ok(Destination {
                name: "console".to_owned(),
                url: join_path(NAME, value)?,
                headers: Vec::new(),
                gzip: false,
                timeout: DEFAULT_TIMEOUT,
            })
        })
        .transpose()
}

fn check_protocol(env: &Env) -> Result<(), ConfigError> {
    const ONLY: &str = "http/protobuf";
    let (value, name) = either(env, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");
    match value {
        None | Some(ONLY) => Ok(()),
        Some(other) => Err(ConfigError::bad(name, other, "is not supported, only http/protobuf is", ONLY)),
    }
}

fn gzip(env: &Env) -> Result<bool, ConfigError> {
    let (value, name) =
        either(env, "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION");
    match value {
        None | Some("none") => Ok(false),
        Some("gzip") => Ok(true),
        Some(other) => Err(ConfigError::bad(name, other, "is neither gzip nor none", "gzip")),
    }
}

/// The signal's own variable wins over the general one.
fn either<'a>(env: &'a Env, signal: &'static str, general: &'static str) -> (Option<&'a str>, &'static str) {
    match env.get(signal) {
        Some(value) => (Some(value), signal),
        None => (env.get(general), general),
    }
}

fn join_path(variable: &str, value: &str) -> Result<String, ConfigError> {
    let mut url = check_url(variable, value)?;
    let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url.into())
}

pub(crate) fn check_url(variable: &str, value: &str) -> Result<Url, ConfigError> {
    const EXAMPLE: &str = "http://127.0.0.1:4318";
    let url = Url::parse(value).map_err(|e| ConfigError::bad(variable, value, &e.to_string(), EXAMPLE))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ConfigError::bad(variable, value, "is not an http or https address", EXAMPLE));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // The value is not quoted: it holds a secret.
        return Err(ConfigError {
            variable: variable.to_owned(),
            problem: "has a user name or password, which belong into OTEL_EXPORTER_OTLP_HEADERS".to_owned(),
            example: EXAMPLE.to_owned(),
        });
    }
    Ok(url)
}

/// `name=value,name=value`, values percent-encoded (specification of the OTLP exporter, "Specifying headers").
/// Errors never quote the value: it is where API keys live.
fn parse_headers(variable: &str, value: &str) -> Result<Vec<(String, Secret)>, ConfigError> {
    const EXAMPLE: &str = "x-honeycomb-team=hcaik_01hq...";
    let mut headers = Vec::new();
    for pair in value.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| unprintable(variable, EXAMPLE))?;
        let name = name.trim();
        let value =
            percent_decode_str(value.trim()).decode_utf8().map_err(|_| unprintable(variable, EXAMPLE))?;
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty()
            || !name.bytes().all(token)
            || !value.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
        {
            return Err(unprintable(variable, EXAMPLE));
        }
        headers.push((name.to_owned(), Secret::from(value.as_ref())));
    }
    Ok(headers)
}

fn unprintable(variable: &str, example: &str) -> ConfigError {
    ConfigError {
        variable: variable.to_owned(),
        problem: "is not usable in a header (the value is not shown, it may be a secret)".to_owned(),
        example: example.to_owned(),
    }
}

/// The same address, `localhost` being 127.0.0.1.
pub(crate) fn same_receiver(a: &str, b: &str) -> bool {
    let key = |url: &str| {
        let url = Url::parse(url).ok()?;
        let host = match url.host()? {
            Host::Domain("localhost") => "127.0.0.1".to_owned(),
            other => other.to_string(),
        };
        Some((url.scheme().to_owned(), host, url.port_or_known_default(), url.path().to_owned()))
    };
    key(a).is_some_and(|a| Some(a) == key(b))
}
