//! Spans as `ExportTraceServiceRequest`, by `opentelemetry-otlp`.

use std::cell::Cell;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::executor::block_on;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};

/// The crate refused our configuration; a bug of ours, since nothing of the environment reaches it.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the OTLP encoder: {0}")]
    Encoder(#[from] ExporterBuildError),
    #[error("a sender's thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Spans in, bytes out.
#[derive(Debug)]
pub(crate) struct Encoder {
    exporter: SpanExporter,
}

thread_local! {
    /// `send_bytes` runs on the thread that exports: here it leaves the bytes for [`Encoder::encode`].
    static ENCODED: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// The crate's network client that sends nothing.
struct Catch;

impl Encoder {
    pub(crate) fn new() -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Catch)
            .with_protocol(Protocol::HttpBinary)
            // Never asked: the queue has the addresses. Set, since otherwise the crate reads the environment.
            .with_endpoint("http://queue.invalid/v1/traces")
            .with_retry_policy(RetryPolicy::disabled())
            .build()?;
        Ok(Self { exporter })
    }

    pub(crate) fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }

    /// `None` when the crate could not encode the batch (a body over its limit of 64 MiB).
    pub(crate) fn encode(&self, batch: Vec<SpanData>) -> Option<Bytes> {
        ENCODED.set(None);
        // No reactor is awaited: `Catch` answers at once, so any thread will do.
        let _handed_over = block_on(self.exporter.export(batch));
        ENCODED.take()
    }
}

#[async_trait]
impl HttpClient for Catch {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        ENCODED.set(Some(request.into_body()));
        Ok(Response::new(Bytes::new()))
    }
}

impl fmt::Debug for Catch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Catch")
    }
}
