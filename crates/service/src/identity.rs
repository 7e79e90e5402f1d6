//! Who is calling: signed tokens, verified by every service for itself.
//!
//! A token is a JWT (EdDSA) of the users service. Its public keys come from `/.well-known/jwks.json`, fetched when the
//! first token arrives, so that anonymous reads never need the users service.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{FromRequest, HttpRequest};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Problem;
use crate::origin::is_same_origin;

pub const ISSUER: &str = "throughline-users";
/// The cookie that the gateway sets beside the JSON token.
pub const COOKIE: &str = "session";

/// Ours have about 350 bytes; what is longer is not looked at.
const MAX_TOKEN: usize = 2048;
/// Clocks of two machines differ a little.
const LEEWAY_SECONDS: u64 = 5;
/// Forged key ids must not turn into a stream of fetches.
const REFETCH_AFTER: Duration = Duration::from_secs(5);
const FETCH_DEADLINE: Duration = Duration::from_secs(3);
const MAX_JWKS: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub Uuid);

/// The caller, if it showed a token. A token that is bad or expired is a 401, never "anonymous".
#[derive(Clone, Debug)]
pub struct Caller(pub Option<UserId>);

/// A caller who must be signed in; 401 otherwise.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub id: UserId,
    pub handle: String,
    /// Which sign-in this token stems from.
    pub session: Uuid,
    /// To be handed on to other services, which verify it again.
    pub token: Token,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: Uuid,
    pub handle: String,
    pub jti: Uuid,
    /// Seconds since 1970.
    pub iat: i64,
    pub exp: i64,
}

/// A token as it came; not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// The keys that tokens are verified with, shared by all workers. Put into `app_data` by the service.
#[derive(Clone)]
pub struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    /// Where to fetch from; `None` in the users service, which has its own.
    jwks_url: Option<String>,
    accepts_cookie: bool,
    known: RwLock<HashMap<String, DecodingKey>>,
    /// When a fetch last ended; the lock makes concurrent requests wait for one fetch.
    fetched: tokio::sync::Mutex<Option<Instant>>,
}

impl Keys {
    /// Keys of the users service at `users_url`, for instance `http://127.0.0.1:4569`.
    pub fn remote(users_url: &str) -> Self {
        let url = format!("{}/.well-known/jwks.json", users_url.trim_end_matches('/'));
        Self::with(Some(url), false, HashMap::new())
    }

    /// The users service's own keys.
    pub fn local(keys: &JwkSet) -> Self {
        Self::with(None, false, decoding_keys(keys))
    }

    /// Takes the token from the cookie [`COOKIE`] too: the gateway's business, the services behind it take only
    /// `Authorization`. Writes that rely on the cookie must come from our own pages (CSRF).
    #[must_use]
    pub fn accept_cookie(self) -> Self {
        let known = self.inner.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        Self::with(self.inner.jwks_url.clone(), true, known)
    }

