//! OTLP over gRPC, port 4317, on a runtime of its own beside actix's.
//!
//! A service by hand instead of the generated one: messages come as bytes, so that `decode` reads them as it reads those
//! of HTTP, and answers can be set right. Tonic 0.14.9 answers a message above the limit with `OUT_OF_RANGE`, which OTLP
//! clients send again for ever; the specification demands `RESOURCE_EXHAUSTED`.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use bytes::{Buf, BufMut, Bytes};
use futures::future::BoxFuture;
use http_body::Frame;
use prost::Message;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Body as HttpBody, Service, http};
use tonic::server::{Grpc, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

use super::budget::{MAX_REQUEST_BYTES, Share};
use super::decode::Signal;
use super::{Encoding, Ingest, Refusal};

/// Of one connection, as Envoy's edge profile has it; tonic sets none.
const MAX_STREAMS: u32 = 100;
const MAX_HEADER_BYTES: u32 = 16 << 10;
/// Large enough that one sender with large batches does not wait for window updates.
const WINDOW_BYTES: u32 = 1 << 20;
/// For streams in flight when the console ends.
const SHUTDOWN: std::time::Duration = std::time::Duration::from_secs(2);

/// The thread that serves.
pub(crate) struct GrpcServer {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

pub(crate) fn serve(listener: TcpListener, ingest: Ingest) -> io::Result<GrpcServer> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    let serve = async move {
        let incoming =
            TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?).with_nodelay(Some(true));
        let (begin_end, ending) = oneshot::channel::<()>();
        let server = tonic::transport::Server::builder()
            .max_concurrent_streams(MAX_STREAMS)
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .serve_with_incoming_shutdown(Export { ingest }, incoming, async {
                let _ = stopped.await;
                let _ = begin_end.send(());
            });
        tokio::select! {
            result = server => result.map_err(io::Error::other),
            () = async { let _ = ending.await; tokio::time::sleep(SHUTDOWN).await } => Ok(()),
        }
    };
    let thread = thread::Builder::new().name("otlp-grpc".to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(serve) {
            tracing::error!(%error, "OTLP over gRPC is not received any more");
        }
    })?;
    Ok(GrpcServer { stop, thread })
}

impl GrpcServer {
    /// Blocks until streams in flight are answered, at most two seconds.
    pub(crate) fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// All three OTLP services.
#[derive(Clone)]
struct Export {
    ingest: Ingest,
}

/// One signal's `Export`.
#[derive(Clone)]
struct ExportSignal {
    ingest: Ingest,
    signal: Signal,
}

/// Messages as they are on the wire.
struct Raw;

/// A body that accounts for its bytes while they arrive.
struct Metered {
    inner: Body,
    share: Share,
    ingest: Ingest,
}

impl Service<http::Request<Body>> for Export {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let ingest = self.ingest.clone();
        Box::pin(async move { Ok(answer(ingest, request).await) })
    }
}

async fn answer(ingest: Ingest, request: http::Request<Body>) -> http::Response<Body> {
    let host = request.uri().authority().map_or("", |authority| authority.as_str());
    if !ingest.allowed_hosts.allow(host) {
        ingest.stats.host.add(1);
        return Status::permission_denied("unknown authority; ALLOWED_HOSTS adds names").into_http();
    }
    let signal = match request.uri().path() {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Signal::Traces,
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Signal::Logs,
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Signal::Metrics,
        _ => return Status::unimplemented("OTLP is received by TraceService/Export").into_http(),
    };
    let request =
        request.map(|inner| Metered { inner, share: ingest.budget.share(), ingest: ingest.clone() });
    let mut grpc = Grpc::new(Raw)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    let service = ExportSignal { ingest: ingest.clone(), signal };
    match timeout(ingest.body_deadline, grpc.unary(service, request)).await {
        Ok(response) => with_code_of_too_large(&ingest, response),
        Err(_) => refused(&ingest, &Refusal::TooSlow).into_http(),
    }
}

/// We never answer `OUT_OF_RANGE` ourselves, so it is tonic's for a message above the limit.
fn with_code_of_too_large(ingest: &Ingest, mut response: http::Response<Body>) -> http::Response<Body> {
    if Status::from_header_map(response.headers()).is_some_and(|status| status.code() == Code::OutOfRange) {
        let status = refused(ingest, &Refusal::TooLarge);
        response = status.into_http();
    }
    response
}

fn refused(ingest: &Ingest, refusal: &Refusal) -> Status {
    ingest.count(refusal);
    let status = refusal.status();
    let details = if status.details.is_empty() { Bytes::new() } else { status.encode_to_vec().into() };
    Status::with_details(refusal.code(), status.message, details)
}

impl UnaryService<Bytes> for ExportSignal {
    type Response = Vec<u8>;
    type Future = BoxFuture<'static, Result<Response<Vec<u8>>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let Self { ingest, signal } = self.clone();
        Box::pin(async move {
            let body = request.into_inner();
            let mut share = ingest.budget.share();
            let result = match share.grow(body.len()) {
                Ok(()) => ingest.take(signal, Encoding::Protobuf, body, share).await,
                Err(overloaded) => Err(overloaded.into()),
            };
            match result {
                Ok(receipt) => Ok(Response::new(receipt.to_protobuf())),
                Err(refusal) => Err(refused(&ingest, &refusal)),
            }
        })
    }
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && self.share.grow(data.len()).is_err()
        {
            return Poll::Ready(Some(Err(refused(&self.ingest, &Refusal::Overloaded))));
        }
        Poll::Ready(frame)
    }
}

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
