//! Centralized sampling: X-Ray's rules, obeyed by a fleet and handed out to one.
//!
//! [`Sampler`] is a process's side: it decides, counts, and says what to send and when. [`Quotas`] is X-Ray's side: it
//! divides a rule's reservoir among the processes that report. Neither has a clock, a socket or a source of chance: each
//! call is told the time (since 1970) and a number from 0 to 1, so that an hour of a fleet is a test of a second.

mod api;
mod quota;
mod rule;
mod sampler;
mod wildcard;

/// On the root span, the rule that sampled it; X-Ray's console counts traces by it.
pub const RULE_ATTRIBUTE: &str = "aws.xray.sampling_rule_name";

pub use api::{
    RuleRecord, RulesRequest, RulesResponse, Statistics, Target, TargetsRequest, TargetsResponse, Unprocessed,
};
pub use quota::Quotas;
pub use rule::{DEFAULT_RULE, Request, Rule, RuleError, service_type};
pub use sampler::{ClientId, Decision, Sampler, chance, rules_pause, targets_pause};
pub use wildcard::matches;
