//! Spans in, requests out; the receiver's answers in, counters out.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use delivery::Reason;
use env::Env;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use prost::Message;
use throughline_sinks::spans::{Config, Exporter};

use crate::receiver::{Receiver, Reply, Request};

const LONG: Duration = Duration::from_secs(20);

fn exporter(pairs: &[(&str, &str)]) -> Exporter {
    let config = Config::from_env(&Env::from_pairs(pairs.iter().copied())).unwrap();
    let mut exporter = Exporter::new(&config).unwrap();
    exporter.set_resource(
        &Resource::builder_empty().with_attribute(KeyValue::new("service.name", "a test")).build(),
    );
    exporter
}

fn span(number: u64) -> SpanData {
    SpanData {
        span_context: SpanContext::new(
            TraceId::from(u128::from(number) + 1),
            SpanId::from(number + 1),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Server,
        name: Cow::Borrowed("GET /health"),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: vec![KeyValue::new("n", number as i64)],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("test").build(),
    }
}

fn spans(numbers: std::ops::Range<u64>) -> Vec<SpanData> {
    numbers.map(span).collect()
}

/// The spans of one request, whose resource has to be the test's.
pub(crate) fn decode(request: &Request) -> Vec<Span> {
    let body = match request.header("content-encoding") {
        Some("gzip") => {
            let mut body = Vec::new();
            std::io::copy(&mut flate2::read::GzDecoder::new(&request.body[..]), &mut body).unwrap();
            body
        }
        _ => request.body.clone(),
    };
    let decoded = ExportTraceServiceRequest::decode(&body[..]).unwrap();
    let mut spans = Vec::new();
    for resource_spans in decoded.resource_spans {
        let resource = resource_spans.resource.unwrap();
        assert_eq!(resource.attributes[0].key, "service.name");
        spans.extend(resource_spans.scope_spans.into_iter().flat_map(|s| s.spans));
    }
    spans
}

fn partial(rejected_spans: i64, error_message: &str) -> Reply {
    let partial_success =
        Some(ExportTracePartialSuccess { rejected_spans, error_message: error_message.to_owned() });
    let body = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    Reply::Answer { status: 200, headers: &[("content-type", "application/x-protobuf")], body }
}

#[test]
fn every_span_arrives_once_in_requests_that_were_put_together() {
    let receiver = Receiver::start(|_, _| Reply::After(Duration::from_millis(20)));
    let exporter = exporter(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())]);
    for n in 0..200 {
        exporter.export(spans(n * 50..(n + 1) * 50));
    }
    let flushed = exporter.queues().flush(LONG);
    assert!(flushed[0].is_complete(), "{flushed:?}");
    assert_eq!(exporter.queues().report()[0].delivered, 10_000);
    let requests = receiver.requests();
    assert!(requests.len() < 100, "{} requests for 200 batches", requests.len());
    let ids: Vec<_> = requests.iter().flat_map(decode).map(|s| s.span_id).collect();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (10_000, 10_000));
}

#[test]
fn gzip_and_headers_reach_the_destination_that_they_are_for() {
    let (vendor, console) = (Receiver::start(|_, _| Reply::ok()), Receiver::start(|_, _| Reply::ok()));
    let exporter = exporter(&[
        ("HONEYCOMB_API_KEY", "hcaik_x"),
        ("HONEYCOMB_API_ENDPOINT", &vendor.url()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("CONSOLE_OTLP_ENDPOINT", &console.url()),
    ]);
    exporter.export(spans(0..3));
    assert!(exporter.queues().flush(LONG).iter().all(delivery::Flushed::is_complete));
    let (to_vendor, to_console) = (vendor.requests().remove(0), console.requests().remove(0));
    assert_eq!(to_vendor.path, "/v1/traces");
    assert_eq!(to_vendor.header("x-honeycomb-team"), Some("hcaik_x"));
    assert_eq!(to_vendor.header("content-encoding"), Some("gzip"));
    assert_eq!(to_console.header("x-honeycomb-team"), None);
    assert_eq!(to_console.header("content-encoding"), None);
    assert_eq!(decode(&to_vendor), decode(&to_console));
    assert_eq!(decode(&to_vendor).len(), 3);
}

#[test]
fn partial_success_is_counted_and_a_warning_is_kept() {
    let receiver = Receiver::start(|n, _| match n {
        0 => partial(2, "two ids are of the wrong length"),
        1 => partial(0, "please slow down"),
        _ => Reply::ok(),
    });
    let exporter = exporter(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())]);
    let queues = exporter.queues();
    exporter.export(spans(0..5));
    assert_eq!(queues.flush(LONG)[0].lost, [(Reason::PartialSuccess, 2)].into());
    assert_eq!(queues.report()[0].delivered, 3);
    exporter.export(spans(5..9));
    assert!(queues.flush(LONG)[0].is_complete());
    let report = queues.report().remove(0);
    assert_eq!((report.delivered, report.refused_total()), (7, 2));
    assert_eq!(report.last_problem.as_deref(), Some("please slow down"));
    assert_eq!(receiver.requests().len(), 2);
}

#[test]
fn busy_and_broken_lose_nothing() {
    let receiver = Receiver::start(|n, _| match n {
        0 => Reply::status(503),
        1 => Reply::Reset,
        2 => Reply::Answer { status: 429, headers: &[("retry-after", "0")], body: Vec::new() },
        _ => Reply::ok(),
    });
    let exporter = exporter(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())]);
    exporter.export(spans(0..5));
    assert!(exporter.queues().flush(LONG)[0].is_complete());
    let report = exporter.queues().report().remove(0);
    assert_eq!((report.delivered, report.retried), (5, 15));
    assert_eq!(decode(&receiver.requests()[3]).len(), 5);
}

#[test]
fn a_destination_that_is_away_keeps_its_spans_and_holds_up_nobody() {
    let console = Receiver::start(|_, _| Reply::ok());
    let away = format!("http://{}", Receiver::nowhere());
    let exporter =
        exporter(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &away), ("CONSOLE_OTLP_ENDPOINT", &console.url())]);
    exporter.export(spans(0..5));
    let flushed = exporter.queues().flush(Duration::from_millis(500));
    assert_eq!((flushed[0].pending, flushed[1].pending), (5, 0));
    assert_eq!(console.requests().iter().map(|r| decode(r).len()).sum::<usize>(), 5);
    let flushed = exporter.queues().shutdown(Duration::from_millis(50));
    assert!(!flushed[0].is_complete() && flushed[1].is_complete());
    assert!(exporter.queues().report().iter().all(delivery::Report::is_balanced));
}

#[test]
fn spans_that_are_encoded_already_go_the_same_way() {
    let receiver = Receiver::start(|_, _| Reply::ok());
    let exporter = exporter(&[("CONSOLE_OTLP_ENDPOINT", &receiver.url())]);
    let request = ExportTraceServiceRequest { resource_spans: Vec::new() }.encode_to_vec();
    exporter.queues().offer(&request.into(), 0);
    exporter.queues().offer(&b"\x0a\x00".to_vec().into(), 1);
    assert!(exporter.queues().flush(LONG)[0].is_complete());
    assert_eq!(exporter.queues().report()[0].delivered, 1);
}
