use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::api::null_is_default;
use super::wildcard::matches;
use crate::span::{Attribute, Value};

/// The rule that X-Ray always has, after all others.
pub const DEFAULT_RULE: &str = "Default";

/// One sampling rule, with X-Ray's field names on the wire. Patterns know `*` and `?`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Rule {
    #[serde(deserialize_with = "null_is_default")]
    pub rule_name: String,
    #[serde(rename = "RuleARN", skip_serializing_if = "Option::is_none")]
    pub rule_arn: Option<String>,
    #[serde(rename = "ResourceARN")]
    pub resource_arn: String,
    /// 1 to 9,999, the lowest first; the default rule has 10,000.
    pub priority: i64,
    /// 0 to 1, of what the reservoir does not take.
    pub fixed_rate: f64,
    /// Requests a second, of the whole fleet together.
    pub reservoir_size: u32,
    pub service_name: String,
    pub service_type: String,
    pub host: String,
    #[serde(rename = "HTTPMethod")]
    pub http_method: String,
    #[serde(rename = "URLPath")]
    pub url_path: String,
    pub version: i64,
    #[serde(deserialize_with = "null_is_default")]
    pub attributes: BTreeMap<String, String>,
}

/// What X-Ray's API refuses a rule for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("{field} must have {min} to {max} characters")]
    Length { field: &'static str, min: usize, max: usize },
    #[error("{field} must be between {range}")]
    Range { field: &'static str, range: &'static str },
    #[error("at most 5 attributes, each key and value with 1 to 32 characters")]
    Attributes,
    #[error("Version must be 1")]
    Version,
}

/// A request as rules see it, when its root span starts. `None`: not known, which only `*` matches.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    pub service_name: Option<&'a str>,
    /// `AWS::EC2::Instance` and its like.
    pub service_type: Option<&'a str>,
    pub host: Option<&'a str>,
    pub method: Option<&'a str>,
    pub path: Option<&'a str>,
    /// Of the container or function that runs the service.
    pub arn: Option<&'a str>,
    pub attributes: &'a [Attribute<'a>],
}

/// Matches everything: 1 request a second and 5 %, as X-Ray's default rule does.
impl Default for Rule {
    fn default() -> Self {
        let any = || "*".to_owned();
        Self {
            rule_name: DEFAULT_RULE.to_owned(),
            rule_arn: None,
            resource_arn: any(),
            priority: 10_000,
            fixed_rate: 0.05,
            reservoir_size: 1,
            service_name: any(),
            service_type: any(),
            host: any(),
            http_method: any(),
            url_path: any(),
            version: 1,
            attributes: BTreeMap::new(),
        }
    }
}

impl Rule {
    pub fn matches(&self, request: &Request) -> bool {
        let fits = |pattern: &str, value: Option<&str>| match value {
            Some(value) => matches(pattern, value),
            None => pattern == "*",
        };
        fits(&self.service_name, request.service_name)
            && fits(&self.service_type, request.service_type)
            && fits(&self.host, request.host)
            && fits(&self.http_method, request.method)
            && fits(&self.url_path, request.path)
            && fits(&self.resource_arn, request.arn)
            && self.attributes.iter().all(|(key, pattern)| {
                let value = request.attributes.iter().rev().find(|(name, _)| name == key);
                value.is_some_and(|(_, value)| matches(pattern, &as_text(value)))
            })
    }

    /// The order in which rules are asked.
    pub fn order(&self) -> (i64, &str) {
        (self.priority, &self.rule_name)
    }

    /// The limits of `CreateSamplingRule`.
    pub fn check(&self) -> Result<(), RuleError> {
        let lengths = [
            ("RuleName", &self.rule_name, 1, 32),
            ("ResourceARN", &self.resource_arn, 0, 500),
            ("ServiceName", &self.service_name, 0, 64),
            ("ServiceType", &self.service_type, 0, 64),
            ("Host", &self.host, 0, 64),
            ("HTTPMethod", &self.http_method, 0, 10),
            ("URLPath", &self.url_path, 0, 128),
        ];
        for (field, text, min, max) in lengths {
            if !(min..=max).contains(&text.chars().count()) {
                return Err(RuleError::Length { field, min, max });
            }
        }
        if self.rule_name != DEFAULT_RULE && !(1..=9_999).contains(&self.priority) {
            return Err(RuleError::Range { field: "Priority", range: "1 and 9999" });
        }
        if !(0.0..=1.0).contains(&self.fixed_rate) {
            return Err(RuleError::Range { field: "FixedRate", range: "0 and 1" });
        }
        let short = |text: &String| (1..=32).contains(&text.chars().count());
        if self.attributes.len() > 5 || !self.attributes.iter().all(|(k, v)| short(k) && short(v)) {
            return Err(RuleError::Attributes);
        }
        if self.version == 1 { Ok(()) } else { Err(RuleError::Version) }
    }
}

impl<'a> Request<'a> {
    /// From what a span knows when it starts, by stable and by old names.
    pub fn new(attributes: &'a [Attribute<'a>], resource: &'a [Attribute<'a>]) -> Self {
        let find = |from: &'a [Attribute<'a>], keys: &[&str]| {
            keys.iter().find_map(|wanted| {
                let found = from.iter().rev().find(|(key, _)| key == wanted);
                found.and_then(|(_, value)| Value::as_text(value)).filter(|text| !text.is_empty())
            })
        };
        let method = match find(attributes, &["http.request.method", "http.method"]) {
            Some("_OTHER") => find(attributes, &["http.request.method_original"]).or(Some("_OTHER")),
            method => method,
        };
        let path = find(attributes, &["url.path", "http.target"])
            .or_else(|| find(attributes, &["url.full", "http.url"]).map(path_of));
        Self {
            service_name: find(resource, &["service.name"]),
            service_type: find(resource, &["cloud.platform"]).and_then(service_type),
            host: find(attributes, &["server.address", "net.host.name", "http.host"]),
            method,
            path,
            arn: find(resource, &["aws.ecs.container.arn", "cloud.resource_id", "faas.id"]),
            attributes,
        }
    }
}

/// The `ServiceType` of OpenTelemetry's `cloud.platform`.
pub fn service_type(platform: &str) -> Option<&'static str> {
    Some(match platform {
        "aws_ec2" => "AWS::EC2::Instance",
        "aws_ecs" => "AWS::ECS::Container",
        "aws_eks" => "AWS::EKS::Container",
        "aws_elastic_beanstalk" => "AWS::ElasticBeanstalk::Environment",
        "aws_lambda" => "AWS::Lambda::Function",
        _ => return None,
    })
}

fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find(['/', '?', '#']).map_or("", |start| &rest[start..]);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.is_empty() { "/" } else { path }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        other => other.to_json().to_string(),
    }
}
