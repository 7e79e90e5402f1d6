//! The sampler against the daemon's HTTP side, played by the receiver.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::xray::sampling::{Request as Asked, TargetsRequest};
use serde_json::json;
use throughline_sinks::xray::RemoteSampler;

use crate::receiver::{Receiver, Reply, Request};
use crate::xray::until;

/// Rules are fetched after 0.6 s, reports sent after 20 ms, and what failed is tried again after 10 ms.
const HURRY: u32 = 500;

fn sampler(address: &str) -> RemoteSampler {
    RemoteSampler::start_hurried(&address.parse().unwrap(), HURRY).unwrap()
}

fn address(daemon: &Receiver) -> String {
    daemon.url().trim_start_matches("http://").to_owned()
}

/// What the sampler says of a request, as `rule sampled`; `-` is the fallback.
fn ask(sampler: &RemoteSampler, path: &str, random: f64) -> String {
    let asked = Asked { method: Some("GET"), path: Some(path), ..Asked::default() };
    let decision = sampler.decide(&asked, random);
    format!("{} {}", decision.rule.as_deref().unwrap_or("-"), decision.sampled)
}

fn rule(name: &str, priority: i64, path: &str, rate: f64) -> serde_json::Value {
    json!({ "SamplingRule": {
        "RuleName": name, "Priority": priority, "FixedRate": rate, "ReservoirSize": 0, "URLPath": path, "HTTPMethod": "GET",
        "ServiceName": "*", "ServiceType": "*", "Host": "*", "ResourceARN": "*", "Version": 1,
    }, "CreatedAt": 0.0, "ModifiedAt": 0.0 })
}

fn answer(body: &serde_json::Value) -> Reply {
    Reply::Answer { status: 200, headers: &[], body: body.to_string().into_bytes() }
}

fn calls(daemon: &Receiver, path: &str) -> Vec<Request> {
    daemon.requests().into_iter().filter(|request| request.path == path).collect()
}

#[test]
fn rules_come_in_pages_decide_and_are_reported() {
    let daemon = Receiver::start(|_, request| {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        match request.path.as_str() {
            "/GetSamplingRules" if body["NextToken"] == "two" => answer(
                &json!({ "SamplingRuleRecords": [rule("api", 100, "/api/*", 1.0)], "NextToken": null }),
            ),
            "/GetSamplingRules" => answer(
                &json!({ "SamplingRuleRecords": [rule("Default", 10_000, "*", 0.25)], "NextToken": "two" }),
            ),
            _ => answer(&json!({ "SamplingTargetDocuments": [
                { "RuleName": "api", "FixedRate": 0.0, "ReservoirQuota": 0, "ReservoirQuotaTTL": 9e9, "Interval": 1 },
            ] })),
        }
    });
    let sampler = sampler(&address(&daemon));
    until(|| ask(&sampler, "/other", 0.9) == "Default false");
    assert_eq!(ask(&sampler, "/other", 0.2), "Default true");
    assert_eq!(ask(&sampler, "/api/home", 0.9), "api true");
    // The target of the first report sets the rate to nothing.
    until(|| ask(&sampler, "/api/home", 0.9) == "api false");

    let reports: Vec<TargetsRequest> = calls(&daemon, "/SamplingTargets")
        .iter()
        .map(|request| {
            assert_eq!(request.header("content-type"), Some("application/json"));
            assert_eq!(request.header("traceparent"), None);
            serde_json::from_slice(&request.body).unwrap()
        })
        .collect();
    let counts = reports.iter().flat_map(|it| &it.sampling_statistics_documents);
    let api: Vec<_> = counts.filter(|it| it.rule_name == "api").collect();
    assert!(api[0].request_count > 0 && api[0].sampled_count == api[0].request_count, "{api:?}");
    assert_eq!((api[0].client_id.len(), api[0].borrow_count), (24, 0));
}

#[test]
fn an_empty_or_broken_list_replaces_nothing() {
    let bad = [
        answer(&json!({ "SamplingRuleRecords": [] })),
        answer(&json!({})),
        Reply::Answer { status: 200, headers: &[], body: b"<html>".to_vec() },
        Reply::status(502),
        Reply::Reset,
        // The first page alone is no list.
        answer(&json!({ "SamplingRuleRecords": [rule("half", 1, "*", 0.0)], "NextToken": "next" })),
    ];
    let fetches = AtomicUsize::new(0);
    let daemon = Receiver::start(move |_, request| {
        if request.path != "/GetSamplingRules" {
            return Reply::status(500);
        }
        match fetches.fetch_add(1, Ordering::SeqCst) {
            0 => answer(&json!({ "SamplingRuleRecords": [rule("all", 1, "*", 1.0)] })),
            number => bad.get(number - 1).cloned().unwrap_or_else(|| Reply::status(500)),
        }
    });
    let sampler = sampler(&address(&daemon));
    until(|| ask(&sampler, "/", 0.9) == "all true");
    until(|| calls(&daemon, "/GetSamplingRules").len() > 9);
    assert_eq!(ask(&sampler, "/", 0.9), "all true");
}

#[test]
fn without_a_daemon_one_a_second_and_five_percent() {
    let nowhere: SocketAddr = Receiver::nowhere();
    let sampler = sampler(&nowhere.to_string());
    assert_eq!(ask(&sampler, "/", 0.99), "- true");
    assert_eq!(ask(&sampler, "/", 0.04), "- true");
    until(|| ask(&sampler, "/", 0.99) == "- false");
    // The daemon starts later, and is found.
    let _daemon = Receiver::start_at(nowhere, |_, _| {
        answer(&json!({ "SamplingRuleRecords": [rule("all", 1, "*", 1.0)] }))
    });
    until(|| ask(&sampler, "/", 0.99) == "all true");
}

#[test]
fn a_report_that_fails_is_part_of_the_next() {
    let reports = AtomicUsize::new(0);
    let daemon = Receiver::start(move |_, request| match request.path.as_str() {
        "/GetSamplingRules" => answer(&json!({ "SamplingRuleRecords": [rule("all", 1, "*", 1.0)] })),
        _ if reports.fetch_add(1, Ordering::SeqCst) == 1 => Reply::status(503),
        _ => answer(&json!({ "SamplingTargetDocuments": [{ "RuleName": "all", "Interval": 1 }] })),
    });
    let sampler = sampler(&address(&daemon));
    let reports = || calls(&daemon, "/SamplingTargets");
    until(|| ask(&sampler, "/", 0.9) == "all true");
    until(|| reports().len() == 1);
    ask(&sampler, "/", 0.9);
    ask(&sampler, "/", 0.9);
    until(|| reports().len() == 3);
    let counted = |request: &Request| {
        let report: TargetsRequest = serde_json::from_slice(&request.body).unwrap();
        report.sampling_statistics_documents[0].request_count
    };
    let counts: Vec<_> = reports().iter().map(counted).collect();
    assert_eq!(counts[1..], [2, 2]);
}
