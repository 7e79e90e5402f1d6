//! The environment's variables as plain data.

use std::fs;

use env::{ConfigError, Env, Secret};
use url::Url;

use super::Level;
use crate::otlp::check_url;

const ITEM_PATH: &str = "/api/1/item/";
const VENDOR: &str = "https://api.rollbar.com";
/// rollbar.js calls it `itemsPerMinute`, and has the same default.
const ITEMS_PER_MINUTE: u32 = 60;
/// The console asks for a token, as Rollbar does, and takes any.
const CONSOLE_TOKEN: &str = "console";
/// What `THROUGHLINE_ENV` is when nobody says.
const ENVIRONMENT: &str = "development";

/// Where items go, and what they may tell. No destination: nowhere, and nothing is collected.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub destinations: Vec<Destination>,
    /// `THROUGHLINE_ENV`, in Rollbar a project's environment.
    pub environment: String,
    /// The least level of a log line that becomes an item. `None`: errors.
    pub level: Option<Level>,
    pub items_per_minute: u32,
    /// Whether a person's name and mail are told beside the id.
    pub username: bool,
    pub email: bool,
    /// Request headers that may be told beside the built-in ones.
    pub headers: Vec<String>,
    /// Keys that lose their values beside the built-in ones.
    pub scrub: Vec<String>,
    pub host: Option<String>,
    pub links: Links,
    /// Announce this process's version as a deploy when it starts.
    pub deploy: bool,
}

#[derive(Clone, Debug)]
pub struct Destination {
    /// In reports and log lines: `rollbar` or `console-rollbar`.
    pub name: &'static str,
    /// With the path, `/api/1/item/`.
    pub url: String,
    pub token: Option<Secret>,
    /// What Rollbar asks of items of a browser; without it the token above is used.
    pub browser_token: Option<Secret>,
}

/// Where a trace can be looked at; each one is left out when it is not known.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// The console as people's browsers find it.
    pub console: Option<String>,
    /// `https://ui.honeycomb.io/<team>/environments/<environment>`
    pub honeycomb: Option<String>,
    /// The AWS region whose X-Ray has the traces.
    pub xray_region: Option<String>,
}

impl Config {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let (username, email) = person(env)?;
        Ok(Self {
            destinations: [vendor(env)?, console(env)?].into_iter().flatten().collect(),
            environment: env.get("THROUGHLINE_ENV").unwrap_or(ENVIRONMENT).to_owned(),
            level: level(env)?,
            items_per_minute: items_per_minute(env)?,
            username,
            email,
            headers: list(env, "ROLLBAR_REQUEST_HEADERS"),
            scrub: list(env, "ROLLBAR_SCRUB_FIELDS"),
            host: host(env),
            links: Links::from_env(env)?,
            deploy: env.flag("ROLLBAR_DEPLOY")?.unwrap_or(false),
        })
    }

    pub fn is_off(&self) -> bool {
        self.destinations.is_empty()
    }
}

impl Destination {
    /// The same receiver's `/api/1/deploy`.
    pub(super) fn deploy_url(&self) -> String {
        format!("{}/api/1/deploy", self.url.trim_end_matches(ITEM_PATH))
    }
}

impl Links {
    fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let page = |name: &str| -> Result<_, ConfigError> {
            let Some(value) = env.get(name) else { return Ok(None) };
            check_url(name, value)?;
            Ok(Some(value.trim_end_matches('/').to_owned()))
        };
        Ok(Self {
            console: page("CONSOLE_URL")?,
            honeycomb: page("HONEYCOMB_UI_URL")?,
            xray_region: env.get("AWS_REGION").or_else(|| env.get("AWS_DEFAULT_REGION")).map(str::to_owned),
        })
    }

    /// Name and address of each place that shows the trace.
    pub(super) fn to(
        &self,
        trace_id: &str,
        xray_trace_id: &str,
        service: &str,
    ) -> Vec<(&'static str, String)> {
        let console = self.console.as_ref().map(|url| ("console", format!("{url}/trace/{trace_id}")));
        let honeycomb = self
            .honeycomb
            .as_ref()
            .map(|url| ("honeycomb", format!("{url}/datasets/{service}/trace?trace_id={trace_id}")));
        let xray = self.xray_region.as_ref().map(|region| {
            let home = format!("https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}");
            ("xray", format!("{home}#xray:traces/{xray_trace_id}"))
        });
        [console, honeycomb, xray].into_iter().flatten().collect()
    }
}

