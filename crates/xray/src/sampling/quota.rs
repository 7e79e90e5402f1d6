use std::collections::BTreeMap;
use std::time::Duration;

use super::api::{RuleRecord, Statistics, Target, TargetsRequest, TargetsResponse, Unprocessed};
use super::rule::Rule;
use crate::limits::MAX_STATISTICS_PER_CALL;

/// How long a granted share holds; AWS's example is 301 s.
const QUOTA_HOLDS: Duration = Duration::from_mins(5);
/// When the process is asked to report again, in seconds.
const INTERVAL: u32 = 10;
/// Three reports missed: the process is gone, and its share goes to the others. It is less than [`QUOTA_HOLDS`], so that a
/// deployment does not leave the reservoir unused for five minutes; a process that lives on unheard may exceed it so long.
const SILENCE: Duration = Duration::from_secs(3 * INTERVAL as u64 + 5);
/// Processes known per rule. One more gets no share of the reservoir until another is gone.
const MAX_CLIENTS: usize = 4_096;

/// X-Ray's side: who has which share of which rule's reservoir.
#[derive(Debug, Default)]
pub struct Quotas {
    /// By rule, then by client id.
    shares: BTreeMap<String, BTreeMap<String, Share>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    granted: u32,
    /// Requests a second by the last report, rounded up.
    demand: u32,
    seen: Duration,
}

impl Quotas {
    /// Answers `GetSamplingTargets` for the given rules.
    pub fn answer(
        &mut self,
        request: &TargetsRequest,
        rules: &[RuleRecord],
        now: Duration,
    ) -> TargetsResponse {
        let mut response = TargetsResponse {
            last_rule_modification: rules.iter().map(|record| record.modified_at).max_by(f64::total_cmp),
            ..TargetsResponse::default()
        };
        for (index, report) in request.sampling_statistics_documents.iter().enumerate() {
            let rule = rules.iter().map(|it| &it.sampling_rule).find(|it| it.rule_name == report.rule_name);
            let problem = match rule {
                None => "there is no such rule",
                Some(_) if index >= MAX_STATISTICS_PER_CALL => "more than 25 documents in one call",
                Some(_) if !is_client_id(&report.client_id) => "ClientID must have 24 characters",
                Some(rule) => {
                    response.sampling_target_documents.push(self.target(rule, report, now));
                    continue;
                }
            };
            response.unprocessed_statistics.push(Unprocessed {
                rule_name: report.rule_name.clone(),
                error_code: "400".to_owned(),
                message: problem.to_owned(),
            });
        }
        self.shares.retain(|name, _| rules.iter().any(|record| record.sampling_rule.rule_name == *name));
        response
    }

    /// The share of the one that reports. Together the shares are never more than the reservoir: what others hold is
    /// theirs until they report and get less, so a newcomer has its full share after one round of reports.
    fn target(&mut self, rule: &Rule, report: &Statistics, now: Duration) -> Target {
        let shares = self.shares.entry(rule.rule_name.clone()).or_default();
        shares.retain(|_, share| now.saturating_sub(share.seen) <= SILENCE);
        let known = shares.len();
        let before = shares.get(&report.client_id).copied();
        let mut granted = 0;
        if before.is_some() || known < MAX_CLIENTS {
            let since =
                before.map_or(Duration::from_secs(INTERVAL.into()), |share| now.saturating_sub(share.seen));
            let demand = report.request_count as f64 / since.as_secs_f64().max(1.0);
            let share = shares.entry(report.client_id.clone()).or_default();
            (share.demand, share.seen) = (demand.ceil() as u32, now);

            let others = shares.iter().filter(|(id, _)| **id != report.client_id);
            let held: u32 = others.map(|(_, share)| share.granted).sum();
            let fair = fair_share(shares, &report.client_id, rule.reservoir_size);
            granted = fair.min(rule.reservoir_size.saturating_sub(held));
            shares.entry(report.client_id.clone()).or_default().granted = granted;
        }
        Target {
            rule_name: rule.rule_name.clone(),
            fixed_rate: Some(rule.fixed_rate),
            reservoir_quota: Some(granted),
            reservoir_quota_ttl: Some((now + QUOTA_HOLDS).as_secs_f64().floor()),
            interval: Some(INTERVAL),
        }
    }
}

/// Max-min fairness in whole requests: who can use less than an equal part gets what it can use, the rest is divided
/// equally among the others. What does not divide goes to the first of these by id, not by demand, which changes from
/// report to report and would hand the remainder round faster than it can be reported.
fn fair_share(shares: &BTreeMap<String, Share>, client: &str, reservoir: u32) -> u32 {
    let mut by_demand: Vec<(u32, &str)> =
        shares.iter().map(|(id, share)| (share.demand, id.as_str())).collect();
    by_demand.sort_unstable();
    let mut left = reservoir;
    for index in 0..by_demand.len() {
        let (demand, id) = by_demand[index];
        let others = (by_demand.len() - index) as u32;
        if demand > left / others {
            let wanting = &by_demand[index..];
            if !wanting.iter().any(|(_, id)| *id == client) {
                return 0;
            }
            let before = wanting.iter().filter(|(_, id)| *id < client).count() as u32;
            return left / others + u32::from(before < left % others);
        }
        if id == client {
            return demand;
        }
        left -= demand;
    }
    0
}

fn is_client_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}
