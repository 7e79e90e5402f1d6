//! `POST /api/1/item/`, `POST /api/1/deploy`, `PATCH /api/1/deploy/{id}`, with and without a slash at the end.

use std::sync::Arc;

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::item::{Invalid, Item};
use super::store::{Deploy, DeployChange, Put, Store};
use crate::body::{Bodies, BodyError};
use crate::{Counters, Unavailable, now};

/// Rollbar's own limit by its staff; notifiers cut at half of it.
const MAX_BODY: usize = 1 << 20;

const STATUSES: [&str; 4] = ["started", "succeeded", "failed", "timed_out"];

/// Seconds after which a sender may come back when the store does not keep up.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Rollbar's receiving side over a store. Clones share everything.
#[derive(Clone)]
pub struct Api {
    store: Arc<dyn Store>,
    counters: Arc<Counters>,
    bodies: Bodies,
}

/// What is answered instead of success.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(
        "access token required: X-Rollbar-Access-Token, or access_token in the body. Any value will do here"
    )]
    NoToken,
    #[error("not for pages of other origins than this machine's")]
    ForeignOrigin,
    #[error("malformed JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a form needs a field `payload` that holds the JSON")]
    NoPayload,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("no deploy of this id")]
    NoDeploy,
    #[error("only POST, and for a deploy PATCH")]
    Method,
    #[error("{0}; try again in {RETRY_AFTER_SECONDS} s")]
    Unavailable(#[from] Unavailable),
}

impl Api {
    pub fn new(store: Arc<dyn Store>, counters: Arc<Counters>) -> Self {
        Self { store, counters, bodies: Bodies::new(MAX_BODY) }
    }

    pub fn configure(&self, app: &mut ServiceConfig) {
        for path in ["/api/1/item", "/api/1/item/"] {
            app.service(web::resource(path).app_data(Data::new(self.clone())).default_service(web::to(item)));
        }
        for path in ["/api/1/deploy", "/api/1/deploy/", "/api/1/deploy/{id}", "/api/1/deploy/{id}/"] {
            app.service(
                web::resource(path).app_data(Data::new(self.clone())).default_service(web::to(deploy)),
            );
        }
    }
}

/// Whether `path` is one of ours. All of them bring data.
pub fn is_path(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    matches!(path, "/api/1/item" | "/api/1/deploy") || path.starts_with("/api/1/deploy/")
}

async fn item(request: HttpRequest, payload: Payload, api: Data<Api>) -> HttpResponse {
    let answer = match preflight(&request) {
        Some(answer) => return answer,
        None if request.method() != Method::POST => Err(Refusal::Method),
        None => api.take(&request, payload).await,
    };
    api.answer(&request, answer)
}

async fn deploy(request: HttpRequest, payload: Payload, api: Data<Api>) -> HttpResponse {
    let id = request.match_info().get("id");
    let answer = match (preflight(&request), id) {
        (Some(answer), _) => return answer,
        (None, None) if request.method() == Method::POST => api.deploy(&request, payload).await,
        (None, Some(id)) if request.method() == Method::PATCH => match id.parse() {
            Ok(id) => api.change_deploy(id, &request, payload).await,
            Err(_) => Err(Refusal::NoDeploy),
        },
        _ => Err(Refusal::Method),
    };
    api.answer(&request, answer)
}

impl Api {
    async fn take(&self, request: &HttpRequest, payload: Payload) -> Result<Value, Refusal> {
        let (payload, _share) = self.read(request, payload).await?;
        let item =
            Item::read(&payload, now().as_nanos() as i64, || uuid::Uuid::new_v4().simple().to_string());
        let item = item.inspect_err(|_| self.counters.dropped("invalid", 1))?;
        drop(payload);
        let uuid = item.uuid.clone();
        let id = match self.store.put(item).await? {
            Put::Stored(id) => Some(id),
            Put::Duplicate => None,
        };
        Ok(json!({ "err": 0, "result": { "id": id, "uuid": uuid } }))
    }

