//! Spans in, datagrams out; where they cannot go, counters and patience.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use ::xray::segment::{Annotation, DocumentType, MARKER};
use delivery::{Reason, Report};
use env::Env;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use throughline_sinks::spans::{Config, Exporter};

use crate::daemon::Daemon;
use crate::otlp::decode;
use crate::receiver::{Receiver, Reply};

const LONG: Duration = Duration::from_secs(20);
const ADDRESS: &str = "AWS_XRAY_DAEMON_ADDRESS";

pub(crate) fn exporter(pairs: &[(&str, &str)]) -> Exporter {
    let config = Config::from_env(&Env::from_pairs(pairs.iter().copied())).unwrap();
    let mut exporter = Exporter::new(&config).unwrap();
    exporter.set_resource(
        &Resource::builder_empty().with_attribute(KeyValue::new("service.name", "a test")).build(),
    );
    exporter
}

/// Traces of ten: a SERVER root and nine below it, each below the one before.
fn span(number: u64) -> SpanData {
    let place = number % 10;
    let id = SpanId::from(number + 1);
    let start = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + number);
    SpanData {
        span_context: SpanContext::new(
            TraceId::from((u128::from(1_700_000_000 + number / 10) << 96) | 7),
            id,
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: if place == 0 { SpanId::INVALID } else { SpanId::from(number) },
        parent_span_is_remote: false,
        span_kind: if place == 0 { SpanKind::Server } else { SpanKind::Internal },
        name: format!("step {place} {{of}} ten?").into(),
        start_time: start,
        end_time: start + Duration::from_millis(20),
        attributes: vec![KeyValue::new("app.user_id", "ana"), KeyValue::new("n", number as i64)],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: if place == 3 { Status::error("broken") } else { Status::Unset },
        instrumentation_scope: InstrumentationScope::builder("test").build(),
    }
}

pub(crate) fn spans(numbers: std::ops::Range<u64>) -> Vec<SpanData> {
    numbers.map(span).collect()
}

fn report(exporter: &Exporter) -> Report {
    exporter.queues().report().remove(0)
}

pub(crate) fn until(condition: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "did not happen in {LONG:?}");
        thread::yield_now();
    }
}

#[test]
fn two_thousand_spans_are_one_tree_in_both() {
    let (receiver, daemon) = (Receiver::start(|_, _| Reply::ok()), Daemon::start());
    let address = daemon.address().to_string();
    let exporter = exporter(&[("CONSOLE_OTLP_ENDPOINT", &receiver.url()), (ADDRESS, &address)]);
    for start in (0..2_000).step_by(500) {
        exporter.export(spans(start..start + 500));
    }
    let flushed = exporter.queues().flush(LONG);
    assert!(flushed.iter().all(delivery::Flushed::is_complete), "{flushed:?}");
    let documents = daemon.documents_when(2_000);

    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let by_otlp: BTreeSet<_> = receiver
        .requests()
        .iter()
        .flat_map(decode)
        .map(|s| {
            (hex(&s.trace_id), hex(&s.span_id), hex(&s.parent_span_id), s.status.is_some_and(|s| s.code == 2))
        })
        .collect();
    let by_xray: BTreeSet<_> = documents
        .iter()
        .map(|d| {
            let parent = d.parent_id.map(|id| id.to_string()).unwrap_or_default();
            (d.trace_id.unwrap().to_w3c(), d.id.unwrap().to_string(), parent, d.fault)
        })
        .collect();
    assert_eq!((documents.len(), by_otlp.len()), (2_000, 2_000));
    assert!(by_otlp == by_xray);
    assert!(documents.iter().all(|d| d.kind.is_none() == d.parent_id.is_none()));
    for report in exporter.queues().report() {
        assert!(report.is_balanced() && report.delivered == 2_000, "{report:?}");
    }
}

#[test]
fn what_is_indexed_is_said_by_the_environment() {
    let check = |annotations: &[(&str, &str)], expect: &[&str]| {
        let daemon = Daemon::start();
        let address = daemon.address().to_string();
        let exporter = exporter(&[&[(ADDRESS, address.as_str())], annotations].concat());
        exporter.export(spans(0..1));
        assert!(exporter.queues().flush(LONG)[0].is_complete());
        let document = daemon.documents_when(1).remove(0);
        assert_eq!(document.annotations.keys().collect::<Vec<_>>(), expect);
        document
    };
    let document = check(&[], &["app_user_id"]);
    assert_eq!(document.annotations["app_user_id"], Annotation::Text("ana".to_owned()));
    assert_eq!((document.name.as_str(), document.kind), ("a test", None));
    check(&[("XRAY_ANNOTATIONS", "n, other.*")], &["n"]);
    // The resource too, which only segments carry.
    check(&[("XRAY_ANNOTATIONS", "*")], &["app_user_id", "n", "otel_resource_service_name"]);
}

