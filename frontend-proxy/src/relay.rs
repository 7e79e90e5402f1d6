//! `POST /v1/traces` and `POST /rollbar/api/1/item/`: the browser's spans and errors, without a vendor's key in the browser
//! and without its claims in our data.

mod items;
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

/// Seconds, when the minute's items of all browsers together are used up.
const ITEMS_PAUSE: u64 = 60;

/// Shared by all workers.
pub(crate) struct Relay {
    spans_rate: RateLimit,
    items_rate: RateLimit,
    /// Bytes, before and after gunzip.
    max_body: usize,
}

pub(crate) fn routes(app: &mut ServiceConfig, relay: Data<Relay>) {
    app.app_data(relay).service(web::resource("/traces").post(take_spans));
}

/// rollbar.js wants an address that ends so.
pub(crate) fn item_routes(app: &mut ServiceConfig, relay: Data<Relay>) {
    app.app_data(relay).service(web::resource("/api/1/item/").post(take_item));
}

impl Relay {
    pub(crate) fn new(max_body: usize) -> Self {
        Self { spans_rate: RateLimit::new(), items_rate: RateLimit::new(), max_body }
    }
}

async fn take_spans(
    request: HttpRequest,
    body: Payload,
    relay: Data<Relay>,
) -> Result<HttpResponse, Problem> {
    admit(&request, &relay.spans_rate)?;
    let body = read_body(body, relay.max_body).await?;
    let body = unpacked(request.headers(), body, relay.max_body)?;
    let export: ExportTraceServiceRequest = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("this is not OTLP/JSON: {error}")))?;
    let cleaned = spans::clean(export, &sender(&request));
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

/// An item of rollbar.js, whose answers begin with `err`.
async fn take_item(request: HttpRequest, body: Payload, relay: Data<Relay>) -> Result<HttpResponse, Problem> {
    admit(&request, &relay.items_rate)?;
    let body = read_body(body, relay.max_body).await?;
    let body = unpacked(request.headers(), body, relay.max_body)?;
    let item = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("this is no JSON: {error}")))?;
    let data = items::clean(item, &sender(&request))
        .ok_or_else(|| Problem::invalid("this is no item with one of trace, trace_chain and message"))?;
    let uuid = data.get("uuid").cloned();
    if !telemetry::relay_item(data) {
        return Err(Problem::too_many_requests(ITEMS_PAUSE));
    }
    Ok(HttpResponse::Ok().json(json!({ "err": 0, "result": { "uuid": uuid } })))
}

fn sender(request: &HttpRequest) -> Sender {
    Sender {
        address: request.peer_addr().map(|peer| peer.ip().to_string()),
        user_agent: text(request.headers(), USER_AGENT.as_str()).map(str::to_owned),
        now: SystemTime::now(),
    }
}

/// What can be refused before the body is read.
fn admit(request: &HttpRequest, rate: &RateLimit) -> Result<(), Problem> {
    let headers = request.headers();
    if !is_same_origin(headers) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "cross-site",
            "only this site's own pages send telemetry here",
        ));
    }
    let media_type = text(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::unsupported_media_type("telemetry comes as application/json"));
    }
    if let Some(peer) = request.peer_addr()
        && let Err(retry_after) = rate.take(peer.ip(), Instant::now())
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
        _ => Err(Problem::unsupported_media_type("telemetry comes plain or as gzip")),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
