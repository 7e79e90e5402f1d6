//! What the console is told by its environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use env::{ConfigError, Env, Secret};
use service::server::{Listen, Settings};
use url::Url;

use crate::forward;

pub const DEFAULT_LISTEN: &str = "127.0.0.1:4380";
pub const DEFAULT_OTLP_HTTP: &str = "127.0.0.1:4318";
pub const DEFAULT_OTLP_GRPC: &str = "127.0.0.1:4317";
/// As X-Ray's daemon, UDP and TCP.
pub const DEFAULT_XRAY_DAEMON: &str = "127.0.0.1:2000";
pub const DEFAULT_DATA_DIR: &str = ".throughline/console";
/// 2 GiB: about 2 to 4 million spans.
pub const DEFAULT_MAX_BYTES: u64 = 2 << 30;
/// 512 MiB: the newest 4 million spans or so.
pub const DEFAULT_COLUMNS_MAX_BYTES: usize = 512 << 20;
/// Less leaves no room for one large request.
const LEAST_MAX_BYTES: u64 = 1 << 20;

/// `PutTraceSegments` carries 50 documents of 64 KB, each escaped as text within JSON.
const MAX_BODY: usize = 8 << 20;

const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(1);

/// `README.md` has the table of variables.
#[derive(Clone, Debug)]
pub struct Config {
    /// UI and API; the other ways in share its `allowed_hosts` and `body_deadline`.
    pub server: Settings,
    pub otlp_http: Listen,
    pub otlp_grpc: Listen,
    pub xray_daemon: Listen,
    /// Where the spans that come by OTLP are sent on to, as segments.
    pub xray_forward: Option<Listen>,
    /// Where else what comes is sent on to, as it is.
    pub forward: forward::Config,
    pub data_dir: PathBuf,
    pub ui_dir: PathBuf,
    /// Saved queries, as files.
    pub queries_dir: PathBuf,
    pub token: Option<Secret>,
    /// The demonstration, where there is one: its laboratory can be asked from here.
    pub app_url: Option<Url>,
    pub max_bytes: u64,
    /// Of the columns in memory that queries are answered from.
    pub columns_max_bytes: usize,
}

impl Config {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let mut server = Settings::from_env(DEFAULT_LISTEN, env)?;
        // Live streams end only with their reader: waiting longer for them gains nothing.
        server.shutdown_deadline = server.shutdown_deadline.min(SHUTDOWN_DEADLINE);
        server.max_body = MAX_BODY;
        // Those who send to Rollbar and CloudWatch may pack; their receivers unpack.
        server.encoded_bodies = true;
        let listen = |name, default: &str| match env.parse(name, default)? {
            Some(listen) => Ok(listen),
            None => Ok(default.parse().expect("the default is an address")),
        };
        let xray_daemon: Listen = listen("CONSOLE_XRAY_DAEMON", DEFAULT_XRAY_DAEMON)?;
        let token = env.secret("CONSOLE_TOKEN");
        // Whoever says so answers for who reaches the port: compose publishes it on 127.0.0.1 only.
        let open = env.flag("CONSOLE_OPEN")?.unwrap_or(false);
        // The daemon's TCP side answers X-Ray's whole API.
        for (name, listen) in [("LISTEN", &server.listen), ("CONSOLE_XRAY_DAEMON", &xray_daemon)] {
            if token.is_none() && !open && !listen.is_loopback() {
                return Err(ConfigError {
                    variable: "CONSOLE_TOKEN".to_owned(),
                    problem: format!("is not set, and with {name}={listen} everyone could read the traces"),
                    example: "a-long-random-word".to_owned(),
                });
            }
        }
        let max_bytes = env.parse_or("CONSOLE_MAX_BYTES", DEFAULT_MAX_BYTES, "2147483648")?;
        if max_bytes < LEAST_MAX_BYTES {
            let problem = format!("must be {LEAST_MAX_BYTES} or more");
            return Err(ConfigError::bad(
                "CONSOLE_MAX_BYTES",
                &max_bytes.to_string(),
                &problem,
                "2147483648",
            ));
        }
        // In production nobody reads the header that asks for a fault.
        let app_url = env.parse("CONSOLE_APP_URL", "http://localhost:3000")?.filter(|_| server.debug_routes);
        Ok(Self {
            server,
            otlp_http: listen("CONSOLE_OTLP_HTTP", DEFAULT_OTLP_HTTP)?,
            otlp_grpc: listen("CONSOLE_OTLP_GRPC", DEFAULT_OTLP_GRPC)?,
            xray_daemon,
            xray_forward: env.parse("CONSOLE_XRAY_FORWARD", "xray-daemon:2000")?,
            forward: forward::Config::from_env(env)?,
            data_dir: env.get("CONSOLE_DATA_DIR").unwrap_or(DEFAULT_DATA_DIR).into(),
            // Beside the sources: right for a clone; an image sets the variable.
            ui_dir: env
                .get("CONSOLE_UI_DIR")
                .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/dist"), PathBuf::from),
            queries_dir: queries_dir(env),
            token,
            app_url,
            max_bytes,
            columns_max_bytes: env.parse_or(
                "CONSOLE_COLUMNS_MAX_BYTES",
                DEFAULT_COLUMNS_MAX_BYTES,
                "536870912",
            )?,
        })
    }
}

/// Beside the sources, as the UI.
pub fn queries_dir(env: &Env) -> PathBuf {
    env.get("CONSOLE_QUERIES_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("queries"), PathBuf::from)
}
