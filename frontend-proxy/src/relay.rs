//! `POST /v1/traces`: the browser's spans, without a vendor's key in the browser and without its claims in our data.

mod rate;
mod spans;

use std::io::Read;
use std::time::{Instant, SystemTime};

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, USER_AGENT};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::json;
use service::Problem;
use service::origin::is_same_origin;
use service::server::read_body;

use rate::RateLimit;
use spans::Sender;

/// Shared by all workers.
pub(crate) struct Relay {
    rate: RateLimit,
    /// Bytes, before and after gunzip.
    max_body: usize,
}

pub(crate) fn routes(app: &mut ServiceConfig, relay: Data<Relay>) {
    app.app_data(relay).service(web::resource("/traces").post(take));
}

impl Relay {
    pub(crate) fn new(max_body: usize) -> Self {
        Self { rate: RateLimit::new(), max_body }
    }
}

async fn take(request: HttpRequest, body: Payload, relay: Data<Relay>) -> Result<HttpResponse, Problem> {
    admit(&request, &relay)?;
    let body = read_body(body, relay.max_body).await?;
    let body = unpacked(request.headers(), body, relay.max_body)?;
    let export: ExportTraceServiceRequest = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("this is not OTLP/JSON: {error}")))?;
    let sender = Sender {
        address: request.peer_addr().map(|peer| peer.ip().to_string()),
        user_agent: text(request.headers(), USER_AGENT.as_str()).map(str::to_owned),
        now: SystemTime::now(),
    };
    let cleaned = spans::clean(export, &sender);
    if cleaned.accepted > 0 {
        // Queued, not sent: the browser never waits for a receiver and never learns of one.
        telemetry::relay(&Bytes::from(cleaned.export.encode_to_vec()), cleaned.accepted);
    }
    // OTLP 1.11: partial success is a 200 that says what was refused and must not be sent again.
    Ok(HttpResponse::Ok().json(if cleaned.refused == 0 {
        json!({})
    } else {
        json!({"partialSuccess": {
            "rejectedSpans": cleaned.refused.to_string(),
            "errorMessage": "spans with bad ids or odd times, or too many of them",
        }})
    }))
}

/// What can be refused before the body is read.
fn admit(request: &HttpRequest, relay: &Relay) -> Result<(), Problem> {
    let headers = request.headers();
    if !is_same_origin(headers) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "cross-site",
            "only this site's own pages send spans here",
        ));
    }
    let media_type = text(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::unsupported_media_type("spans come as application/json"));
    }
    if let Some(peer) = request.peer_addr()
        && let Err(retry_after) = relay.rate.take(peer.ip(), Instant::now())
    {
        return Err(Problem::too_many_requests(retry_after.as_secs().max(1)));
    }
    Ok(())
}

/// The body as JSON, of which not more than `limit` bytes are ever unpacked.
fn unpacked(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, Problem> {
    let encodings: Vec<&str> =
        headers.get_all(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim()).collect();
    match encodings.as_slice() {
        [] | ["identity"] => Ok(body),
        [gzip] if gzip.eq_ignore_ascii_case("gzip") => {
            let mut plain = Vec::new();
            MultiGzDecoder::new(body.as_ref())
                .take(limit as u64 + 1)
                .read_to_end(&mut plain)
                .map_err(|_| Problem::bad_request("the body is no gzip stream"))?;
            if plain.len() > limit { Err(Problem::too_large(limit)) } else { Ok(plain.into()) }
        }
        _ => Err(Problem::unsupported_media_type("spans come plain or as gzip")),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
