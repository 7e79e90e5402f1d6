//! What `up` is going to do, as data: where things lie, on which ports, and each role's environment.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use env::{Env, Secret};
use serde_json::{Map, Value, json};

use super::Options;
use super::dotenv;
use super::first_trace::FirstTrace;
use super::ports::Ports;
use super::postgres::Postgres;
use crate::migrate::Seeded;
use crate::role::{Role, SUPERVISED};

/// `up` shows traces to people who wait for them; OpenTelemetry's 5 s between exports is for production.
const EXPORT_INTERVAL_MS: &str = "200";

/// Files of the server's log, 10 MB each, that stay when they were read: a busy hour would write gigabytes.
const KEPT_LOGS: &str = "2";

pub(crate) struct Plan {
    /// The clone: the folder with `crates/` and `frontend-proxy/`.
    root: PathBuf,
    /// Logs, the console's store, marks.
    state: PathBuf,
    ports: Ports,
    postgres: dev_postgres::Options,
    /// The environment of `up` over `.env`: the roles inherit it.
    env: Env,
}

impl Plan {
    pub(crate) fn new(options: &Options, env: Env) -> anyhow::Result<Self> {
        let plan = Self::of(options, env)?;
        // Before anything starts: what every role would stumble over.
        telemetry::Config::from_env("up", &plan.env)?;
        Ok(plan)
    }

