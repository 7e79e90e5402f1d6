//! Sampling on a clock that the test moves.

use std::time::Duration;

use serde_json::{Value as Json, json};
use throughline_xray::sampling::{
    ClientId, Quotas, Request, Rule, RuleError, RuleRecord, RulesResponse, Sampler, TargetsRequest,
    TargetsResponse, chance, rules_pause, targets_pause,
};

use crate::support;

/// Never sampled by rate, always by rate.
const UNLUCKY: f64 = 0.999_999;
const LUCKY: f64 = 0.0;
const T: Duration = Duration::from_secs(1_700_000_000);

fn at(milliseconds: u64) -> Duration {
    T + Duration::from_millis(milliseconds)
}

fn rule(name: &str, priority: i64, reservoir: u32, rate: f64) -> Rule {
    Rule {
        rule_name: name.to_owned(),
        priority,
        reservoir_size: reservoir,
        fixed_rate: rate,
        ..Rule::default()
    }
}

fn records(rules: &[Rule]) -> Vec<RuleRecord> {
    rules.iter().map(|rule| RuleRecord { sampling_rule: rule.clone(), ..RuleRecord::default() }).collect()
}

fn sampler(rules: &[Rule]) -> Sampler {
    let mut sampler = Sampler::new(ClientId::new([7; 12]));
    assert!(sampler.load(records(rules), T));
    sampler
}

fn targets(json: Json) -> TargetsResponse {
    serde_json::from_value(json).unwrap()
}

fn sampled(sampler: &mut Sampler, now: Duration, random: f64, times: usize) -> usize {
    (0..times).filter(|_| sampler.decide(&Request::default(), now, random).sampled).count()
}

#[test]
fn without_rules_one_a_second_and_five_percent() {
    let mut sampler = Sampler::new(ClientId::new([0; 12]));
    assert_eq!(sampled(&mut sampler, at(0), UNLUCKY, 100), 1);
    assert_eq!(sampled(&mut sampler, at(999), UNLUCKY, 100), 0);
    assert_eq!(sampled(&mut sampler, at(1_000), UNLUCKY, 100), 1);
    assert_eq!(sampled(&mut sampler, at(1_000), 0.049, 10), 10);
    assert_eq!(sampled(&mut sampler, at(1_000), 0.05, 10), 0);
    assert_eq!(sampler.decide(&Request::default(), at(0), LUCKY).rule, None);
    assert!(sampler.reports(at(60_000)).is_empty());
}

#[test]
fn rules_go_by_priority_and_then_by_name() {
    let mut only_get = rule("z-get", 5, 0, 1.0);
    only_get.http_method = "GET".to_owned();
    let mut future = rule("future", 1, 0, 1.0);
    future.version = 2;
    let mut sampler = sampler(&[
        rule("Default", 10_000, 1, 0.05),
        rule("b", 9, 0, 0.0),
        rule("a", 9, 0, 0.0),
        only_get,
        future,
    ]);
    let mut rule_of = |method| {
        let request = Request { method, ..Request::default() };
        sampler.decide(&request, T, UNLUCKY).rule.unwrap().to_string()
    };
    assert_eq!(rule_of(Some("get")), "z-get");
    assert_eq!(rule_of(Some("POST")), "a");
    // What is not known matches `*` only.
    assert_eq!(rule_of(None), "a");
}

#[test]
fn a_request_is_read_from_a_spans_start() {
    let resource =
        json!({"service.name": "Scorekeep", "cloud.platform": "aws_ecs", "aws.ecs.container.arn": "arn:c"});
    let resource = support::attributes(&resource);
    let check = |attributes: Json, expect: [Option<&str>; 3]| {
        let attributes = support::attributes(&attributes);
        let request = Request::new(&attributes, &resource);
        assert_eq!([request.method, request.path, request.host], expect);
        assert_eq!(request.service_type, Some("AWS::ECS::Container"));
    };
    check(json!({}), [None, None, None]);
    check(
        json!({"http.request.method": "GET", "url.path": "/api/state/1", "server.address": "h"}),
        [Some("GET"), Some("/api/state/1"), Some("h")],
    );
    check(
        json!({"http.method": "GET", "http.target": "/old", "net.host.name": "h"}),
        [Some("GET"), Some("/old"), Some("h")],
    );
    check(json!({"url.full": "https://a.b/c/d?e#f"}), [None, Some("/c/d"), None]);
    check(json!({"http.url": "https://a.b?e"}), [None, Some("/"), None]);
    check(
        json!({"http.request.method": "_OTHER", "http.request.method_original": "PURGE"}),
        [Some("PURGE"), None, None],
    );

    let mut polling = rule("polling-scorekeep", 5_000, 0, 0.003);
    (polling.service_name, polling.url_path) = ("score*".to_owned(), "/api/state/*".to_owned());
    polling.attributes.insert("tier".to_owned(), "g?ld".to_owned());
    polling.resource_arn = "arn:*".to_owned();
    let attributes = json!({"url.path": "/api/state/7", "tier": "gold"});
    assert!(polling.matches(&Request::new(&support::attributes(&attributes), &resource)));
    let attributes = json!({"url.path": "/api/state/7"});
    assert!(!polling.matches(&Request::new(&support::attributes(&attributes), &resource)));
}

