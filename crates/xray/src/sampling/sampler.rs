use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::api::{RuleRecord, Statistics, TargetsRequest, TargetsResponse};
use super::rule::{Request, Rule};
use crate::id::TraceId;
use crate::limits::MAX_STATISTICS_PER_CALL;

/// How long a rule list holds after the last fetch that worked, as in AWS's SDKs.
const RULES_HOLD: Duration = Duration::from_hours(1);
/// Between two fetches of the rules, and the most that chance adds.
const RULES_PAUSE: Duration = Duration::from_mins(5);
const RULES_JITTER: Duration = Duration::from_secs(5);
/// Between two reports, and the most that chance adds. A target may ask for another pause of its rule.
const TARGETS_PAUSE: Duration = Duration::from_secs(10);
const TARGETS_JITTER: Duration = Duration::from_millis(100);
/// Without rules: one request a second and 5 %, AWS's local default.
const FALLBACK_PER_SECOND: u32 = 1;
const FALLBACK_RATE: f64 = 0.05;
/// What a process may take from a reservoir before it is granted a share: one request a second per rule.
const BORROW_PER_SECOND: u32 = 1;

/// A process's side of centralized sampling. Asked for root spans only; children follow their parent.
#[derive(Debug)]
pub struct Sampler {
    client_id: ClientId,
    /// In order of priority, then of name.
    rules: Vec<Entry>,
    /// When the rules came; `None` before the first time.
    loaded: Option<Duration>,
    /// The newest modification that a report told of.
    modified: f64,
    /// The server told that our rules are not its rules.
    outdated: bool,
    fallback: PerSecond,
}

/// 24 hex digits that tell one process from another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientId([u8; 12]);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub sampled: bool,
    /// The rule that decided, for the segment's `aws.xray.sampling_rule_name`; `None` by the fallback.
    pub rule: Option<Arc<str>>,
}

#[derive(Debug)]
struct Entry {
    rule: Rule,
    name: Arc<str>,
    /// From the last target, else the rule's own.
    fixed_rate: f64,
    quota: Option<Quota>,
    taken: PerSecond,
    borrowed: PerSecond,
    counts: Counts,
    interval: Duration,
    /// When the rule's counts are to be reported.
    due: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Quota {
    per_second: u32,
    until: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    requests: u64,
    sampled: u64,
    borrowed: u64,
}

/// How much of a second's allowance is used.
#[derive(Clone, Copy, Debug, Default)]
struct PerSecond {
    second: u64,
    used: u32,
}

impl Sampler {
    pub fn new(client_id: ClientId) -> Self {
        Self {
            client_id,
            rules: Vec::new(),
            loaded: None,
            modified: 0.0,
            outdated: false,
            fallback: PerSecond::default(),
        }
    }

    /// Decides about one root. `random` is from 0 to below 1, best of all [`chance`] of the trace id.
    pub fn decide(&mut self, request: &Request, now: Duration, random: f64) -> Decision {
        let usable = self.loaded.is_some_and(|loaded| now.saturating_sub(loaded) <= RULES_HOLD);
        let entry = self.rules.iter_mut().find(|entry| usable && entry.rule.matches(request));
        let Some(entry) = entry else {
            let sampled = self.fallback.take(now, FALLBACK_PER_SECOND) || random < FALLBACK_RATE;
            return Decision { sampled, rule: None };
        };
        Decision { sampled: entry.decide(now, random), rule: Some(Arc::clone(&entry.name)) }
    }

    /// Takes a fetched list, all of its pages. Rules of a later version are not understood and left out; a list with nothing
    /// in it replaces nothing, and `false` says so. Counts and quotas of a rule that stays are kept.
    pub fn load(&mut self, records: Vec<RuleRecord>, now: Duration) -> bool {
        let mut rules: Vec<Rule> = records.into_iter().map(|record| record.sampling_rule).collect();
        rules.retain(|rule| rule.version == 1 && !rule.rule_name.is_empty());
        if rules.is_empty() {
            return false;
        }
        rules.sort_by(|a, b| a.order().cmp(&b.order()));
        rules.dedup_by(|a, b| a.rule_name == b.rule_name);
        let mut known = std::mem::take(&mut self.rules);
        for rule in rules {
            let before = known.iter().position(|entry| entry.rule.rule_name == rule.rule_name);
            self.rules.push(match before.map(|index| known.swap_remove(index)) {
                // A target's rate holds as long as the rule is as it was.
                Some(entry) if entry.rule == rule => entry,
                Some(entry) => Entry { fixed_rate: rule.fixed_rate, rule, ..entry },
                None => Entry::new(rule, now),
            });
        }
        self.loaded = Some(now);
        self.outdated = false;
        true
    }

    /// Whether to fetch the rules before their time.
    pub fn is_outdated(&self) -> bool {
        self.outdated
    }

