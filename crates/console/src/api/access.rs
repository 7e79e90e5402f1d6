//! The token. It guards what is read; who may send is the business of the network.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, LOCATION};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse, ResponseError};
use env::Secret;
use service::Problem;
use vendor_apis::xray::error::ApiError;
use vendor_apis::{cloudwatch, rollbar, xray};

const COOKIE: &str = "console_token";

/// Who may read: everyone who reaches the port, or who has the token.
#[derive(Clone)]
pub(crate) struct Access {
    token: Option<Secret>,
}

impl Access {
    pub(crate) fn new(token: Option<Secret>) -> Self {
        Self { token }
    }

    fn admits(&self, offered: &str) -> bool {
        self.token.as_ref().is_none_or(|token| token.is(offered))
    }
}

pub(crate) async fn check<B: MessageBody + 'static>(
    access: Data<Access>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if access.token.is_some() {
        if let Some(answer) = exchange(&access, &request) {
            return Ok(request.into_response(answer).map_into_right_body());
        }
        let (path, headers) = (request.path(), request.headers());
        let (is_xray, is_logs) = (xray::api::is_path(path), cloudwatch::api::is_call(path, headers));
        let is_vendor = is_xray || is_logs || rollbar::api::is_path(path);
        let is_ingest = match () {
            () if is_xray => xray::api::is_ingest(path),
            () if is_logs => cloudwatch::api::is_ingest(headers),
            () => is_vendor,
        };
        if is_vendor && !is_ingest && !is_signed_by(&access, &request) {
            let denied = if is_logs {
                cloudwatch::ApiError::access_denied().error_response()
            } else {
                ApiError::access_denied().error_response()
            };
            return Ok(request.into_response(denied).map_into_right_body());
        }
        if !is_vendor && !is_signed_in(&access, &request) {
            let problem = Problem::unauthorized(
                "open this address once with ?token=CONSOLE_TOKEN, or send it as a bearer token",
            );
            return Ok(request.into_response(problem.error_response()).map_into_right_body());
        }
    }
    Ok(next.call(request).await?.map_into_left_body())
}

/// A token in the address moves into a cookie at once, so that it stays out of history, logs and referrers.
fn exchange(access: &Access, request: &ServiceRequest) -> Option<HttpResponse> {
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
    let (_, token) = pairs.iter().find(|(name, _)| name == "token")?;
    if request.method() != Method::GET || !access.admits(token) {
        return None;
    }
    let rest = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs.iter().filter(|(name, _)| name != "token"))
        .finish();
    // One slash only: `//host` would lead elsewhere.
    let mut address = format!("/{}", request.path().trim_start_matches('/'));
    if !rest.is_empty() {
        address = format!("{address}?{rest}");
    }
    let cookie =
        Cookie::build(COOKIE, token.clone()).path("/").http_only(true).same_site(SameSite::Strict).finish();
    Some(HttpResponse::SeeOther().insert_header((LOCATION, address)).cookie(cookie).finish())
}

fn is_signed_in(access: &Access, request: &ServiceRequest) -> bool {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match header {
        Some(header) => header.strip_prefix("Bearer ").is_some_and(|token| access.admits(token.trim())),
        None => request.cookie(COOKIE).is_some_and(|cookie| access.admits(cookie.value())),
    }
}

/// AWS's clients sign with `Credential=<access key id>/<date>/<region>/<service>/aws4_request`; the token is their access
/// key id. The signature itself is not checked: we do not know their secret.
fn is_signed_by(access: &Access, request: &ServiceRequest) -> bool {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credential = header
        .and_then(|header| header.strip_prefix("AWS4-HMAC-SHA256 "))
        .and_then(|fields| fields.split(',').find_map(|field| field.trim().strip_prefix("Credential=")));
    let id = credential.and_then(|credential| credential.rsplitn(5, '/').nth(4));
    id.is_some_and(|id| access.admits(id)) || is_signed_in(access, request)
}
