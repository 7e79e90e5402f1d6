//! From a tracer to a receiver on a real socket, counted at both ends.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // shared with the tests of delivery, which use all of it
#[path = "../../../delivery/tests/receiver.rs"]
mod receiver;

use std::collections::BTreeSet;
use std::thread;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceFlags, TraceState, Tracer, TracerProvider};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SimpleSpanProcessor};
use prost::Message;
use receiver::{Receiver, Reply};

use super::*;

const LONG: Duration = Duration::from_secs(20);

fn start(pairs: &[(&str, &str)]) -> (SdkTracerProvider, Pipeline) {
    start_with(Sampler::AlwaysOn, pairs)
}

fn start_with(sampler: Sampler, pairs: &[(&str, &str)]) -> (SdkTracerProvider, Pipeline) {
    let config = ExportConfig::from_env(&Env::from_pairs(pairs.iter().copied())).unwrap();
    let (processor, pipeline) = pipeline(&config).unwrap();
    let resource = Resource::builder_empty().with_attribute(KeyValue::new("service.name", "tested")).build();
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_resource(resource)
        .with_span_processor(processor)
        .build();
    (provider, pipeline)
}

fn make_spans(provider: &SdkTracerProvider, count: usize) {
    let tracer = provider.tracer("test");
    for _ in 0..count {
        tracer.start("a span").end();
    }
}

/// The span ids that arrived; the resource of each has to be ours.
fn received(receiver: &Receiver) -> Vec<Vec<u8>> {
    let mut ids = Vec::new();
    for request in receiver.requests() {
        for spans in ExportTraceServiceRequest::decode(&request.body[..]).unwrap().resource_spans {
            let attributes = spans.resource.unwrap().attributes;
            assert_eq!((attributes.len(), attributes[0].key.as_str()), (1, "service.name"));
            ids.extend(spans.scope_spans.into_iter().flat_map(|s| s.spans).map(|s| s.span_id));
        }
    }
    ids
}

#[test]
fn every_span_of_every_thread_arrives_once() {
    let receiver = Receiver::start(|_, _| Reply::ok());
    // The queue is wide enough: in an unoptimised build four threads make spans faster than one encodes them.
    let wide = ("OTEL_BSP_MAX_QUEUE_SIZE", "100000");
    let (provider, pipeline) = start(&[("CONSOLE_OTLP_ENDPOINT", &receiver.url()), wide]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| make_spans(&provider, 5_000));
        }
    });
    let flush = pipeline.flush(LONG);
    assert!(flush.is_complete(), "{flush:?}");
    let report = pipeline.report();
    assert_eq!((report.spans.ended, report.spans.encoded, report.spans.waiting), (20_000, 20_000, 0));
    assert_eq!(report.destinations[0].delivered, 20_000);
    let ids = received(&receiver);
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (20_000, 20_000));
}

#[test]
fn what_does_not_fit_is_dropped_counted_and_told_once() {
    let receiver = Receiver::start(|_, _| Reply::ok());
    let (provider, pipeline) = start(&[
        ("CONSOLE_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BSP_SCHEDULE_DELAY", "60000"),
    ]);
    make_spans(&provider, 150);
    let flush = pipeline.flush(LONG);
    assert_eq!((flush.dropped, flush.waiting, flush.is_complete()), (50, 0, false));
    assert!(pipeline.flush(LONG).is_complete());
    let spans = pipeline.report().spans;
    assert_eq!((spans.ended, spans.encoded, spans.dropped), (150, 100, [(Reason::QueueFull, 50)].into()));
    assert_eq!(received(&receiver).len(), 100);
}