    /// The reports that are due, each small enough for one call. Their counts begin anew; a call that fails gives them
    /// back by [`Self::restore`].
    pub fn reports(&mut self, now: Duration) -> Vec<TargetsRequest> {
        let mut documents = Vec::new();
        for entry in &mut self.rules {
            if entry.counts.requests == 0 || now < entry.due {
                continue;
            }
            let counts = std::mem::take(&mut entry.counts);
            entry.due = now + entry.interval;
            documents.push(Statistics {
                rule_name: entry.rule.rule_name.clone(),
                client_id: self.client_id.to_string(),
                timestamp: now.as_secs_f64().floor(),
                request_count: counts.requests,
                sampled_count: counts.sampled,
                borrow_count: counts.borrowed,
            });
        }
        let calls = documents.chunks(MAX_STATISTICS_PER_CALL);
        calls.map(|call| TargetsRequest { sampling_statistics_documents: call.to_vec() }).collect()
    }

    /// The call failed: its counts are part of the next report.
    pub fn restore(&mut self, request: &TargetsRequest) {
        request.sampling_statistics_documents.iter().for_each(|document| self.give_back(document));
    }

    /// The answer to `request`. A field that is missing leaves what was granted before as it is.
    pub fn apply(&mut self, request: &TargetsRequest, response: &TargetsResponse) {
        for target in &response.sampling_target_documents {
            let Some(entry) = self.entry(&target.rule_name) else { continue };
            if let Some(rate) = target.fixed_rate.filter(|rate| (0.0..=1.0).contains(rate)) {
                entry.fixed_rate = rate;
            }
            if let (Some(per_second), Some(until)) = (target.reservoir_quota, target.reservoir_quota_ttl) {
                let until = Duration::try_from_secs_f64(until).unwrap_or_default();
                entry.quota = Some(Quota { per_second, until });
            }
            if let Some(seconds) = target.interval.filter(|seconds| *seconds > 0) {
                entry.due = entry.due.saturating_sub(entry.interval);
                entry.interval = Duration::from_secs(seconds.into());
                entry.due += entry.interval;
            }
        }
        for failed in &response.unprocessed_statistics {
            if failed.error_code.starts_with('5') {
                let sent = &request.sampling_statistics_documents;
                sent.iter().filter(|it| it.rule_name == failed.rule_name).for_each(|it| self.give_back(it));
            } else {
                // The rule is gone.
                self.outdated = true;
            }
        }
        // Compared with the modification seen last as well: a server whose clock is ahead would have us fetch for ever.
        let loaded = self.loaded.unwrap_or_default().as_secs_f64();
        if let Some(modified) = response.last_rule_modification
            && modified > loaded
            && modified > self.modified
        {
            (self.modified, self.outdated) = (modified, true);
        }
    }

    fn give_back(&mut self, document: &Statistics) {
        if let Some(entry) = self.entry(&document.rule_name) {
            entry.counts.requests += document.request_count;
            entry.counts.sampled += document.sampled_count;
            entry.counts.borrowed += document.borrow_count;
        }
    }

    fn entry(&mut self, name: &str) -> Option<&mut Entry> {
        self.rules.iter_mut().find(|entry| entry.rule.rule_name == name)
    }
}

impl Entry {
    fn new(rule: Rule, now: Duration) -> Self {
        Self {
            name: rule.rule_name.as_str().into(),
            fixed_rate: rule.fixed_rate,
            rule,
            quota: None,
            taken: PerSecond::default(),
            borrowed: PerSecond::default(),
            counts: Counts::default(),
            interval: TARGETS_PAUSE,
            due: now,
        }
    }

    /// The reservoir first, then the rate. With a quota that holds nothing is borrowed, even if it is 0.
    fn decide(&mut self, now: Duration, random: f64) -> bool {
        self.counts.requests += 1;
        let from_reservoir = match self.quota.filter(|quota| now <= quota.until) {
            Some(quota) => self.taken.take(now, quota.per_second),
            None if self.rule.reservoir_size > 0 => {
                let borrowed = self.borrowed.take(now, BORROW_PER_SECOND);
                self.counts.borrowed += u64::from(borrowed);
                borrowed
            }
            None => false,
        };
        let sampled = from_reservoir || random < self.fixed_rate;
        self.counts.sampled += u64::from(sampled);
        sampled
    }
}

impl PerSecond {
    fn take(&mut self, now: Duration, allowance: u32) -> bool {
        if self.second != now.as_secs() {
            *self = Self { second: now.as_secs(), used: 0 };
        }
        let free = self.used < allowance;
        self.used += u32::from(free);
        free
    }
}

impl ClientId {
    /// From 12 random bytes.
    pub fn new(random: [u8; 12]) -> Self {
        Self(random)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// From 0 to below 1, the same in every process that sees the trace: its last 7 bytes, which W3C's trace context (level 2)
/// and X-Ray both fill by chance.
pub fn chance(trace_id: TraceId) -> f64 {
    let random = u128::from_be_bytes(trace_id.to_bytes()) & ((1 << 56) - 1);
    // The 53 bits that an f64 holds: 56 would round up to 1.
    (random >> 3) as f64 / (1_u64 << 53) as f64
}

/// Until the next fetch of the rules. `random` is from 0 to 1, so that a fleet that started at once does not ask at once.
pub fn rules_pause(random: f64) -> Duration {
    RULES_PAUSE + RULES_JITTER.mul_f64(random.clamp(0.0, 1.0))
}

/// Until [`Sampler::reports`] is asked again.
pub fn targets_pause(random: f64) -> Duration {
    TARGETS_PAUSE + TARGETS_JITTER.mul_f64(random.clamp(0.0, 1.0))
}