#[test]
fn a_daemon_that_is_away_loses_nothing_when_it_comes() {
    let address = Daemon::nowhere();
    let exporter = exporter(&[(ADDRESS, &address.to_string())]);
    exporter.export(spans(0..20));
    until(|| report(&exporter).failures > 1);
    let away = report(&exporter);
    assert_eq!((away.delivered, away.queued, away.retried >= 20), (0, 20, true));
    assert_eq!(
        away.last_problem.as_deref().unwrap().split(" (").next().unwrap(),
        format!("the X-Ray daemon at {address}: Connection refused")
    );
    let daemon = Daemon::start_at(address);
    assert!(exporter.queues().flush(LONG)[0].is_complete());
    let ids: BTreeSet<_> = daemon.documents_when(20).iter().map(|d| d.id).collect();
    assert_eq!(ids.len(), 20);
}

#[test]
fn a_daemon_that_goes_and_comes_back_gets_all_of_it() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let exporter = exporter(&[(ADDRESS, &address.to_string())]);
    exporter.export(spans(0..50));
    assert!(exporter.queues().flush(LONG)[0].is_complete());
    assert_eq!(daemon.documents_when(50).len(), 50);
    drop(daemon);
    exporter.export(spans(50..100));
    exporter.export(spans(100..150));
    until(|| report(&exporter).failures > 0);
    let daemon = Daemon::start_at(address);
    assert!(exporter.queues().flush(LONG)[0].is_complete());
    // Those that were under way when it came may have come twice; X-Ray keeps one per id.
    until(|| daemon.documents().iter().map(|d| d.id).collect::<BTreeSet<_>>().len() == 100);
    let report = report(&exporter);
    assert!(report.is_balanced() && report.delivered == 150, "{report:?}");
}

#[test]
fn nobody_there_to_the_end_is_counted() {
    let exporter = exporter(&[(ADDRESS, &Daemon::nowhere().to_string())]);
    exporter.export(spans(0..20));
    until(|| report(&exporter).failures > 0);
    let flushed = exporter.queues().shutdown(Duration::from_millis(100)).remove(0);
    assert_eq!((flushed.pending, flushed.lost.values().sum::<u64>()), (20, 20));
    let report = report(&exporter);
    assert!(report.is_balanced() && report.dropped_total() == 20, "{report:?}");
}

#[test]
fn a_name_is_as_good_as_an_address() {
    let daemon = Daemon::start();
    let port = daemon.address().port();
    let exporter = exporter(&[(ADDRESS, &format!("tcp:nowhere.invalid:1 udp:localhost:{port}"))]);
    exporter.export(spans(0..10));
    assert!(exporter.queues().flush(LONG)[0].is_complete());
    assert_eq!(daemon.documents_when(10).len(), 10);
}

#[test]
fn a_name_that_means_nothing_is_asked_again() {
    let exporter = exporter(&[(ADDRESS, "nowhere.invalid:2000")]);
    exporter.export(spans(0..10));
    until(|| report(&exporter).failures > 0);
    let problem = report(&exporter).last_problem.unwrap();
    assert!(problem.starts_with("the X-Ray daemon at nowhere.invalid:2000: "), "{problem}");
    assert_eq!(report(&exporter).queued, 10);
    exporter.queues().shutdown(Duration::ZERO);
}

#[test]
fn a_span_larger_than_a_datagram_arrives_without_its_load() {
    let daemon = Daemon::start();
    let exporter = exporter(&[(ADDRESS, &daemon.address().to_string())]);
    let mut large = span(1);
    let list: Vec<StringValue> = (0..2_000).map(|n| format!("{n:>100}").into()).collect();
    large.attributes.push(KeyValue::new("load", Value::Array(Array::String(list))));
    exporter.export(vec![span(0), large, span(2)]);
    assert!(exporter.queues().flush(LONG)[0].is_complete());
    let documents = daemon.documents_when(3);
    assert_eq!(documents.len(), 3);
    assert_eq!(documents[1].kind, Some(DocumentType::Subsegment));
    assert!(documents[1].metadata.contains_key(MARKER) && !documents[2].metadata.contains_key(MARKER));
}

#[test]
fn a_span_without_ids_is_lost_alone() {
    let daemon = Daemon::start();
    let exporter = exporter(&[(ADDRESS, &daemon.address().to_string())]);
    let nameless = SpanData { span_context: SpanContext::NONE, ..span(1) };
    exporter.export(vec![span(0), nameless, span(2)]);
    // What is no request at all, as a relay might offer.
    exporter.queues().offer(&bytes::Bytes::from_static(b"\xff\xff"), 4);
    exporter.queues().flush(LONG);
    assert_eq!(daemon.documents_when(2).len(), 2);
    let report = report(&exporter);
    assert_eq!((report.delivered, report.refused.get(&Reason::PartialSuccess)), (2, Some(&5)));
    assert!(report.is_balanced(), "{report:?}");
}
