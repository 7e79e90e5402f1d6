//! The environment's variables as plain data: AWS's names first.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use env::{ConfigError, Env, Secret};
use url::Url;

use crate::otlp::{check_url, same_receiver};
use crate::xray::Credentials;

const GROUP: &str = "CLOUDWATCH_LOG_GROUP";
const DEFAULT_GROUP: &str = "cruddur";
const ENDPOINT: &str = "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS";
/// The general one of every SDK of AWS.
const GENERAL_ENDPOINT: &str = "AWS_ENDPOINT_URL";
const CONSOLE_ENDPOINT: &str = "CONSOLE_CLOUDWATCH_LOGS_ENDPOINT";
/// One stream per process: CloudWatch takes puts to one stream from everywhere, but people read one process at a time.
const DEFAULT_STREAM: &str = "{service}/{instance}";
/// Names of groups and streams (CreateLogGroup, CreateLogStream).
const MAX_NAME_CHARS: usize = 512;
/// What PutRetentionPolicy takes.
const RETENTION_DAYS: [i32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288,
    3_653,
];
/// The specification's default of `OTEL_BLRP_SCHEDULE_DELAY`.
const SCHEDULE_DELAY: Duration = Duration::from_secs(1);
/// What a process may keep on disk for one destination: a minute of 10,000 lines a second of 400 bytes each.
const SPOOL_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// For one call, name look-up to the last byte of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where log lines go besides standard output. No destination: nowhere.
#[derive(Clone, Debug)]
pub struct Config {
    pub destinations: Vec<Destination>,
    /// How long the first line of a batch waits for company (`OTEL_BLRP_SCHEDULE_DELAY`).
    pub schedule_delay: Duration,
    pub spool: Option<Spooling>,
}

#[derive(Clone, Debug)]
pub struct Destination {
    /// In reports and log lines: `cloudwatch` or `cloudwatch-console`.
    pub name: String,
    /// `None`: AWS's own of the region.
    pub endpoint: Option<String>,
    pub region: String,
    /// From the environment; without them a profile, ECS or IMDS is asked, by AWS's own rules.
    pub credentials: Option<Credentials>,
    pub group: String,
    pub stream: Template,
    /// Of a group that we make; one that exists keeps its own.
    pub retention_days: Option<i32>,
    pub timeout: Duration,
}

/// A stream's name with placeholders: `{service}`, `{namespace}`, `{instance}`, `{version}` and `{pid}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

/// What the placeholders stand for, in this process.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub service: String,
    pub namespace: String,
    /// `service.instance.id` of the spans' resource: a stream is found from a span.
    pub instance: String,
    pub version: String,
}

/// Lines that wait are kept on disk too, and survive the process.
#[derive(Clone, Debug)]
pub struct Spooling {
    pub folder: PathBuf,
    /// Per destination.
    pub max_bytes: u64,
}

impl Config {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        // Checked even when unused: a bad value stops the process at start, not on the day it begins to matter.
        let mut config = Self {
            destinations: Vec::new(),
            schedule_delay: env.millis_or("OTEL_BLRP_SCHEDULE_DELAY", SCHEDULE_DELAY)?,
            spool: spool(env)?,
        };
        let group = group(env)?;
        let stream = env.parse_or("CLOUDWATCH_LOG_STREAM", Template::default(), DEFAULT_STREAM)?;
        let retention_days = retention(env)?;
        let destination = |name: &str, endpoint: Option<String>, region: String| Destination {
            name: name.to_owned(),
            endpoint,
            region,
            credentials: Credentials::from_env(env),
            group: group.clone().unwrap_or_else(|| DEFAULT_GROUP.to_owned()),
            stream: stream.clone(),
            retention_days,
            timeout: TIMEOUT,
        };
        let endpoint = url(env, ENDPOINT)?.or(url(env, GENERAL_ENDPOINT)?);
        if group.is_some() {
            let region = region(env, endpoint.as_deref())?;
            config.destinations.push(destination("cloudwatch", endpoint, region));
        }
        if let Some(console) = url(env, CONSOLE_ENDPOINT)? {
            let known =
                |it: &Destination| it.endpoint.as_deref().is_some_and(|url| same_receiver(url, &console));
            if !config.destinations.iter().any(known) {
                // Whoever writes to the console needs no account, and no account's key goes there.
                config.destinations.push(Destination {
                    credentials: Some(Credentials {
                        access_key_id: "throughline".to_owned(),
                        secret_access_key: Secret::from("throughline"),
                        session_token: None,
                    }),
                    ..destination("cloudwatch-console", Some(console), "us-east-1".to_owned())
                });
            }
        }
        if let (Some(group), cfg!(not(feature = "aws")), false) = (group, true, config.is_off()) {
            let problem = "needs the feature `aws`, which this build leaves out";
            return Err(ConfigError::bad(GROUP, &group, problem, ""));
        }
        if cfg!(not(feature = "aws")) {
            config.destinations.clear();
        }
        Ok(config)
    }

    /// Lines go to standard output only.
    pub fn is_off(&self) -> bool {
        self.destinations.is_empty()
    }
}

