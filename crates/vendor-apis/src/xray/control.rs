//! Groups and sampling rules, within the limits of AWS's API.

use std::collections::VecDeque;
use std::time::Duration;

use ::xray::limits::MAX_SAMPLING_RULES;
use ::xray::sampling::{
    DEFAULT_RULE, Quotas, Rule, RuleRecord, RulesResponse, TargetsRequest, TargetsResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::ApiError;
use super::filter::Filter;
use super::{ACCOUNT, REGION};

/// Groups of one account ("AWS X-Ray endpoints and quotas").
const MAX_GROUPS: usize = 25;
/// Reports of samplers that are kept for `GetSamplingStatisticSummaries`.
const MAX_STATISTICS: usize = 1_000;
/// The group that is always there.
const DEFAULT_GROUP: &str = "Default";

/// What is kept between starts, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) groups: Vec<Group>,
    pub(crate) rules: Vec<RuleRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) filter: String,
    pub(crate) insights: bool,
    pub(crate) notifications: bool,
}

/// [`Settings`] with what is forgotten at the end of the process.
pub(crate) struct Control {
    pub(crate) settings: Settings,
    quotas: Quotas,
    statistics: VecDeque<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GroupRequest {
    group_name: Option<String>,
    #[serde(rename = "GroupARN")]
    group_arn: Option<String>,
    filter_expression: Option<String>,
    insights_configuration: Option<Insights>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Insights {
    insights_enabled: Option<bool>,
    notifications_enabled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateRule {
    sampling_rule: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateRule {
    sampling_rule_update: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteRule {
    rule_name: Option<String>,
    #[serde(rename = "RuleARN")]
    rule_arn: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let rule = Rule { rule_arn: Some(rule_arn(DEFAULT_RULE)), ..Rule::default() };
        let default = RuleRecord { sampling_rule: rule, created_at: 0.0, modified_at: 0.0 };
        Self { groups: Vec::new(), rules: vec![default] }
    }
}

impl Control {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, quotas: Quotas::default(), statistics: VecDeque::new() }
    }

    // -- groups --

    pub(crate) fn create_group(&mut self, request: &GroupRequest, random: u64) -> Result<Value, ApiError> {
        let name = request.group_name.clone().unwrap_or_default();
        let is_name = (1..=32).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_name {
            return Err(ApiError::invalid("GroupName must have 1 to 32 letters, digits and dashes"));
        }
        if name == DEFAULT_GROUP || self.settings.groups.iter().any(|group| group.name == name) {
            return Err(ApiError::invalid(format!("Group already exists: {name}")));
        }
        if self.settings.groups.len() >= MAX_GROUPS {
            return Err(ApiError::invalid(format!("Group limit exceeded: at most {MAX_GROUPS} groups")));
        }
        let mut group = Group {
            // The last part changes when a group of the same name is made again.
            arn: format!("arn:aws:xray:{REGION}:{ACCOUNT}:group/{name}/{random:016X}"),
            name,
            filter: String::new(),
            insights: false,
            notifications: false,
        };
        group.change(request, &self.settings.groups)?;
        let answer = json!({ "Group": group.to_json() });
        self.settings.groups.push(group);
        Ok(answer)
    }

    pub(crate) fn get_group(&self, request: &GroupRequest) -> Result<Value, ApiError> {
        let place = self.find_group(request)?;
        Ok(
            json!({ "Group": place.map_or_else(default_group, |place| self.settings.groups[place].to_json()) }),
        )
    }

    pub(crate) fn groups(&self) -> Value {
        let groups = self.settings.groups.iter().map(Group::to_json);
        json!({ "Groups": std::iter::once(default_group()).chain(groups).collect::<Vec<_>>() })
    }

    pub(crate) fn update_group(&mut self, request: &GroupRequest) -> Result<Value, ApiError> {
        let Some(place) = self.find_group(request)? else {
            return Err(ApiError::invalid("the group Default cannot be changed"));
        };
        let mut group = self.settings.groups[place].clone();
        group.change(request, &self.settings.groups)?;
        self.settings.groups[place] = group;
        Ok(json!({ "Group": self.settings.groups[place].to_json() }))
    }

    pub(crate) fn delete_group(&mut self, request: &GroupRequest) -> Result<Value, ApiError> {
        let Some(place) = self.find_group(request)? else {
            return Err(ApiError::invalid("the group Default cannot be deleted"));
        };
        self.settings.groups.remove(place);
        Ok(json!({}))
    }

    /// The expression of a group that a service graph is asked for; the default group has none.
    pub(crate) fn group_filter(&self, name: Option<String>, arn: Option<String>) -> Result<Filter, ApiError> {
        let text = if name.is_none() && arn.is_none() {
            String::new()
        } else {
            let request = GroupRequest {
                group_name: name,
                group_arn: arn,
                filter_expression: None,
                insights_configuration: None,
            };
            self.find_group(&request)?
                .map_or_else(String::new, |place| self.settings.groups[place].filter.clone())
        };
        self.filter(&text)
    }

    pub(crate) fn filter(&self, text: &str) -> Result<Filter, ApiError> {
        Filter::new(text, &self.settings.groups).map_err(|error| ApiError::invalid(error.to_string()))
    }

    /// `None` is the default group.
    fn find_group(&self, request: &GroupRequest) -> Result<Option<usize>, ApiError> {
        let (name, arn) = (request.group_name.as_deref(), request.group_arn.as_deref());
        if name.is_some() == arn.is_some() {
            return Err(ApiError::invalid("give GroupName or GroupARN"));
        }
        if name == Some(DEFAULT_GROUP) || arn == Some(&default_group_arn()) {
            return Ok(None);
        }
        let groups = &self.settings.groups;
        let place = groups.iter().position(|group| Some(&*group.name) == name || Some(&*group.arn) == arn);
        place.map(Some).ok_or_else(|| ApiError::invalid("Group not found"))
    }

    // -- sampling --

    /// In the order in which they are asked.
    pub(crate) fn rules(&self) -> RulesResponse {
        RulesResponse { sampling_rule_records: self.settings.rules.clone(), next_token: None }
    }

    pub(crate) fn create_rule(&mut self, request: CreateRule, now: Duration) -> Result<Value, ApiError> {
        let mut rule = read_rule(request.sampling_rule)?;
        let mut name = std::mem::take(&mut rule.rule_name);
        if let Some(arn) = &rule.rule_arn {
            if !name.is_empty() {
                return Err(ApiError::invalid("give RuleName or RuleARN, not both"));
            }
            arn.rsplit('/').next().unwrap_or_default().clone_into(&mut name);
        }
        rule.rule_arn = Some(rule_arn(&name));
        rule.rule_name = name;
        if rule.rule_name == DEFAULT_RULE || self.find_rule(Some(&rule.rule_name), None).is_ok() {
            return Err(ApiError::invalid(format!("Rule {} already exists", rule.rule_name)));
        }
        rule.check().map_err(|error| ApiError::invalid(error.to_string()))?;
        if self.settings.rules.len() > MAX_SAMPLING_RULES {
            return Err(ApiError::rule_limit(format!("at most {MAX_SAMPLING_RULES} sampling rules")));
        }
        let now = now.as_secs_f64();
        let record = RuleRecord { sampling_rule: rule, created_at: now, modified_at: now };
        let answer = json!({ "SamplingRuleRecord": record });
        self.settings.rules.push(record);
        self.sort();
        Ok(answer)
    }

    pub(crate) fn update_rule(&mut self, request: UpdateRule, now: Duration) -> Result<Value, ApiError> {
        let Value::Object(changes) = request.sampling_rule_update else {
            return Err(ApiError::invalid("SamplingRuleUpdate must be an object"));
        };
        let text = |key: &str| changes.get(key).and_then(Value::as_str);
        let place = self.find_rule(text("RuleName"), text("RuleARN"))?;
        let record = &self.settings.rules[place];
        let is_default = record.sampling_rule.rule_name == DEFAULT_RULE;
        let mut merged = json!(record.sampling_rule);
        for (key, value) in &changes {
            let is_fixed = matches!(key.as_str(), "RuleName" | "RuleARN" | "Version");
            if is_fixed || value.is_null() {
                continue;
            }
            if is_default && !matches!(key.as_str(), "FixedRate" | "ReservoirSize") {
                return Err(ApiError::invalid(
                    "of the rule Default only FixedRate and ReservoirSize can be changed",
                ));
            }
            merged[key] = value.clone();
        }
        let rule: Rule = serde_json::from_value(merged)
            .map_err(|error| ApiError::invalid(format!("the rule is not valid: {error}")))?;
        rule.check().map_err(|error| ApiError::invalid(error.to_string()))?;
        let record = &mut self.settings.rules[place];
        record.sampling_rule = rule;
        record.modified_at = now.as_secs_f64();
        let answer = json!({ "SamplingRuleRecord": record });
        self.sort();
        Ok(answer)
    }

    pub(crate) fn delete_rule(&mut self, request: &DeleteRule) -> Result<Value, ApiError> {
        let place = self.find_rule(request.rule_name.as_deref(), request.rule_arn.as_deref())?;
        if self.settings.rules[place].sampling_rule.rule_name == DEFAULT_RULE {
            return Err(ApiError::invalid("the rule Default cannot be deleted"));
        }
        Ok(json!({ "SamplingRuleRecord": self.settings.rules.remove(place) }))
    }

    pub(crate) fn targets(&mut self, request: &TargetsRequest, now: Duration) -> TargetsResponse {
        for report in &request.sampling_statistics_documents {
            if self.statistics.len() == MAX_STATISTICS {
                self.statistics.pop_front();
            }
            self.statistics.push_back(json!({
                "RuleName": report.rule_name,
                "Timestamp": report.timestamp,
                "RequestCount": report.request_count,
                "BorrowCount": report.borrow_count,
                "SampledCount": report.sampled_count,
            }));
        }
        self.quotas.answer(request, &self.settings.rules, now)
    }

    /// What samplers reported since the process started, the last thousand.
    pub(crate) fn statistics(&self) -> Value {
        json!({ "SamplingStatisticSummaries": self.statistics })
    }

    fn find_rule(&self, name: Option<&str>, arn: Option<&str>) -> Result<usize, ApiError> {
        if name.is_some() == arn.is_some() {
            return Err(ApiError::invalid("give RuleName or RuleARN"));
        }
        let found = self.settings.rules.iter().position(|record| {
            let rule = &record.sampling_rule;
            Some(&*rule.rule_name) == name || (arn.is_some() && rule.rule_arn.as_deref() == arn)
        });
        found.ok_or_else(|| ApiError::invalid("Sampling rule does not exist"))
    }

    fn sort(&mut self) {
        self.settings.rules.sort_by(|a, b| a.sampling_rule.order().cmp(&b.sampling_rule.order()));
    }
}

impl Group {
    /// Applies what the request says of it; `groups` are those that its filter may name.
    fn change(&mut self, request: &GroupRequest, groups: &[Group]) -> Result<(), ApiError> {
        if let Some(filter) = &request.filter_expression {
            Filter::new(filter, groups).map_err(|error| ApiError::invalid(error.to_string()))?;
            self.filter.clone_from(filter);
        }
        if let Some(insights) = request.insights_configuration {
            self.insights = insights.insights_enabled.unwrap_or(self.insights);
            self.notifications = insights.notifications_enabled.unwrap_or(self.notifications);
        }
        if self.notifications && !self.insights {
            return Err(ApiError::invalid("NotificationsEnabled needs InsightsEnabled"));
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        json!({
            "GroupName": self.name,
            "GroupARN": self.arn,
            "FilterExpression": self.filter,
            "InsightsConfiguration": {
                "InsightsEnabled": self.insights,
                "NotificationsEnabled": self.notifications,
            },
        })
    }
}

/// All but the name and the attributes must be said.
fn read_rule(rule: Value) -> Result<Rule, ApiError> {
    let required = [
        "ResourceARN",
        "Priority",
        "FixedRate",
        "ReservoirSize",
        "ServiceName",
        "ServiceType",
        "Host",
        "HTTPMethod",
        "URLPath",
        "Version",
    ];
    for field in required {
        if rule.get(field).is_none_or(Value::is_null) {
            return Err(ApiError::invalid(format!("SamplingRule.{field} is missing")));
        }
    }
    let named = rule.get("RuleName").is_some_and(Value::is_string);
    let mut rule: Rule = serde_json::from_value(rule)
        .map_err(|error| ApiError::invalid(format!("the rule is not valid: {error}")))?;
    if !named {
        rule.rule_name.clear();
    }
    Ok(rule)
}

fn rule_arn(name: &str) -> String {
    format!("arn:aws:xray:{REGION}:{ACCOUNT}:sampling-rule/{name}")
}

fn default_group_arn() -> String {
    format!("arn:aws:xray:{REGION}:{ACCOUNT}:group/{DEFAULT_GROUP}")
}

fn default_group() -> Value {
    json!({
        "GroupName": DEFAULT_GROUP,
        "GroupARN": default_group_arn(),
        "InsightsConfiguration": { "InsightsEnabled": false, "NotificationsEnabled": false },
    })
}