#[test]
fn one_a_second_is_borrowed_until_a_quota_comes() {
    let mut sampler = sampler(&[rule("r", 1, 50, 0.0)]);
    assert_eq!(sampled(&mut sampler, at(0), UNLUCKY, 100), 1);
    assert_eq!(sampled(&mut sampler, at(1_000), UNLUCKY, 100), 1);
    let report = sampler.reports(at(10_000)).remove(0);
    let expect = json!({"SamplingStatisticsDocuments": [{
        "RuleName": "r", "ClientID": "070707070707070707070707", "Timestamp": 1_700_000_010.0,
        "RequestCount": 200, "SampledCount": 2, "BorrowCount": 2,
    }]});
    assert_eq!(serde_json::to_value(&report).unwrap(), expect);

    // Missing fields leave things as they are: borrowing goes on.
    sampler
        .apply(&report, &targets(json!({"SamplingTargetDocuments": [{"RuleName": "r", "FixedRate": null}]})));
    assert_eq!(sampled(&mut sampler, at(11_000), UNLUCKY, 100), 1);

    let granted = |quota: u32, until: u64| {
        targets(json!({"SamplingTargetDocuments": [{
            "RuleName": "r", "FixedRate": 0.1, "ReservoirQuota": quota, "Interval": 10,
            "ReservoirQuotaTTL": 1_700_000_000.0 + until as f64, "SamplingBoost": {"BoostRate": 1.0},
        }], "UnprocessedBoostStatistics": []}))
    };
    sampler.apply(&report, &granted(5, 100));
    assert_eq!(sampled(&mut sampler, at(12_000), UNLUCKY, 100), 5);
    assert_eq!(sampled(&mut sampler, at(12_500), UNLUCKY, 100), 0);
    assert_eq!(sampled(&mut sampler, at(12_500), 0.09, 10), 10, "the target's rate");
    assert_eq!(sampled(&mut sampler, at(100_000), UNLUCKY, 100), 5, "the last second of the quota");
    assert_eq!(sampled(&mut sampler, at(101_000), UNLUCKY, 100), 1, "expired: borrowing again");
    sampler.apply(&report, &granted(0, 500));
    assert_eq!(sampled(&mut sampler, at(102_000), UNLUCKY, 100), 0, "a quota of nothing, and no borrowing");
}

#[test]
fn a_rule_without_reservoir_lends_nothing() {
    let mut sampler = sampler(&[rule("r", 1, 0, 0.0)]);
    assert_eq!(sampled(&mut sampler, at(0), LUCKY, 100), 0);
}

#[test]
fn counts_are_reported_once_and_survive_a_failure() {
    let mut sampler = sampler(&[rule("r", 1, 0, 1.0), rule("s", 2, 0, 1.0)]);
    sampled(&mut sampler, at(0), LUCKY, 3);
    let report = sampler.reports(at(0)).remove(0);
    assert_eq!(report.sampling_statistics_documents.len(), 1, "only rules that matched");
    assert!(sampler.reports(at(60_000)).is_empty());
    sampler.restore(&report);
    sampled(&mut sampler, at(1), LUCKY, 4);
    assert!(sampler.reports(at(9_999)).is_empty(), "not before its time");
    let report = sampler.reports(at(10_000)).remove(0);
    assert_eq!(report.sampling_statistics_documents[0].request_count, 7);

    // Part of a call failed on their side: those counts come again.
    let failed =
        json!({"UnprocessedStatistics": [{"RuleName": "r", "ErrorCode": "500", "Message": "later"}]});
    sampler.apply(&report, &targets(failed));
    assert!(!sampler.is_outdated());
    assert_eq!(sampler.reports(at(20_000))[0].sampling_statistics_documents[0].request_count, 7);
}

#[test]
fn a_target_may_ask_for_another_interval() {
    let mut sampler = sampler(&[rule("r", 1, 0, 1.0)]);
    sampled(&mut sampler, at(0), LUCKY, 1);
    let report = sampler.reports(at(0)).remove(0);
    sampler.apply(&report, &targets(json!({"SamplingTargetDocuments": [{"RuleName": "r", "Interval": 30}]})));
    sampled(&mut sampler, at(1), LUCKY, 1);
    assert!(sampler.reports(at(29_999)).is_empty());
    assert_eq!(sampler.reports(at(30_000)).len(), 1);
}