    /// The claims of a valid token.
    pub async fn verify(&self, token: &Token) -> Result<Claims, Problem> {
        if token.0.len() > MAX_TOKEN {
            return Err(bad_token());
        }
        let header = jsonwebtoken::decode_header(&token.0).map_err(|_| bad_token())?;
        let kid = header.kid.ok_or_else(bad_token)?;
        let key = match self.find(&kid) {
            Some(key) => key,
            None => self.fetch(&kid).await?.ok_or_else(bad_token)?,
        };
        // The algorithm is ours to say, not the token's: no `none`, no HMAC over a public key.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.leeway = LEEWAY_SECONDS;
        jsonwebtoken::decode::<Claims>(&token.0, &key, &validation).map(|data| data.claims).map_err(|error| {
            match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => {
                    Problem::unauthorized("the token has expired; sign in again")
                }
                _ => bad_token(),
            }
        })
    }

    fn with(jwks_url: Option<String>, accepts_cookie: bool, known: HashMap<String, DecodingKey>) -> Self {
        let known = RwLock::new(known);
        Self {
            inner: Arc::new(Inner {
                jwks_url,
                accepts_cookie,
                known,
                fetched: tokio::sync::Mutex::default(),
            }),
        }
    }

    fn find(&self, kid: &str) -> Option<DecodingKey> {
        self.inner.known.read().unwrap_or_else(PoisonError::into_inner).get(kid).cloned()
    }

    async fn fetch(&self, kid: &str) -> Result<Option<DecodingKey>, Problem> {
        let Some(url) = &self.inner.jwks_url else { return Ok(None) };
        let mut fetched = self.inner.fetched.lock().await;
        // Another request may have brought it while we waited.
        if let Some(key) = self.find(kid) {
            return Ok(Some(key));
        }
        if fetched.is_some_and(|at| at.elapsed() < REFETCH_AFTER) {
            return Ok(None);
        }
        let keys = telemetry::untraced(fetch_jwks(url)).await.map_err(|error| {
            tracing::warn!(%url, error, "signing keys of the users service are out of reach");
            Problem::unavailable("tokens cannot be verified at the moment")
        })?;
        *fetched = Some(Instant::now());
        *self.inner.known.write().unwrap_or_else(PoisonError::into_inner) = decoding_keys(&keys);
        Ok(self.find(kid))
    }
}

impl Token {
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// For an `Authorization` header.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl FromRequest for SignedIn {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = authenticate(request);
        async move { found.await?.ok_or_else(|| Problem::unauthorized("sign in first")) }.boxed_local()
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = authenticate(request);
        async move { Ok(Self(found.await?.map(|user| user.id))) }.boxed_local()
    }
}

/// `None` for a request without any token.
fn authenticate(request: &HttpRequest) -> impl Future<Output = Result<Option<SignedIn>, Problem>> + 'static {
    let request = request.clone();
    async move {
        let keys =
            request.app_data::<Keys>().expect("a service that asks who calls holds its keys in app_data");
        let token = match bearer(request.headers())? {
            Some(token) => token,
            None if keys.inner.accepts_cookie => match request.cookie(COOKIE) {
                Some(cookie) => {
                    if !request.method().is_safe() && !is_same_origin(request.headers()) {
                        return Err(Problem::new(
                            StatusCode::FORBIDDEN,
                            "cross-site",
                            "a write that relies on the cookie must come from this site's own pages",
                        ));
                    }
                    Token::new(cookie.value())
                }
                None => return Ok(None),
            },
            None => return Ok(None),
        };
        let claims = keys.verify(&token).await?;
        telemetry::current::set_user(&claims.sub.to_string(), Some(&claims.handle));
        Ok(Some(SignedIn { id: UserId(claims.sub), handle: claims.handle, session: claims.jti, token }))
    }
}

/// The token of the one `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Result<Option<Token>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad_token());
    }
    let text = value.to_str().map_err(|_| bad_token())?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => {
            Ok(Some(Token::new(token)))
        }
        _ => Err(bad_token()),
    }
}

/// One answer for every way in which a token can be wrong.
fn bad_token() -> Problem {
    Problem::unauthorized("the token is not valid")
}

fn decoding_keys(keys: &JwkSet) -> HashMap<String, DecodingKey> {
    keys.keys
        .iter()
        .filter_map(|key| Some((key.common.key_id.clone()?, DecodingKey::from_jwk(key).ok()?)))
        .collect()
}

async fn fetch_jwks(url: &str) -> Result<JwkSet, String> {
    // A client of its own, since clients belong to one worker and this runs a few times in a process's life.
    let client = telemetry::awc::client(FETCH_DEADLINE);
    let mut response = client.get(url).send().await.map_err(|error| error.to_string())?;
    if !response.status().is_success() {
        return Err(format!("answered {}", response.status()));
    }
    response.json().limit(MAX_JWKS).await.map_err(|error| error.to_string())
}
