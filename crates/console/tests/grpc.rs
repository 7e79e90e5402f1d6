//! OTLP/gRPC, with the client that opentelemetry-proto generates.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::support::{Console, TempDir, export, span, text, trace_path};

fn send(
    console: &Console,
    spans: Vec<Span>,
    with: impl FnOnce(TraceServiceClient<Channel>) -> TraceServiceClient<Channel>,
) -> Result<ExportTraceServiceResponse, Status> {
    send_to(&format!("http://127.0.0.1:{}", console.ports.otlp_grpc), None, spans, with)
}

fn send_to(
    address: &str,
    origin: Option<&str>,
    spans: Vec<Span>,
    with: impl FnOnce(TraceServiceClient<Channel>) -> TraceServiceClient<Channel>,
) -> Result<ExportTraceServiceResponse, Status> {
    let mut endpoint = Endpoint::from_shared(address.to_owned()).unwrap();
    if let Some(origin) = origin {
        endpoint = endpoint.origin(origin.parse().unwrap());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let channel = endpoint.connect().await.unwrap();
        let mut client = with(TraceServiceClient::new(channel));
        Ok(client.export(export("grpc", spans)).await?.into_inner())
    })
}

fn heavy(trace: u128, megabytes: usize) -> Vec<Span> {
    (0..megabytes as u64)
        .map(|id| {
            let mut span = span(trace, id + 1, 0, "heavy", id, 1);
            span.attributes = vec![text("ballast", &"x".repeat(1 << 20))];
            span
        })
        .collect()
}

#[test]
fn spans_are_taken_plain_and_packed() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    let full = ExportTraceServiceResponse { partial_success: None };
    assert_eq!(send(&console, vec![span(1, 1, 0, "x", 0, 1)], |client| client).unwrap(), full);
    let packed = |client: TraceServiceClient<Channel>| client.send_compressed(CompressionEncoding::Gzip);
    assert_eq!(send(&console, vec![span(2, 1, 0, "x", 0, 1)], packed).unwrap(), full);
    for trace in [1, 2] {
        assert_eq!(console.json(&trace_path(trace))["spans"][0]["service"], "grpc");
    }
    let mut bad = span(3, 1, 0, "x", 0, 1);
    bad.span_id = Vec::new();
    let partial = send(&console, vec![bad], |client| client).unwrap().partial_success.unwrap();
    assert_eq!(
        (partial.rejected_spans, partial.error_message.as_str()),
        (1, "1 spans left out: span id invalid")
    );
}

/// Tonic alone refuses above 4 MiB, and above its limit with a code that makes clients try for ever.
#[test]
fn five_mebibytes_are_taken_and_sixty_five_refused_for_good() {
    let dir = TempDir::new();
    let console = Console::start(&dir);
    send(&console, heavy(1, 5), |client| client).unwrap();
    assert_eq!(console.json("/api/stats")["spans"], 5);
    let status = send(&console, heavy(2, 65), |client| client).unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.details().is_empty(), "RetryInfo would make it retryable");
    let packed = |client: TraceServiceClient<Channel>| client.send_compressed(CompressionEncoding::Gzip);
    let status = send(&console, heavy(2, 65), packed).unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "packed: {status:?}");
    assert_eq!(console.json("/api/stats")["spans"], 5);
}

#[test]
fn a_foreign_authority_is_refused() {
    let dir = TempDir::new();
    let console = Console::start_with(&dir, &[("ALLOWED_HOSTS", "console")]);
    let address = format!("http://127.0.0.1:{}", console.ports.otlp_grpc);
    let spans = || vec![span(1, 1, 0, "x", 0, 1)];
    let check =
        |origin: &str| send_to(&address, Some(origin), spans(), |client| client).map_err(|s| s.code());
    assert_eq!(check("http://evil.example:4317").unwrap_err(), Code::PermissionDenied);
    check("http://console:4317").unwrap();
    check("http://localhost:4317").unwrap();
}
