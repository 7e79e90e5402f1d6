//! Receiving: what both transports share. The contract is OTLP 1.11.0; `README.md` has the table of answers.

pub(crate) mod budget;
pub(crate) mod decode;
pub(crate) mod grpc;
pub(crate) mod http;
mod member;
mod normalise;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use serde_json::json;
use service::server::AllowedHosts;
use vendor_apis::xray::Forwarder;

use self::budget::{Budget, Share};
use self::decode::{DecodeError, Signal};
use crate::forward::Forward;
use crate::stats::Stats;
use crate::store::{Overloaded, Writer, plain_span};

/// Seconds after which an overloaded console may be asked again. A full queue drains in less.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Bodies up to this size are decoded where they are received; larger ones would keep a worker from its other
/// connections for longer than the way to another thread takes.
const DECODE_INLINE: usize = 64 << 10;

/// Where both transports lead.
#[derive(Clone)]
pub(crate) struct Ingest {
    pub(crate) writer: Writer,
    pub(crate) budget: Budget,
    pub(crate) stats: Arc<Stats>,
    /// Where else to, as X-Ray segments.
    pub(crate) forward: Option<Forwarder>,
    /// Where else to, as they came.
    pub(crate) onward: Forward,
    pub(crate) allowed_hosts: AllowedHosts,
    /// A sender slower than this is cut off, in either transport: connections must not pile up.
    pub(crate) body_deadline: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

/// What a request that was taken is answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    signal: Signal,
    rejected: u64,
    message: String,
}

/// Why a request is not taken. Each is counted where it is made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    #[error("not gzip: {0}")]
    NotGzip(std::io::Error),
    #[error("the connection ended within the body")]
    Incomplete,
    #[error("larger than {} MiB, as sent or unpacked", budget::MAX_REQUEST_BYTES >> 20)]
    TooLarge,
    #[error("the body took too long to arrive")]
    TooSlow,
    #[error("too much at once; try again in {RETRY_AFTER_SECONDS} s")]
    Overloaded,
}

impl Ingest {
    /// Decodes and stores; returns after the commit.
    pub(crate) async fn take(
        &self,
        signal: Signal,
        encoding: Encoding,
        body: Bytes,
        share: Share,
    ) -> Result<Receipt, Refusal> {
        if signal != Signal::Traces {
            return self.ignore(signal, encoding, body).await;
        }
        let decode = move |body| match encoding {
            Encoding::Protobuf => decode::protobuf(body),
            Encoding::Json => decode::json(&body),
        };
        let copy = match encoding {
            Encoding::Protobuf if self.onward.takes_spans() => Some(body.clone()),
            Encoding::Json if self.onward.takes_spans() => decode::json_to_protobuf(&body),
            _ => None,
        };
        let batch = off_worker(body, decode).await??;
        let invalid = batch.invalid_ids;
        let spans = batch.spans.len() as u64;
        let onward = self.forward.as_ref().map(|forward| {
            let plain = batch.spans.iter().map(|span| plain_span(span, &batch.origins[span.origin]));
            (forward, plain.collect::<Vec<_>>())
        });
        let outcome = self.writer.write(batch, share).await?;
        if let Some((forward, spans)) = onward {
            forward.send(spans);
        }
        if let Some(copy) = copy {
            self.onward.spans(&copy, spans);
        }
        self.stats.received.add(spans + invalid.total());
        self.stats.invalid_trace_id.add(invalid.trace);
        self.stats.invalid_span_id.add(invalid.span);
        self.stats.invalid_parent_span_id.add(invalid.parent);
        let reasons = [
            (invalid.trace, "trace id invalid"),
            (invalid.span, "span id invalid"),
            (invalid.parent, "parent span id invalid"),
            (outcome.trace_too_large, "trace has as many spans as the console keeps"),
        ];
        let message: Vec<_> = reasons
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, reason)| format!("{count} spans left out: {reason}"))
            .collect();
        Ok(Receipt {
            signal,
            rejected: invalid.total() + outcome.trace_too_large,
            message: message.join("; "),
        })
    }

    async fn ignore(&self, signal: Signal, encoding: Encoding, body: Bytes) -> Result<Receipt, Refusal> {
        let count = move |body| match encoding {
            Encoding::Protobuf => decode::count_protobuf(signal, body),
            Encoding::Json => decode::count_json(signal, &body),
        };
        let rejected = off_worker(body, count).await??;
        match signal {
            Signal::Logs => self.stats.ignored_logs.add(rejected),
            _ => self.stats.ignored_metrics.add(rejected),
        }
        let message = if rejected > 0 { "this console keeps traces only" } else { "" };
        Ok(Receipt { signal, rejected, message: message.to_owned() })
    }

    fn count(&self, refusal: &Refusal) {
        let counter = match refusal {
            Refusal::Undecodable(_) | Refusal::NotGzip(_) | Refusal::Incomplete => &self.stats.undecodable,
            Refusal::TooLarge => &self.stats.too_large,
            Refusal::TooSlow => &self.stats.timeout,
            Refusal::Overloaded => &self.stats.overloaded,
        };
        counter.add(1);
    }
}

impl From<Overloaded> for Refusal {
    fn from(_: Overloaded) -> Self {
        Self::Overloaded
    }
}

impl Refusal {
    /// `google.rpc.Code`.
    fn code(&self) -> tonic::Code {
        match self {
            Self::Undecodable(_) | Self::NotGzip(_) | Self::Incomplete => tonic::Code::InvalidArgument,
            Self::TooLarge => tonic::Code::ResourceExhausted,
            Self::TooSlow => tonic::Code::DeadlineExceeded,
            Self::Overloaded => tonic::Code::Unavailable,
        }
    }

    fn status(&self) -> Status {
        let details = match self {
            Self::Overloaded => vec![Detail::retry_after(RETRY_AFTER_SECONDS)],
            _ => Vec::new(),
        };
        Status { code: self.code() as i32, message: self.to_string(), details }
    }
}

impl Receipt {
    fn to_protobuf(&self) -> Vec<u8> {
        let partial_success = (self.rejected > 0)
            .then(|| PartialSuccess { rejected: self.rejected as i64, error_message: self.message.clone() });
        Response { partial_success }.encode_to_vec()
    }

    /// A full success is `{}`, not a null.
    fn to_json(&self) -> Vec<u8> {
        if self.rejected == 0 {
            return b"{}".to_vec();
        }
        let rejected = match self.signal {
            Signal::Traces => "rejectedSpans",
            Signal::Logs => "rejectedLogRecords",
            Signal::Metrics => "rejectedDataPoints",
        };
        let partial = json!({ rejected: self.rejected.to_string(), "errorMessage": self.message });
        json!({ "partialSuccess": partial }).to_string().into_bytes()
    }
}

/// `ExportTraceServiceResponse` and its two sisters, which look the same on the wire.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

impl Detail {
    fn retry_after(seconds: u32) -> Self {
        let info = RetryInfo { retry_delay: Some(Delay { seconds: seconds.into() }) };
        Self { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value: info.encode_to_vec() }
    }
}

/// Runs `work` here if it is short, else on a thread for such work.
async fn off_worker<T: Send + 'static>(
    body: Bytes,
    work: impl FnOnce(Bytes) -> T + Send + 'static,
) -> Result<T, Refusal> {
    if body.len() <= DECODE_INLINE {
        return Ok(work(body));
    }
    // It cannot panic by design; should it, the sender keeps its data and a 503 says so.
    tokio::task::spawn_blocking(move || work(body)).await.map_err(|_| Refusal::Overloaded)
}
