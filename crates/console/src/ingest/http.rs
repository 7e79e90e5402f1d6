//! OTLP over HTTP, port 4318.

use std::io::{self, Read};

use actix_web::dev::Server;
use actix_web::http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use prost::Message;
use serde_json::json;
use tokio::time::timeout;

use super::budget::{MAX_REQUEST_BYTES, Share};
use super::decode::Signal;
use super::{Encoding, Ingest, RETRY_AFTER_SECONDS, Receipt, Refusal, off_worker};

/// Two are enough: the store has one writer.
const WORKERS: usize = 2;

/// A sender that is still on the line when the console ends gets this long; it keeps what was not answered.
const SHUTDOWN_SECONDS: u64 = 2;

pub(crate) fn serve(listener: std::net::TcpListener, ingest: Ingest) -> io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new().app_data(web::Data::new(ingest.clone())).default_service(web::to(receive))
    });
    Ok(server
        .workers(WORKERS)
        .keep_alive(std::time::Duration::from_secs(75))
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals()
        .listen(listener)?
        .run())
}

/// Every path and method comes here, since every answer is OTLP's.
async fn receive(request: HttpRequest, payload: web::Payload, ingest: web::Data<Ingest>) -> HttpResponse {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !ingest.allowed_hosts.allow(host) {
        ingest.stats.host.add(1);
        return plain(StatusCode::FORBIDDEN, "unknown Host; ALLOWED_HOSTS adds names");
    }
    let signal = match request.path() {
        "/v1/traces" => Signal::Traces,
        "/v1/logs" => Signal::Logs,
        "/v1/metrics" => Signal::Metrics,
        _ => return plain(StatusCode::NOT_FOUND, "OTLP is received at /v1/traces"),
    };
    if request.method() != Method::POST {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "OTLP is sent by POST");
        response.headers_mut().insert(ALLOW, actix_web::http::header::HeaderValue::from_static("POST"));
        return response;
    }
    let (Some(encoding), Some(is_gzip)) = (encoding(request.headers()), is_gzip(request.headers())) else {
        ingest.stats.unsupported.add(1);
        return plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Type must be application/x-protobuf or application/json, Content-Encoding gzip or none",
        );
    };
    match take(&ingest, signal, encoding, is_gzip, payload).await {
        Ok(receipt) => accepted(encoding, &receipt),
        Err(refusal) => {
            ingest.count(&refusal);
            refused(encoding, &refusal)
        }
    }
}

async fn take(
    ingest: &Ingest,
    signal: Signal,
    encoding: Encoding,
    is_gzip: bool,
    payload: web::Payload,
) -> Result<Receipt, Refusal> {
    let mut share = ingest.budget.share();
    let body =
        timeout(ingest.body_deadline, read(payload, &mut share)).await.map_err(|_| Refusal::TooSlow)??;
    if !is_gzip {
        return ingest.take(signal, encoding, body, share).await;
    }
    let (body, share) = off_worker(body, move |packed| unpack(&packed, share)).await??;
    ingest.take(signal, encoding, body, share).await
}

async fn read(mut payload: web::Payload, share: &mut Share) -> Result<Bytes, Refusal> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Refusal::Incomplete)?;
        if body.len() + chunk.len() > MAX_REQUEST_BYTES {
            return Err(Refusal::TooLarge);
        }
        share.grow(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// In small pieces, so that a bomb is found out at the limit and not after it.
fn unpack(packed: &[u8], mut share: Share) -> Result<(Bytes, Share), Refusal> {
    let mut decoder = MultiGzDecoder::new(packed);
    let mut body = BytesMut::with_capacity(packed.len().saturating_mul(4).min(1 << 20));
    let mut piece = [0; 16 << 10];
    loop {
        match decoder.read(&mut piece).map_err(Refusal::NotGzip)? {
            0 => return Ok((body.freeze(), share)),
            length if body.len() + length > MAX_REQUEST_BYTES => return Err(Refusal::TooLarge),
            length => {
                share.grow(length)?;
                body.extend_from_slice(&piece[..length]);
            }
        }
    }
}

fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    match media_type.to_ascii_lowercase().as_str() {
        "application/x-protobuf" | "application/protobuf" => Some(Encoding::Protobuf),
        "application/json" => Some(Encoding::Json),
        _ => None,
    }
}

fn is_gzip(headers: &HeaderMap) -> Option<bool> {
    match headers.get(CONTENT_ENCODING).map(|coding| coding.to_str().unwrap_or("?").to_ascii_lowercase()) {
        None => Some(false),
        Some(coding) if coding == "identity" || coding.is_empty() => Some(false),
        Some(coding) if coding == "gzip" || coding == "x-gzip" => Some(true),
        Some(_) => None,
    }
}

fn plain(status: StatusCode, text: &'static str) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(text)
}

fn accepted(encoding: Encoding, receipt: &Receipt) -> HttpResponse {
    match encoding {
        Encoding::Protobuf => {
            HttpResponse::Ok().content_type("application/x-protobuf").body(receipt.to_protobuf())
        }
        Encoding::Json => HttpResponse::Ok().content_type("application/json").body(receipt.to_json()),
    }
}

fn refused(encoding: Encoding, refusal: &Refusal) -> HttpResponse {
    let mut response = match refusal {
        Refusal::Undecodable(_) | Refusal::NotGzip(_) | Refusal::Incomplete => HttpResponse::BadRequest(),
        Refusal::TooLarge => HttpResponse::PayloadTooLarge(),
        Refusal::TooSlow => HttpResponse::RequestTimeout(),
        Refusal::Overloaded => HttpResponse::ServiceUnavailable(),
    };
    if matches!(refusal, Refusal::Overloaded) {
        response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
    }
    if matches!(refusal, Refusal::TooLarge | Refusal::TooSlow | Refusal::Overloaded) {
        // The rest of the body is not read.
        response.force_close();
    }
    let status = refusal.status();
    match encoding {
        Encoding::Protobuf => response.content_type("application/x-protobuf").body(status.encode_to_vec()),
        Encoding::Json => response
            .content_type("application/json")
            .body(json!({ "code": status.code, "message": status.message }).to_string()),
    }
}
