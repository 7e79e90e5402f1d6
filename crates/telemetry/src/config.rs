//! What telemetry takes from the environment; the only module here that reads it.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use env::{ConfigError, Env};
use opentelemetry::KeyValue;
use sinks::{cloudwatch, rollbar, xray::DaemonAddress};
use tracing_subscriber::filter::Targets;

use crate::Sampler;
use crate::attributes::SERVICE_INSTANCE_ID;
use crate::export::ExportConfig;

/// How a process names itself, what it keeps and where its log lines go.
#[derive(Clone, Debug)]
pub struct Config {
    pub service_name: String,
    pub service_namespace: Option<String>,
    pub service_version: String,
    /// `OTEL_RESOURCE_ATTRIBUTES`: what else every span of this process carries.
    pub resource_attributes: Vec<KeyValue>,
    pub sampler: Sampler,
    /// Who hands out the rules of `OTEL_TRACES_SAMPLER=xray`.
    pub xray_daemon: DaemonAddress,
    /// `OTEL_SDK_DISABLED`: no spans; headers still travel on as they came.
    pub disabled: bool,
    /// Baggage keys that may leave this process; none, unless the operator names some (`BAGGAGE_ALLOWED_KEYS`).
    pub baggage_allowed: Vec<String>,
    pub log: LogConfig,
    /// Where errors go.
    pub rollbar: rollbar::Config,
    /// Where log lines go besides standard output.
    pub logs: cloudwatch::Config,
    pub(crate) export: ExportConfig,
}

/// Log lines: `RUST_LOG` chooses them, `LOG_FORMAT` their look. Spans are no business of either.
#[derive(Clone, Debug)]
pub struct LogConfig {
    pub filter: Targets,
    pub format: LogFormat,
    pub output: LogOutput,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    #[default]
    Json,
    /// For people.
    Pretty,
}

/// Where log lines go.
#[derive(Clone, Default)]
pub enum LogOutput {
    #[default]
    Stdout,
    /// Called with every line, newline included.
    Lines(Arc<dyn Fn(&str) + Send + Sync>),
}

impl Config {
    /// `service_name` is the role's own name. One `OTEL_SERVICE_NAME` or `HONEYCOMB_SERVICE_NAME` for all roles
    /// becomes their namespace.
    pub fn from_env(service_name: &str, env: &Env) -> Result<Self, ConfigError> {
        let named = env.get("OTEL_SERVICE_NAME").or_else(|| env.get("HONEYCOMB_SERVICE_NAME"));
        let resource_attributes = env.get("OTEL_RESOURCE_ATTRIBUTES").map(resource_attributes).transpose()?;
        Ok(Self {
            service_name: service_name.to_owned(),
            service_namespace: named.filter(|name| *name != service_name).map(str::to_owned),
            service_version: env!("CARGO_PKG_VERSION").to_owned(),
            resource_attributes: resource_attributes.unwrap_or_default(),
            sampler: Sampler::from_env(env)?,
            xray_daemon: DaemonAddress::from_env(env)?.unwrap_or_default(),
            disabled: env.flag("OTEL_SDK_DISABLED")?.unwrap_or(false),
            baggage_allowed: env.get("BAGGAGE_ALLOWED_KEYS").map(list).unwrap_or_default(),
            log: LogConfig::from_env(env)?,
            rollbar: rollbar::Config::from_env(env)?,
            logs: cloudwatch::Config::from_env(env)?,
            export: ExportConfig::from_env(env)?,
        })
    }
}

impl Config {
    /// `service.instance.id` as the operator says it, else one of this process, the same whoever asks.
    pub(crate) fn instance_id(&self) -> String {
        static OURS: LazyLock<String> = LazyLock::new(|| uuid::Uuid::new_v4().to_string());
        let named = self.resource_attributes.iter().rfind(|it| it.key.as_str() == SERVICE_INSTANCE_ID);
        named.map_or_else(|| OURS.clone(), |it| it.value.as_str().into_owned())
    }
}

impl LogConfig {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const EXAMPLE: &str = "info,throughline=debug";
        let filter = env.get("RUST_LOG").unwrap_or("info");
        let filter = filter
            .parse::<Targets>()
            .map_err(|error| ConfigError::bad("RUST_LOG", filter, &error.to_string(), EXAMPLE))?;
        Ok(Self {
            filter,
            format: env.parse_or("LOG_FORMAT", LogFormat::Json, "json")?,
            output: LogOutput::Stdout,
        })
    }
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "pretty" => Ok(Self::Pretty),
            _ => Err("is neither json nor pretty"),
        }
    }
}

impl fmt::Debug for LogOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "Stdout",
            Self::Lines(_) => "Lines(..)",
        })
    }
}

/// `key=value,key=value`, values percent-encoded (OpenTelemetry specification, "Resource SDK").
fn resource_attributes(text: &str) -> Result<Vec<KeyValue>, ConfigError> {
    let pair = |member: &str| {
        let (key, value) = member.split_once('=')?;
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
        let key = key.trim().to_owned();
        (!key.is_empty()).then(|| KeyValue::new(key, value.into_owned()))
    };
    text.split(',')
        .filter(|member| !member.trim().is_empty())
        .map(|member| {
            pair(member).ok_or_else(|| {
                ConfigError::bad(
                    "OTEL_RESOURCE_ATTRIBUTES",
                    member,
                    "is not key=value",
                    "deployment.environment.name=staging",
                )
            })
        })
        .collect()
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_value_stops_the_start_with_one_line() {
        let check = |name: &str, value: &str, expect: &str| {
            let error = Config::from_env("gateway", &Env::from_pairs([(name, value)])).unwrap_err();
            assert_eq!(error.to_string(), expect);
        };
        check(
            "OTEL_RESOURCE_ATTRIBUTES",
            "a=1,b",
            r#"OTEL_RESOURCE_ATTRIBUTES: "b" is not key=value; for example OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=staging"#,
        );
        check(
            "LOG_FORMAT",
            "xml",
            r#"LOG_FORMAT: "xml" is neither json nor pretty; for example LOG_FORMAT=json"#,
        );
        check(
            "OTEL_SDK_DISABLED",
            "maybe",
            r#"OTEL_SDK_DISABLED: "maybe" is neither true nor false; for example OTEL_SDK_DISABLED=true"#,
        );
        let rust_log =
            Config::from_env("gateway", &Env::from_pairs([("RUST_LOG", "info,a=b=c")])).unwrap_err();
        assert_eq!(rust_log.variable, "RUST_LOG");
    }
}