#[test]
fn a_call_holds_25_documents() {
    let rules: Vec<Rule> = (0..60)
        .map(|number| Rule { url_path: format!("/{number}"), ..rule(&format!("r{number}"), 1, 0, 1.0) })
        .collect();
    let mut sampler = sampler(&rules);
    for number in 0..60 {
        let path = format!("/{number}");
        sampler.decide(&Request { path: Some(&path), ..Request::default() }, T, LUCKY);
    }
    let sizes: Vec<usize> =
        sampler.reports(T).iter().map(|it| it.sampling_statistics_documents.len()).collect();
    assert_eq!(sizes, [25, 25, 10]);
}

#[test]
fn the_last_good_list_stays() {
    let mut sampler = sampler(&[rule("r", 1, 0, 1.0)]);
    assert!(!sampler.load(Vec::new(), at(1)));
    let mut future = rule("future", 1, 0, 1.0);
    future.version = 2;
    assert!(!sampler.load(records(&[future]), at(1)));
    assert!(sampler.decide(&Request::default(), at(2), UNLUCKY).rule.is_some());
    // An hour after the last good fetch they are too old; a fetch revives them with their counts.
    let hour = 3_600_000;
    assert!(sampler.decide(&Request::default(), at(hour), UNLUCKY).rule.is_some());
    assert!(sampler.decide(&Request::default(), at(hour + 1), UNLUCKY).rule.is_none());
    sampler.load(records(&[rule("r", 1, 0, 1.0)]), at(hour + 2));
    assert_eq!(sampler.reports(at(hour + 2))[0].sampling_statistics_documents[0].request_count, 2);
}

#[test]
fn a_changed_rule_keeps_its_counts_and_takes_its_new_rate() {
    let mut sampler = sampler(&[rule("r", 1, 5, 0.0)]);
    sampled(&mut sampler, at(0), UNLUCKY, 2);
    sampler.load(records(&[rule("r", 1, 5, 1.0)]), at(1));
    assert_eq!(sampled(&mut sampler, at(2), UNLUCKY, 1), 1);
    assert_eq!(sampler.reports(at(3))[0].sampling_statistics_documents[0].request_count, 3);
}

#[test]
fn a_report_tells_when_the_rules_are_outdated() {
    let mut sampler = sampler(&[rule("r", 1, 0, 1.0)]);
    let none = TargetsRequest::default();
    let modified = |seconds: f64| targets(json!({"LastRuleModification": T.as_secs_f64() + seconds}));
    sampler.apply(&none, &modified(-1.0));
    assert!(!sampler.is_outdated());
    sampler.apply(&none, &modified(50.0));
    assert!(sampler.is_outdated());
    // Fetched; a server whose clock is ahead tells the same again, which is no news.
    sampler.load(records(&[rule("r", 1, 0, 1.0)]), at(10_000));
    sampler.apply(&none, &modified(50.0));
    assert!(!sampler.is_outdated());
    let gone = json!({"UnprocessedStatistics": [{"RuleName": "r", "ErrorCode": "404", "Message": "gone"}]});
    sampler.apply(&none, &targets(gone));
    assert!(sampler.is_outdated());
}

#[test]
fn chance_is_the_traces_own() {
    let check = |id: &str, expect: f64| assert!((chance(id.parse().unwrap()) - expect).abs() < 1e-15, "{id}");
    check("1-ffffffff-ffffffffff00000000000000", 0.0);
    check("1-00000000-000000000080000000000000", 0.5);
    check("1-00000000-0000000000ffffffffffffff", 1.0);
    assert!(chance("1-00000000-0000000000ffffffffffffff".parse().unwrap()) < 1.0);
}

#[test]
fn pauses_have_jitter() {
    assert_eq!((rules_pause(0.0), rules_pause(1.0)), (Duration::from_mins(5), Duration::from_secs(305)));
    assert_eq!(
        (targets_pause(0.0), targets_pause(1.0)),
        (Duration::from_secs(10), Duration::from_millis(10_100))
    );
}