    fn of(options: &Options, env: Env) -> anyhow::Result<Self> {
        let root = workspace_root()?;
        let Options { ephemeral, port_offset, pg_log: server_log, .. } = *options;
        if ephemeral {
            // No `.env` here: tests must not send their spans to somebody's account. The folder is Postgres', whose
            // keeper removes it even when `up` is killed.
            let bin = env.get("PG_BIN").map(PathBuf::from);
            let postgres = dev_postgres::Options { bin, server_log, ..dev_postgres::Options::ephemeral() };
            return Ok(Self { root, state: postgres.home.join("up"), ports: Ports::free()?, postgres, env });
        }
        let file = root.join(".env");
        let text = if file.exists() { fs::read_to_string(&file)? } else { String::new() };
        let env = dotenv::under(env, &text).map_err(|e| anyhow::anyhow!("{}: {e}", file.display()))?;
        let ports = Ports::usual(port_offset)?;
        let postgres = dev_postgres::Options {
            port: Some(ports.postgres),
            bin: env.get("PG_BIN").map(PathBuf::from),
            server_log,
            ..dev_postgres::Options::for_clone(&root)
        };
        Ok(Self { state: root.join(".throughline"), root, ports, postgres, env })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    pub(crate) fn url(&self, role: Role) -> String {
        format!("http://{}", address(self.port(role).unwrap_or_default()))
    }

    pub(crate) fn console_token(&self) -> Option<Secret> {
        self.env.secret("CONSOLE_TOKEN")
    }

    /// Ephemeral ports have just been found free.
    pub(crate) fn check_ports(&self) -> anyhow::Result<()> {
        if self.postgres.ephemeral { Ok(()) } else { self.ports.check() }
    }

    pub(crate) fn postgres(&self) -> &dev_postgres::Options {
        &self.postgres
    }

    /// The environment of a role: what `up` has, under what the role needs to find the others.
    pub(crate) fn environment(&self, role: Role, database: Option<&Postgres>) -> Env {
        let mut env = self.env.clone().with(SUPERVISED, "1");
        if let Some(port) = self.port(role) {
            env = env.with("LISTEN", address(port));
        }
        for (name, default) in [
            ("LOG_FORMAT", "pretty"),
            ("OTEL_BSP_SCHEDULE_DELAY", EXPORT_INTERVAL_MS),
            ("OTEL_BLRP_SCHEDULE_DELAY", EXPORT_INTERVAL_MS),
        ] {
            if env.get(name).is_none() {
                env = env.with(name, default);
            }
        }
        if role != Role::Console {
            env = env
                .with("CONSOLE_OTLP_ENDPOINT", self.otlp_http())
                .with("CONSOLE_CLOUDWATCH_LOGS_ENDPOINT", self.url(Role::Console))
                .with("CONSOLE_ROLLBAR_ENDPOINT", self.url(Role::Console))
                // For the links from an error to its trace.
                .with("CONSOLE_URL", self.public_console());
            // Lines that did not leave in time do so at the next start.
            if env.get("CLOUDWATCH_SPOOL_DIR").is_none() {
                env = env.with("CLOUDWATCH_SPOOL_DIR", self.state.join("spool").display().to_string());
            }
            // The console is the X-Ray daemon too, unless somebody has a real one.
            if env.get("AWS_XRAY_DAEMON_ADDRESS").is_none() {
                env = env.with("AWS_XRAY_DAEMON_ADDRESS", address(self.ports.xray_daemon));
            }
        }
        if let Some(url) = database.and_then(|database| database.url(role)) {
            env = env.with("DATABASE_URL", url);
        }
        let folder = |path: &str| self.root.join(path).display().to_string();
        match role {
            Role::FrontendProxy => env
                .with("GATEWAY_URL", self.url(Role::Gateway))
                .with("WEB_DIR", folder("frontend-proxy/web/dist")),
            Role::Gateway => env
                .with("ACTIVITIES_URL", self.url(Role::Activities))
                .with("USERS_URL", self.url(Role::Users)),
            Role::Activities => {
                env.with("USERS_URL", self.url(Role::Users)).with("PG_TRACE_CONTEXT", "always")
            }
            Role::Users => env.with("PG_TRACE_CONTEXT", "always"),
            Role::Console => env
                .with("CONSOLE_OTLP_HTTP", address(self.ports.otlp_http))
                .with("CONSOLE_OTLP_GRPC", address(self.ports.otlp_grpc))
                .with("CONSOLE_XRAY_DAEMON", address(self.ports.xray_daemon))
                .with("CONSOLE_DATA_DIR", self.state.join("console").display().to_string())
                .with("CONSOLE_UI_DIR", folder("crates/console/ui/dist"))
                // Its laboratory, which the console leaves alone in production.
                .with("CONSOLE_APP_URL", self.url(Role::FrontendProxy)),
            Role::PgLog => env
                .with("PG_LOG_DIR", self.postgres.server_log_folder().display().to_string())
                .with("PG_LOG_STATE", self.state.join("pg-log.json").display().to_string())
                .with("PG_LOG_KEEP", KEPT_LOGS),
        }
    }

    /// What scripts and tests rely on. `null` marks a receiver that the console does not have yet.
    pub(crate) fn as_json(&self, roles: &[(Role, u32)], database: &Postgres) -> String {
        let mut pids: Map<String, Value> =
            roles.iter().map(|(role, pid)| (role.name().to_owned(), json!(pid))).collect();
        pids.insert("up".to_owned(), json!(std::process::id()));
        pids.insert("postgres".to_owned(), json!(database.pid()));
        json!({
            "web": self.url(Role::FrontendProxy),
            "gateway": self.url(Role::Gateway),
            "activities": self.url(Role::Activities),
            "users": self.url(Role::Users),
            "console": self.url(Role::Console),
            "otlp_http": self.otlp_http(),
            "otlp_grpc": format!("http://{}", address(self.ports.otlp_grpc)),
            "xray_daemon": address(self.ports.xray_daemon),
            "rollbar": self.url(Role::Console),
            "cloudwatch_logs": self.url(Role::Console),
            "database_urls": { "users": database.url(Role::Users), "activities": database.url(Role::Activities) },
            "pids": pids,
        })
        .to_string()
    }

    /// What people read.
    pub(crate) fn as_text(&self, seeded: Option<&Seeded>, trace: anyhow::Result<FirstTrace>) -> String {
        let local = |port: u16| format!("http://localhost:{port}");
        let mut text = format!(
            "\n  the app       {}\n  the console   {}\n  the gateway   {}/api/activities/home\n  \
             OTLP          {} (HTTP), {} (gRPC)\n  X-Ray daemon  {}\n  logs          {}/*.log\n",
            local(self.ports.web),
            local(self.ports.console),
            local(self.ports.gateway),
            local(self.ports.otlp_http),
            local(self.ports.otlp_grpc),
            address(self.ports.xray_daemon),
            self.logs().display(),
        );
        if let Some(seeded) = seeded {
            text += &seeded.to_string();
        }
        match trace {
            Ok(trace) => text += &trace.to_string(),
            Err(error) => drop(writeln!(text, "\nThe first trace did not come: {error:#}")),
        }
        text + "\nCtrl-C stops everything."
    }

    pub(crate) fn clean_up(&self) {
        if self.postgres.ephemeral {
            let _ = fs::remove_dir_all(&self.postgres.home);
        }
    }

    fn port(&self, role: Role) -> Option<u16> {
        Some(match role {
            Role::FrontendProxy => self.ports.web,
            Role::Gateway => self.ports.gateway,
            Role::Activities => self.ports.activities,
            Role::Users => self.ports.users,
            Role::Console => self.ports.console,
            Role::PgLog => return None,
        })
    }

    /// Where a person's browser finds the console: elsewhere than here when ports are forwarded.
    pub(crate) fn public_console(&self) -> String {
        self.env.get("CONSOLE_URL").map_or_else(|| self.url(Role::Console), str::to_owned)
    }

    fn otlp_http(&self) -> String {
        format!("http://{}", address(self.ports.otlp_http))
    }
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// The clone we stand in, else the one that this binary was built from.
fn workspace_root() -> anyhow::Result<PathBuf> {
    let is_root = |folder: &&Path| folder.join("frontend-proxy/web/package.json").is_file();
    let here = std::env::current_dir()?;
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    here.ancestors()
        .chain([built_from.as_path()])
        .find(is_root)
        .context("this is no clone of Throughline: `up` needs its folder; a single role does not")?
        .canonicalize()
        .context("the clone's folder")
}
