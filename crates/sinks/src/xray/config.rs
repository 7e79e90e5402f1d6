//! The environment's variables as plain data: those of the X-Ray SDKs first.

use std::str::FromStr;

use ::xray::Options;
use env::{ConfigError, Env, Secret};

use crate::otlp::{Common, Destination, Wanted, check_url};

/// What X-Ray's OTLP endpoint takes in one request ("OTLP endpoints", beside 5 MB before compression).
pub const MAX_SPANS_PER_REQUEST: usize = 10_000;
const DAEMON: &str = "AWS_XRAY_DAEMON_ADDRESS";
const DAEMON_EXAMPLE: &str = "127.0.0.1:2000";

/// Where X-Ray's documents go, and what is indexed.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub daemon: Option<DaemonAddress>,
    pub options: Options,
    pub endpoint: Option<SignedEndpoint>,
}

/// The daemon takes segments by UDP and calls by HTTP, by default on one port. Host names stay names: what they mean may
/// change while we run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonAddress {
    /// `host:port`.
    pub udp: String,
    pub tcp: String,
}

/// X-Ray's own OTLP endpoint, which takes signed requests: `https://xray.<region>.amazonaws.com/v1/traces`.
#[derive(Clone, Debug)]
pub struct SignedEndpoint {
    pub destination: Destination,
    /// Whose key signs.
    pub region: String,
    /// From the environment; without them a profile, ECS or IMDS is asked, by AWS's own rules.
    pub credentials: Option<Credentials>,
}

#[derive(Clone, Debug)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
}

/// What `AWS_XRAY_EXPORTER` asks for.
#[derive(Clone, Copy, Debug, Default)]
struct Exporters {
    daemon: bool,
    otlp: bool,
}

impl Config {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        // Checked even when unused: a bad value stops the process at start, not on the day it begins to matter.
        let exporters = Exporters::from_env(env)?;
        let daemon = DaemonAddress::from_env(env)?;
        let options = options(env)?;
        let endpoint = SignedEndpoint::from_env(env, exporters.is_some_and(|it| it.otlp))?;
        if Wanted::from_env(env)?.is_some_and(|wanted| wanted.none) {
            return Ok(Self::default());
        }
        Ok(match exporters {
            Some(wanted) => Self {
                daemon: wanted.daemon.then(|| daemon.unwrap_or_default()),
                endpoint: endpoint.filter(|_| wanted.otlp),
                options,
            },
            None => Self { daemon, options, endpoint },
        })
    }

    pub fn is_off(&self) -> bool {
        self.daemon.is_none() && self.endpoint.is_none()
    }
}

impl DaemonAddress {
    /// `None` when the variable is unset.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        env.parse(DAEMON, DAEMON_EXAMPLE)
    }
}

impl Default for DaemonAddress {
    fn default() -> Self {
        Self { udp: DAEMON_EXAMPLE.to_owned(), tcp: DAEMON_EXAMPLE.to_owned() }
    }
}

/// `host:port`, or `tcp:host:port udp:host:port` in either order, with one blank between, as the X-Ray SDKs read it. They
/// split at every colon; we take `[::1]:2000` as well.
impl FromStr for DaemonAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "is neither host:port nor tcp:host:port udp:host:port";
        let Some((first, second)) = text.split_once(' ') else {
            let address = host_and_port(text).ok_or(FORM)?;
            return Ok(Self { udp: address.to_owned(), tcp: address.to_owned() });
        };
        let (tcp, udp) = match (first.strip_prefix("tcp:"), second.strip_prefix("udp:")) {
            (Some(tcp), Some(udp)) => (tcp, udp),
            _ => second.strip_prefix("tcp:").zip(first.strip_prefix("udp:")).ok_or(FORM)?,
        };
        let (tcp, udp) = host_and_port(tcp).zip(host_and_port(udp)).ok_or(FORM)?;
        Ok(Self { udp: udp.to_owned(), tcp: tcp.to_owned() })
    }
}