impl Template {
    pub(crate) fn expand(&self, names: &Names) -> String {
        let mut name = self.0.clone();
        for (placeholder, value) in [
            ("{service}", names.service.as_str()),
            ("{namespace}", &names.namespace),
            ("{instance}", &names.instance),
            ("{version}", &names.version),
            ("{pid}", &std::process::id().to_string()),
        ] {
            name = name.replace(placeholder, value);
        }
        // What a variable says may hold what a stream's name may not (CreateLogStream: `[^:*]*`).
        name.replace([':', '*'], "-").chars().take(MAX_NAME_CHARS).collect()
    }
}

impl Default for Template {
    fn default() -> Self {
        Self(DEFAULT_STREAM.to_owned())
    }
}

impl FromStr for Template {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains([':', '*']) {
            return Err("has a : or a *, which no stream may have");
        }
        let known = ["{service}", "{namespace}", "{instance}", "{version}", "{pid}"];
        let rest = known.iter().fold(text.to_owned(), |text, placeholder| text.replace(placeholder, ""));
        if rest.contains(['{', '}']) {
            return Err(
                "names a placeholder that is none of {service}, {namespace}, {instance}, {version} and {pid}",
            );
        }
        Ok(Self(text.to_owned()))
    }
}

fn group(env: &Env) -> Result<Option<String>, ConfigError> {
    let Some(group) = env.get(GROUP) else { return Ok(None) };
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-_/#".contains(c);
    let problem = if !group.chars().all(legal) {
        "has characters beyond A-Z a-z 0-9 . - _ / #"
    } else if group.starts_with("aws/") {
        "has the prefix aws/, which is AWS's own"
    } else if group.len() > MAX_NAME_CHARS {
        "is longer than 512 characters"
    } else {
        return Ok(Some(group.to_owned()));
    };
    Err(ConfigError::bad(GROUP, group, problem, DEFAULT_GROUP))
}

fn retention(env: &Env) -> Result<Option<i32>, ConfigError> {
    const NAME: &str = "CLOUDWATCH_LOG_RETENTION_DAYS";
    const EXAMPLE: &str = "30";
    let days: Option<i32> = env.parse(NAME, EXAMPLE)?;
    if let Some(days) = days.filter(|days| !RETENTION_DAYS.contains(days)) {
        let problem = "is none of the periods that CloudWatch knows (1, 3, 5, 7, 14, 30, 60, 90 and so on)";
        return Err(ConfigError::bad(NAME, &days.to_string(), problem, EXAMPLE));
    }
    Ok(days)
}

fn spool(env: &Env) -> Result<Option<Spooling>, ConfigError> {
    let max_bytes = env.parse_or("CLOUDWATCH_SPOOL_MAX_BYTES", SPOOL_MAX_BYTES, "268435456")?;
    Ok(env.get("CLOUDWATCH_SPOOL_DIR").map(|folder| Spooling { folder: PathBuf::from(folder), max_bytes }))
}

fn url(env: &Env, name: &str) -> Result<Option<String>, ConfigError> {
    env.get(name).map(|value| Ok(check_url(name, value)?.into())).transpose()
}

/// Of the variable, of AWS's own address, or any where somebody else listens at the address.
fn region(env: &Env, endpoint: Option<&str>) -> Result<String, ConfigError> {
    let named = env.get("AWS_REGION").or_else(|| env.get("AWS_DEFAULT_REGION")).map(str::to_owned);
    let known = endpoint.and_then(|url| {
        let url = Url::parse(url).ok()?;
        let (region, _) = url.host_str()?.strip_prefix("logs.")?.split_once(".amazonaws.com")?;
        Some(region.to_owned())
    });
    known.or(named).or_else(|| endpoint.map(|_| "us-east-1".to_owned())).ok_or_else(|| ConfigError {
        variable: "AWS_REGION".to_owned(),
        problem: format!("is not set, and {GROUP} names a group of a region"),
        example: "eu-central-1".to_owned(),
    })
}
