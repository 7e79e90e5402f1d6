//! One trace, two vendors: what came by OTLP and what came as X-Ray's documents is the same tree.

use std::collections::BTreeMap;

use console::wire::{Kind, Source, Span, Status, Trace};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::browser::{EVERYONE, clicks};
use crate::eventually;
use crate::http::{Client, Reply};
use crate::system::{System, shared};
use crate::trace::text;

/// What both must say of a span, by its id.
type Tree = BTreeMap<String, Node>;

#[derive(Debug, PartialEq)]
struct Node {
    parent: Option<String>,
    name: String,
    /// A segment, as against a subsegment.
    is_segment: bool,
    /// Of `fault`, `error` and `throttle`.
    flags: Vec<&'static str>,
}

#[derive(Deserialize)]
pub(crate) struct Document {
    id: String,
    parent_id: Option<String>,
    name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    pub(crate) fault: bool,
    error: bool,
    throttle: bool,
    start_time: f64,
    end_time: f64,
    #[serde(default)]
    annotations: Map<String, Value>,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    aws: Value,
}

#[test]
fn a_click_is_the_same_tree_in_both() {
    let system = shared();
    let Some(clicks) = clicks() else { return };
    let home = system.trace(&clicks.home, &EVERYONE);
    assert_both(system, &home);
    let post = system.trace(&clicks.post, &EVERYONE);
    assert_both(system, &post);
}

#[test]
fn requests_and_their_failures_are_the_same_tree_in_both() {
    let system = shared();
    let anonymous = Client::anonymous();
    let person = system.sign_up();
    let get = |path: &str| anonymous.get(&system.web(path));
    let post = json!({ "message": "in two places", "ttl": "1-day" });
    let replies = [
        (200, get("/api/activities/home")),
        (404, get("/api/activities/@nobody-of-this-name")),
        (401, get("/api/activities/notifications")),
        (422, get("/api/activities/search?term=")),
        (201, person.client.post(&system.web("/api/activities"), &post)),
    ];
    for (status, reply) in replies {
        assert_eq!(reply.status, status, "{}", reply.body);
        let trace = system.trace(&reply.trace_id(), &["gateway"]);
        let documents = assert_both(system, &trace);
        let root = documents.iter().find(|it| it.parent_id.is_none()).unwrap();
        assert_eq!((root.error, root.fault), ((400..500).contains(&status), status >= 500), "{}", reply.body);
        if status == 201 {
            let user = &reply.json()["user_uuid"];
            assert!(documents.iter().any(|it| it.annotations.get("app_user_id") == Some(user)));
        }
    }
}

#[test]
fn the_sampling_rules_of_the_console_are_obeyed() {
    let system = System::start(&[("OTEL_TRACES_SAMPLER", "parentbased_xray")]);
    let client = Client::anonymous();
    let is_sampled = |reply: &Reply| reply.header("traceresponse").unwrap().ends_with("-01");
    // X-Ray's default rule, or the same by heart before it has come: one a second and 5 %.
    let home = || client.get(&system.web("/api/activities/home?limit=1"));
    let kept = (0..200).filter(|_| is_sampled(&home())).count();
    assert!((1..100).contains(&kept), "{kept} of 200");

    let rule = json!({ "SamplingRule": {
        "RuleName": "searches", "Priority": 1, "FixedRate": 1.0, "ReservoirSize": 0, "Version": 1, "HTTPMethod": "GET",
        "ServiceName": "frontend-proxy", "URLPath": "/api/*/search", "Host": "127.0.0.1", "ServiceType": "*", "ResourceARN": "*",
    } });
    let created = client.post(&format!("{}/CreateSamplingRule", system.at.console), &rule);
    assert_eq!(created.status, 200, "{}", created.body);

    // The answer to the next report tells of a newer list. Whoever decides is the first service; the others follow.
    let search = || client.get(&system.web("/api/activities/search?term=coffee"));
    let trace = eventually("the new rule decides", || {
        let reply = search();
        let trace =
            is_sampled(&reply).then(|| system.trace(&reply.trace_id(), &["frontend-proxy", "activities"]))?;
        let root = trace.spans.iter().find(|span| span.parent_span_id.is_none())?;
        (text(root, "aws.xray.sampling_rule_name") == Some("searches")).then_some(trace)
    });
    let documents = assert_both(&system, &trace);
    let root = documents.iter().find(|it| it.parent_id.is_none()).unwrap();
    assert_eq!(root.aws["xray"]["sampling_rule_name"], "searches");
    assert!((0..50).all(|_| is_sampled(&search())));
}