    async fn deploy(&self, request: &HttpRequest, payload: Payload) -> Result<Value, Refusal> {
        let (payload, _share) = self.read(request, payload).await?;
        let text = |key: &str| payload[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let require = |key: &str| {
            text(key).ok_or_else(|| Invalid { path: key.to_owned(), problem: "is required".to_owned() })
        };
        let deploy = Deploy {
            environment: require("environment")?,
            revision: require("revision")?,
            status: status(&payload)?.unwrap_or_else(|| "succeeded".to_owned()),
            user: ["rollbar_username", "rollbar_name", "local_username"].iter().find_map(|key| text(key)),
            comment: text("comment"),
        };
        let id = self.store.put_deploy(deploy).await?;
        Ok(json!({ "err": 0, "data": { "deploy_id": id }, "result": { "id": id } }))
    }

    async fn change_deploy(
        &self,
        id: i64,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Value, Refusal> {
        let (payload, _share) = self.read(request, payload).await?;
        let comment = payload["comment"].as_str().map(str::to_owned);
        let change = DeployChange { status: status(&payload)?, comment };
        if self.store.change_deploy(id, change).await? {
            Ok(json!({ "err": 0, "data": { "deploy_id": id } }))
        } else {
            Err(Refusal::NoDeploy)
        }
    }

    /// The JSON of a request that has a token, and its share of the memory.
    async fn read(
        &self,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<(Value, crate::body::Body), Refusal> {
        if request.headers().contains_key(ORIGIN) && allowed_origin(request).is_none() {
            return Err(Refusal::ForeignOrigin);
        }
        let body = self.bodies.read(request, payload).await?;
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form =
            content_type.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        let form =
            is_form.then(|| url::form_urlencoded::parse(&body.bytes).find(|(name, _)| name == "payload"));
        let value: Value = match form {
            // Clients of old send JSON under the type that curl gives to everything.
            None | Some(None) if is_form && !body.bytes.starts_with(b"{") => return Err(Refusal::NoPayload),
            None | Some(None) => serde_json::from_slice(&body.bytes)?,
            Some(Some((_, json))) => serde_json::from_str(&json)?,
        };
        let in_header =
            request.headers().get("x-rollbar-access-token").is_some_and(|token| !token.is_empty());
        let in_body = value["access_token"].as_str().is_some_and(|token| !token.is_empty());
        let in_query = url::form_urlencoded::parse(request.query_string().as_bytes())
            .any(|(name, value)| name == "access_token" && !value.is_empty());
        if in_header || in_body || in_query { Ok((value, body)) } else { Err(Refusal::NoToken) }
    }

    fn answer(&self, request: &HttpRequest, answer: Result<Value, Refusal>) -> HttpResponse {
        let mut response = match answer {
            Ok(answer) => HttpResponse::Ok().json(answer),
            Err(refusal) => {
                let (status, reason) = refusal.kind();
                // An item that is none was counted as such.
                if !matches!(refusal, Refusal::Invalid(_)) {
                    self.counters.refused(reason);
                }
                tracing::warn!(status = status.as_u16(), "Rollbar request refused: {refusal}");
                let mut response = HttpResponse::build(status);
                if status == StatusCode::TOO_MANY_REQUESTS {
                    response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
                    response.insert_header(("x-rate-limit-remaining", 0));
                    response.insert_header(("x-rate-limit-remaining-seconds", RETRY_AFTER_SECONDS));
                }
                response.json(json!({ "err": 1, "message": refusal.to_string() }))
            }
        };
        allow_origin(request, &mut response);
        response
    }
}

impl Refusal {
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoToken => (StatusCode::UNAUTHORIZED, "no_token"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "origin"),
            Self::Body(BodyError::TooLarge(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Body(BodyError::TooSlow) => (StatusCode::REQUEST_TIMEOUT, "timeout"),
            Self::Body(BodyError::UnknownEncoding) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported"),
            Self::Json(_) | Self::NoPayload | Self::Body(_) => (StatusCode::BAD_REQUEST, "undecodable"),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::NoDeploy => (StatusCode::NOT_FOUND, "no_deploy"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "unsupported"),
            Self::Unavailable(_) => (StatusCode::TOO_MANY_REQUESTS, "overloaded"),
        }
    }
}

fn status(payload: &Value) -> Result<Option<String>, Invalid> {
    match payload["status"].as_str() {
        None => Ok(None),
        Some(status) if STATUSES.contains(&status) => Ok(Some(status.to_owned())),
        Some(_) => Err(Invalid {
            path: "status".to_owned(),
            problem: "must be started, succeeded, failed or timed_out".to_owned(),
        }),
    }
}

/// Browsers ask before they send another origin JSON or our header. Real Rollbar allows everyone; we allow pages of this
/// machine and of the name that we are asked under, whatever headers they want to send.
fn preflight(request: &HttpRequest) -> Option<HttpResponse> {
    if request.method() != Method::OPTIONS {
        return None;
    }
    let mut response = HttpResponse::NoContent().finish();
    if allow_origin(request, &mut response) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, "POST, PATCH".parse().expect("a list of names"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, 600.into());
        if let Some(asked) = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
    }
    Some(response)
}

fn allow_origin(request: &HttpRequest, response: &mut HttpResponse) -> bool {
    let origin = allowed_origin(request).cloned();
    if let Some(origin) = &origin {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response.headers_mut().insert(VARY, "Origin".parse().expect("a header's name"));
    origin.is_some()
}

/// The page's origin, if it is this machine's or has our own name.
fn allowed_origin(request: &HttpRequest) -> Option<&actix_web::http::header::HeaderValue> {
    let origin = request.headers().get(ORIGIN)?;
    let url = url::Url::parse(origin.to_str().ok()?).ok()?;
    let is_loopback = match url.host()? {
        url::Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    };
    let own = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_own = url::Url::parse(&format!("http://{own}")).is_ok_and(|own| own.host() == url.host());
    (is_loopback || is_own).then_some(origin)
}