/// The answer of AWS's documentation, and what SDKs leave out.
#[test]
fn the_wire() {
    let rules: RulesResponse = serde_json::from_value(json!({"SamplingRuleRecords": [
        {"SamplingRule": {"RuleName": "Default", "RuleARN": "arn:aws:xray:us-east-1:123456789012:sampling-rule/Default",
            "ResourceARN": "*", "Priority": 10000, "FixedRate": 0.05, "ReservoirSize": 1, "ServiceName": "*",
            "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*", "Version": 1, "Attributes": {},
            "SamplingRateBoost": {"MaxRate": 1, "CooldownWindowMinutes": 1}},
            "CreatedAt": 0.0, "ModifiedAt": 1_530_558_121.0},
    ], "NextToken": null}))
    .unwrap();
    let arn = "arn:aws:xray:us-east-1:123456789012:sampling-rule/Default".to_owned();
    assert_eq!(rules.sampling_rule_records[0].sampling_rule, Rule { rule_arn: Some(arn), ..Rule::default() });
    let written = serde_json::to_value(&rules).unwrap();
    assert_eq!(written["SamplingRuleRecords"][0]["SamplingRule"]["HTTPMethod"], "*");
    assert_eq!(written["SamplingRuleRecords"][0]["ModifiedAt"], 1_530_558_121.0);
    for text in ["{}", r#"{"NextToken":null}"#, r#"{"NextToken":"x","Future":1}"#] {
        serde_json::from_str::<throughline_xray::sampling::RulesRequest>(text).unwrap();
    }
    let response = targets(json!({
        "SamplingTargetDocuments": [{"RuleName": "base-scorekeep", "FixedRate": 0.1, "ReservoirQuota": 2,
            "ReservoirQuotaTTL": 1_530_923_107.0, "Interval": 10}],
        "LastRuleModification": 1_530_920_505.0, "UnprocessedStatistics": null,
    }));
    assert_eq!(response.sampling_target_documents[0].reservoir_quota, Some(2));
    assert_eq!(
        serde_json::to_value(&response).unwrap()["SamplingTargetDocuments"][0]["ReservoirQuotaTTL"],
        1_530_923_107.0
    );
}

#[test]
fn rules_have_limits() {
    let good = rule("good", 9_000, 5, 0.1);
    assert_eq!(good.check(), Ok(()));
    assert_eq!(Rule::default().check(), Ok(()));
    let check = |change: fn(&mut Rule)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad.check().unwrap_err()
    };
    assert!(matches!(check(|it| it.rule_name.clear()), RuleError::Length { field: "RuleName", .. }));
    assert!(matches!(check(|it| it.rule_name = "r".repeat(33)), RuleError::Length { .. }));
    assert!(matches!(check(|it| it.url_path = "p".repeat(129)), RuleError::Length { field: "URLPath", .. }));
    assert!(matches!(check(|it| it.priority = 0), RuleError::Range { field: "Priority", .. }));
    assert!(matches!(check(|it| it.priority = 10_000), RuleError::Range { .. }));
    assert!(matches!(check(|it| it.fixed_rate = 1.1), RuleError::Range { field: "FixedRate", .. }));
    assert!(matches!(check(|it| it.fixed_rate = f64::NAN), RuleError::Range { .. }));
    assert_eq!(check(|it| it.version = 2), RuleError::Version);
    assert_eq!(check(|it| drop(it.attributes.insert(String::new(), "x".to_owned()))), RuleError::Attributes);
}

#[test]
fn the_server_answers_for_rules_that_it_has() {
    let mut quotas = Quotas::default();
    let mut known = records(&[rule("r", 1, 10, 0.25)]);
    known[0].modified_at = 123.0;
    let mut ask = |name: &str, client: &str, now| {
        let document = json!({"RuleName": name, "ClientID": client, "Timestamp": 1, "RequestCount": 1_000, "SampledCount": 1});
        let request = serde_json::from_value(json!({"SamplingStatisticsDocuments": [document]})).unwrap();
        serde_json::to_value(quotas.answer(&request, &known, now)).unwrap()
    };
    let (one, two) = ("A".repeat(24), "B".repeat(24));
    assert_eq!(
        ask("r", &one, T),
        json!({
            "SamplingTargetDocuments": [{"RuleName": "r", "FixedRate": 0.25, "ReservoirQuota": 10,
                "ReservoirQuotaTTL": 1_700_000_300.0, "Interval": 10}],
            "LastRuleModification": 123.0, "UnprocessedStatistics": [],
        })
    );
    let quota = |answer: Json| answer["SamplingTargetDocuments"][0]["ReservoirQuota"].as_u64().unwrap();
    assert_eq!(quota(ask("r", &two, at(5_000))), 0, "the first holds all of it until it reports");
    assert_eq!(quota(ask("r", &one, at(10_000))), 5);
    assert_eq!(quota(ask("r", &two, at(15_000))), 5);
    assert_eq!(quota(ask("r", &two, at(60_000))), 10, "the first is gone");
    for (name, client) in [("other", one.as_str()), ("r", "short")] {
        let answer = ask(name, client, T);
        assert_eq!(answer["SamplingTargetDocuments"], json!([]));
        assert_eq!(answer["UnprocessedStatistics"][0]["ErrorCode"], "400");
    }
}
