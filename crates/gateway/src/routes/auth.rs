//! Sign-up, sign-in, sign-out: the users service decides, the gateway keeps the cookie.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde::{Deserialize, Serialize};
use service::Problem;
use service::identity::SignedIn;

use crate::session::Cookies;
use crate::upstream::{Session, Upstreams};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignUp {
    handle: String,
    email: String,
    password: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    handle: String,
    password: String,
}

pub(super) async fn sign_up(
    upstreams: Upstreams,
    cookies: Data<Cookies>,
    form: Json<SignUp>,
) -> Result<HttpResponse, Problem> {
    let session = upstreams.sign_up(&*form).await?;
    Ok(HttpResponse::Created().cookie(cookie(**cookies, &session)).json(session))
}

pub(super) async fn sign_in(
    upstreams: Upstreams,
    cookies: Data<Cookies>,
    form: Json<SignIn>,
) -> Result<HttpResponse, Problem> {
    let session = upstreams.sign_in(&*form).await?;
    Ok(HttpResponse::Ok().cookie(cookie(**cookies, &session)).json(session))
}

pub(super) async fn sign_out(
    upstreams: Upstreams,
    cookies: Data<Cookies>,
    caller: SignedIn,
) -> Result<HttpResponse, Problem> {
    upstreams.sign_out(&caller.token).await?;
    Ok(HttpResponse::NoContent().cookie(cookies.removal()).finish())
}

fn cookie(cookies: Cookies, session: &Session) -> actix_web::cookie::Cookie<'static> {
    telemetry::current::set_user_id(&session.user.id.to_string());
    cookies.set(session.token.clone(), session.expires_at)
}