#[test]
fn a_span_is_there_within_a_second_without_any_flush() {
    let receiver = Receiver::start(|_, _| Reply::ok());
    let (provider, _pipeline) = start(&[("CONSOLE_OTLP_ENDPOINT", &receiver.url())]);
    let start = Instant::now();
    make_spans(&provider, 1);
    while received(&receiver).is_empty() {
        assert!(start.elapsed() < LONG);
        thread::yield_now();
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_receiver_that_is_away_delays_nobody_and_is_told_of() {
    let away = format!("http://{}", Receiver::nowhere());
    let (provider, pipeline) = start(&[("CONSOLE_OTLP_ENDPOINT", &away)]);
    make_spans(&provider, 10);
    let start = Instant::now();
    let flush = pipeline.flush(Duration::from_millis(100));
    assert_eq!((flush.waiting, flush.destinations[0].pending, flush.is_complete()), (0, 10, false));
    assert!(provider.shutdown_with_timeout(Duration::from_millis(100)).is_err());
    assert!(start.elapsed() < Duration::from_secs(5));
    let report = pipeline.report().destinations.remove(0);
    assert!(report.is_balanced() && report.dropped_total() == 10, "{report:?}");
}

#[test]
fn a_shutdown_delivers_and_a_second_one_has_nothing_to_do() {
    let receiver = Receiver::start(|_, _| Reply::ok());
    let (provider, pipeline) = start(&[("CONSOLE_OTLP_ENDPOINT", &receiver.url())]);
    make_spans(&provider, 10);
    assert!(pipeline.shutdown(LONG).is_complete());
    make_spans(&provider, 1);
    assert_eq!(pipeline.shutdown(LONG).dropped, 1);
    assert!(provider.shutdown().is_ok());
    let spans = pipeline.report().spans;
    assert_eq!((spans.ended, spans.encoded, spans.dropped), (11, 10, [(Reason::ShutDown, 1)].into()));
    assert_eq!(received(&receiver).len(), 10);
}

#[test]
fn nothing_is_kept_of_what_is_not_sampled_or_has_nowhere_to_go() {
    let receiver = Receiver::start(|_, _| Reply::ok());
    let (provider, pipeline) = start_with(Sampler::AlwaysOff, &[("CONSOLE_OTLP_ENDPOINT", &receiver.url())]);
    make_spans(&provider, 10);
    assert_eq!(pipeline.report().spans.ended, 0);
    let (provider, pipeline) = start(&[]);
    make_spans(&provider, 10);
    assert!(pipeline.flush(LONG).is_complete());
    assert_eq!(pipeline.report().spans.ended, 0);
}

#[test]
fn bad_sizes_stop_the_start() {
    let refused = |pairs: &[(&str, &str)]| {
        ExportConfig::from_env(&Env::from_pairs(pairs.iter().copied())).unwrap_err().to_string()
    };
    let problem = |value| refused(&[("OTEL_BSP_MAX_QUEUE_SIZE", value)]);
    #[cfg(feature = "aws")]
    insta::assert_snapshot!(refused(&[
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10001"),
        ("AWS_XRAY_EXPORTER", "otlp"),
        ("AWS_REGION", "eu-central-1"),
    ]), @r#"OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "10001" is more than the 10000 spans that X-Ray takes at once; for example OTEL_BSP_MAX_EXPORT_BATCH_SIZE=512"#);
    insta::assert_snapshot!(problem("0"), @r#"OTEL_BSP_MAX_QUEUE_SIZE: "0" is too small: 1 is the least; for example OTEL_BSP_MAX_QUEUE_SIZE=16384"#);
    insta::assert_snapshot!(problem("many"), @r#"OTEL_BSP_MAX_QUEUE_SIZE: "many" is not usable: invalid digit found in string; for example OTEL_BSP_MAX_QUEUE_SIZE=16384"#);
}

#[test]
fn a_printed_span_is_one_line() {
    let memory = InMemorySpanExporter::default();
    let provider =
        SdkTracerProvider::builder().with_span_processor(SimpleSpanProcessor::new(memory.clone())).build();
    let mut span = provider
        .tracer("test")
        .span_builder("GET /api/activities/home")
        .with_kind(SpanKind::Server)
        .start(&provider.tracer("test"));
    span.set_attribute(KeyValue::new("http.response.status_code", 500));
    span.set_attribute(KeyValue::new("error.type", "two\nlines"));
    span.set_status(Status::error("it \"broke\""));
    span.add_event("exception", Vec::new());
    span.end();
    let mut span = memory.get_finished_spans().unwrap().remove(0);
    span.span_context = opentelemetry::trace::SpanContext::new(
        1u128.into(),
        2u64.into(),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    );
    span.parent_span_id = 3u64.into();
    span.end_time = span.start_time + Duration::from_micros(12_345);
    insta::assert_snapshot!(print::line(&span).trim_end(), @r#"span 00000000000000000000000000000001/0000000000000002 <- 0000000000000003 server 12.345ms "GET /api/activities/home" error="it \"broke\"" http.response.status_code=500 error.type="two\nlines" event="exception""#);
}