fn vendor(env: &Env) -> Result<Option<Destination>, ConfigError> {
    const TOKEN: &str = "ROLLBAR_ACCESS_TOKEN";
    const BROWSER: &str = "ROLLBAR_CLIENT_ACCESS_TOKEN";
    const ENDPOINT: &str = "ROLLBAR_ENDPOINT";
    let url = item_url(ENDPOINT, env.get(ENDPOINT).unwrap_or(VENDOR))?;
    let (token, browser_token) = (token(env, TOKEN)?, token(env, BROWSER)?);
    Ok(token.map(|token| Destination { name: "rollbar", url, token: Some(token), browser_token }))
}

fn console(env: &Env) -> Result<Option<Destination>, ConfigError> {
    const NAME: &str = "CONSOLE_ROLLBAR_ENDPOINT";
    let Some(value) = env.get(NAME) else { return Ok(None) };
    let url = item_url(NAME, value)?;
    Ok(Some(Destination {
        name: "console-rollbar",
        url,
        token: Some(CONSOLE_TOKEN.into()),
        browser_token: None,
    }))
}

/// The address of a server, or, as Rollbar's notifiers want it, the whole address of its items.
fn item_url(variable: &str, value: &str) -> Result<String, ConfigError> {
    let mut url: Url = check_url(variable, value)?;
    let path = url.path().trim_end_matches('/').to_owned();
    let base = path.strip_suffix(ITEM_PATH.trim_end_matches('/')).unwrap_or(&path);
    // Without the slash at its end Rollbar answers 404.
    url.set_path(&[base, ITEM_PATH].concat());
    Ok(url.into())
}

fn token(env: &Env, name: &str) -> Result<Option<Secret>, ConfigError> {
    let token = env.secret(name);
    if token.as_ref().is_some_and(|it| !it.expose().bytes().all(|b| b.is_ascii_graphic())) {
        // The value is not quoted: it is a secret.
        return Err(ConfigError {
            variable: name.to_owned(),
            problem: "is not usable in a header (the value is not shown, it may be a secret)".to_owned(),
            example: "0123456789abcdef0123456789abcdef".to_owned(),
        });
    }
    Ok(token)
}

fn level(env: &Env) -> Result<Option<Level>, ConfigError> {
    const NAME: &str = "ROLLBAR_LEVEL";
    match env.get(NAME) {
        None => Ok(None),
        Some("error") => Ok(Some(Level::Error)),
        Some("warning") => Ok(Some(Level::Warning)),
        Some(other) => Err(ConfigError::bad(NAME, other, "is neither error nor warning", "warning")),
    }
}

fn items_per_minute(env: &Env) -> Result<u32, ConfigError> {
    const NAME: &str = "ROLLBAR_ITEMS_PER_MINUTE";
    match env.parse_or(NAME, ITEMS_PER_MINUTE, "60")? {
        0 => Err(ConfigError::bad(NAME, "0", "is too small: 1 is the least", "60")),
        some => Ok(some),
    }
}

fn person(env: &Env) -> Result<(bool, bool), ConfigError> {
    const NAME: &str = "ROLLBAR_PERSON";
    let (mut username, mut email) = (false, false);
    for word in list(env, NAME) {
        match word.as_str() {
            "id" => {}
            "username" => username = true,
            "email" => email = true,
            _ => {
                return Err(ConfigError::bad(
                    NAME,
                    &word,
                    "is none of id, username and email",
                    "id,username",
                ));
            }
        }
    }
    Ok((username, email))
}

/// Kubernetes and shells set `HOSTNAME`; a plain process has the file.
fn host(env: &Env) -> Option<String> {
    let file = || fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned());
    env.get("HOSTNAME").map(str::to_owned).or_else(file).filter(|name| !name.is_empty())
}

fn list(env: &Env, name: &str) -> Vec<String> {
    let words = env.get(name).unwrap_or_default().split(',').map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