impl SignedEndpoint {
    /// `AWS_XRAY_OTLP_ENDPOINT`, or, when it is wanted without one, the region's.
    fn from_env(env: &Env, wanted: bool) -> Result<Option<Self>, ConfigError> {
        const NAME: &str = "AWS_XRAY_OTLP_ENDPOINT";
        const EXAMPLE: &str = "eu-central-1";
        let named = env.get("AWS_REGION").or_else(|| env.get("AWS_DEFAULT_REGION"));
        let url = match (env.get(NAME), named) {
            (Some(url), _) => url.to_owned(),
            (None, _) if !wanted => return Ok(None),
            (None, Some(region)) => url_of(region),
            (None, None) => return Err(no_region(EXAMPLE)),
        };
        let url = check_url(NAME, &url)?;
        if cfg!(not(feature = "aws")) {
            let problem = "needs the feature `aws`, which this build leaves out";
            return Err(ConfigError::bad(NAME, url.as_str(), problem, ""));
        }
        let region = url.host_str().and_then(region_of).or(named).ok_or_else(|| no_region(EXAMPLE))?;
        let common = Common::from_env(env)?;
        // Headers for other destinations hold their keys.
        let destination =
            Destination { headers: Vec::new(), ..common.destination("xray-otlp", url.to_string()) };
        Ok(Some(Self { region: region.to_owned(), destination, credentials: Credentials::from_env(env) }))
    }
}

impl Credentials {
    pub(crate) fn from_env(env: &Env) -> Option<Self> {
        Some(Self {
            access_key_id: env.get("AWS_ACCESS_KEY_ID")?.to_owned(),
            secret_access_key: env.secret("AWS_SECRET_ACCESS_KEY")?,
            session_token: env.secret("AWS_SESSION_TOKEN"),
        })
    }
}

impl Exporters {
    /// `None` when the variable is unset: then an address is enough.
    fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        const NAME: &str = "AWS_XRAY_EXPORTER";
        let Some(value) = env.get(NAME) else { return Ok(None) };
        let mut exporters = Self::default();
        for word in value.split(',').map(str::trim) {
            match word {
                "daemon" => exporters.daemon = true,
                "otlp" => exporters.otlp = true,
                "none" => {}
                _ => return Err(ConfigError::bad(NAME, value, "is none of daemon, otlp and none", "daemon")),
            }
        }
        Ok(Some(exporters))
    }
}

/// `XRAY_ANNOTATIONS`: exact keys, or `app.*` for all that begin so, instead of the default ones.
fn options(env: &Env) -> Result<Options, ConfigError> {
    const NAME: &str = "XRAY_ANNOTATIONS";
    let Some(value) = env.get(NAME) else { return Ok(Options::default()) };
    let annotate: Vec<String> =
        value.split(',').map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned).collect();
    if annotate.iter().any(|key| key.find('*').is_some_and(|star| star + 1 < key.len())) {
        return Err(ConfigError::bad(NAME, value, "has a * that is not at the end", "app.*,enduser.id"));
    }
    Ok(Options { annotate, ..Options::default() })
}

fn url_of(region: &str) -> String {
    format!("{}/v1/traces", api_of(region))
}

pub(crate) fn api_of(region: &str) -> String {
    let china = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://xray.{region}.amazonaws.com{china}")
}

/// `xray.<region>.amazonaws.com`, China's `.cn` included.
fn region_of(host: &str) -> Option<&str> {
    let (region, _) = host.strip_prefix("xray.")?.split_once(".amazonaws.com")?;
    (!region.is_empty()).then_some(region)
}

fn no_region(example: &str) -> ConfigError {
    ConfigError {
        variable: "AWS_REGION".to_owned(),
        problem: "is not set, and X-Ray's OTLP endpoint is one of a region".to_owned(),
        example: example.to_owned(),
    }
}

/// The text, if it is one: a name or an address without blanks or colons (or with brackets), and a port that is not 0.
fn host_and_port(text: &str) -> Option<&str> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok().map(|_| "::"),
        None => (!host.contains([':', ']', '/', '@'])).then_some(host),
    }?;
    let port: u16 = port.parse().ok()?;
    (port > 0 && !bare.is_empty() && !bare.contains(char::is_whitespace)).then_some(text)
}