/// Waits until X-Ray has all of the trace too, and compares.
#[track_caller]
pub(crate) fn assert_both(system: &System, trace: &Trace) -> Vec<Document> {
    let documents =
        eventually(&format!("X-Ray has the {} spans of {}", trace.spans.len(), trace.trace_id), || {
            let documents = documents(system, &trace.trace_id);
            (documents.len() >= trace.spans.len()).then_some(documents)
        });
    assert_same_tree(trace, &documents);
    documents
}

/// The documents of a trace that has arrived whole; gives their number.
#[track_caller]
pub(crate) fn check(system: &System, trace: &Trace) -> usize {
    let documents = documents(system, &trace.trace_id);
    assert_same_tree(trace, &documents);
    documents.len()
}

#[track_caller]
fn assert_same_tree(trace: &Trace, documents: &[Document]) {
    let by_otlp: Tree = trace.spans.iter().map(by_otlp).collect();
    let by_xray: Tree = documents.iter().map(by_xray).collect();
    assert_eq!(documents.len(), by_xray.len(), "an id came twice");
    assert_eq!(by_xray, by_otlp, "left X-Ray, right OTLP, of trace {}", trace.trace_id);
    let by_id: BTreeMap<_, _> = documents.iter().map(|it| (it.id.as_str(), it)).collect();
    for span in &trace.spans {
        let document = by_id[span.span_id.as_str()];
        let end = span.start_unix_nano + span.duration_nano;
        for (nanos, seconds) in [(span.start_unix_nano, document.start_time), (end, document.end_time)] {
            // An f64 of seconds tells quarters of a microsecond apart in this century.
            assert!((nanos as f64 / 1e9 - seconds).abs() < 1e-6, "{}: {nanos} and {seconds}", span.span_id);
        }
    }
}

fn by_otlp(span: &Span) -> (String, Node) {
    assert_eq!(span.source, Source::Otlp);
    let code = span.attributes.get("http.response.status_code").and_then(Value::as_i64).unwrap_or_default();
    let node = Node {
        parent: span.parent_span_id.clone(),
        name: span.name.clone(),
        is_segment: span.kind == Kind::Server || span.parent_span_id.is_none(),
        // What HTTP says comes first; a span without HTTP is at fault when its status is.
        flags: flags(
            code >= 500 || (code < 400 && span.status == Status::Error),
            (400..500).contains(&code),
            code == 429,
        ),
    };
    (span.span_id.clone(), node)
}

fn by_xray(document: &Document) -> (String, Node) {
    let fits = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/%&#=+-@".contains(c);
    assert!(!document.name.is_empty() && document.name.chars().all(fits), "{:?}", document.name);
    // Where X-Ray's name is another (the service's, the callee's, without what it does not take), the span's own stands here.
    let name = document.metadata["otel"]["name"].as_str().unwrap_or(&document.name);
    let node = Node {
        parent: document.parent_id.clone(),
        name: name.to_owned(),
        is_segment: document.kind.is_none(),
        flags: flags(document.fault, document.error, document.throttle),
    };
    (document.id.clone(), node)
}

fn flags(fault: bool, error: bool, throttle: bool) -> Vec<&'static str> {
    let all = [(fault, "fault"), (error, "error"), (throttle, "throttle")];
    all.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect()
}

fn documents(system: &System, trace_id: &str) -> Vec<Document> {
    let reply = Client::anonymous().get(&format!("{}/api/xray/traces/{trace_id}", system.at.console));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let segments = reply.json()["segments"].take();
    let segments: Vec<Value> = serde_json::from_value(segments).unwrap();
    segments.into_iter().map(|mut it| serde_json::from_value(it["document"].take()).unwrap()).collect()
}
