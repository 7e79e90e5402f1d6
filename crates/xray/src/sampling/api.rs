//! The JSON of `POST /GetSamplingRules` and `POST /SamplingTargets` (the latter without "Get"), written and read.
//!
//! All times are seconds since 1970, a `TTL` too. Whatever may be missing may also be null; unknown fields are ignored.

use serde::{Deserialize, Deserializer, Serialize};

use super::rule::Rule;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RulesRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RulesResponse {
    #[serde(deserialize_with = "null_is_default")]
    pub sampling_rule_records: Vec<RuleRecord>,
    pub next_token: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RuleRecord {
    pub sampling_rule: Rule,
    #[serde(deserialize_with = "null_is_default")]
    pub created_at: f64,
    #[serde(deserialize_with = "null_is_default")]
    pub modified_at: f64,
}

/// At most [`crate::limits::MAX_STATISTICS_PER_CALL`] documents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TargetsRequest {
    #[serde(deserialize_with = "null_is_default")]
    pub sampling_statistics_documents: Vec<Statistics>,
}

/// What one process counted under one rule since its last report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Statistics {
    pub rule_name: String,
    /// 24 hex digits, fixed for the life of the process.
    #[serde(rename = "ClientID")]
    pub client_id: String,
    pub timestamp: f64,
    pub request_count: u64,
    /// The borrowed ones included, as in the example of AWS's documentation; SDKs disagree.
    pub sampled_count: u64,
    #[serde(deserialize_with = "null_is_default")]
    pub borrow_count: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TargetsResponse {
    #[serde(deserialize_with = "null_is_default")]
    pub sampling_target_documents: Vec<Target>,
    pub last_rule_modification: Option<f64>,
    #[serde(deserialize_with = "null_is_default")]
    pub unprocessed_statistics: Vec<Unprocessed>,
}

/// What X-Ray grants one process under one rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Target {
    pub rule_name: String,
    pub fixed_rate: Option<f64>,
    /// Requests a second out of the rule's reservoir, which the whole fleet shares.
    pub reservoir_quota: Option<u32>,
    /// When the quota ends, not how long it lasts.
    #[serde(rename = "ReservoirQuotaTTL")]
    pub reservoir_quota_ttl: Option<f64>,
    /// Seconds until the next report.
    pub interval: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Unprocessed {
    #[serde(deserialize_with = "null_is_default")]
    pub rule_name: String,
    /// An HTTP status as text.
    #[serde(deserialize_with = "null_is_default")]
    pub error_code: String,
    #[serde(deserialize_with = "null_is_default")]
    pub message: String,
}

pub(super) fn null_is_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
