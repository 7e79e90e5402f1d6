//! The session cookie, and who shows it.

use actix_web::body::MessageBody;
use actix_web::cookie::time::{Duration, OffsetDateTime};
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpRequest};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::{LocalBoxFuture, ready};
use service::Problem;
use service::identity::{COOKIE, SignedIn, Token};

/// Somebody who may or may not be signed in. A token that is bad is a 401 here too, never "anonymous".
pub(crate) struct Visitor(Option<SignedIn>);

/// How the cookie is set. Page scripts never see it (`HttpOnly`), and other sites' forms never send it (`Lax`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookies {
    pub(crate) secure: bool,
}

impl Visitor {
    /// To be handed on to the services behind.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.0.as_ref().map(|signed_in| &signed_in.token)
    }
}

impl FromRequest for Visitor {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !request.headers().contains_key(AUTHORIZATION) && request.cookie(COOKIE).is_none() {
            return ready(Ok(Self(None))).boxed_local();
        }
        SignedIn::from_request(request, payload)
            .map(|signed_in| signed_in.map(|it| Self(Some(it))))
            .boxed_local()
    }
}

impl Cookies {
    /// Ends with the token that it holds.
    pub(crate) fn set(self, token: String, expires_at: DateTime<Utc>) -> Cookie<'static> {
        let mut cookie = self.build(token);
        cookie.set_max_age(Duration::seconds((expires_at - Utc::now()).num_seconds().max(0)));
        cookie
    }

    pub(crate) fn removal(self) -> Cookie<'static> {
        let mut cookie = self.build(String::new());
        cookie.set_max_age(Duration::ZERO);
        cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
        cookie
    }

    fn build(self, value: String) -> Cookie<'static> {
        Cookie::build(COOKIE, value)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.secure)
            .finish()
    }
}

/// Takes a cookie away that earned a 401: the page cannot (`HttpOnly`), and would be refused for as long as it lives.
pub(crate) async fn drop_refused_cookie<B: MessageBody + 'static>(
    cookies: actix_web::web::Data<Cookies>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let by_cookie = !request.headers().contains_key(AUTHORIZATION) && request.cookie(COOKIE).is_some();
    let mut response = next.call(request).await?;
    if by_cookie && response.status() == StatusCode::UNAUTHORIZED {
        response.response_mut().add_cookie(&cookies.removal())?;
    }
    Ok(response)
}
