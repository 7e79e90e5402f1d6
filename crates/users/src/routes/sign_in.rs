use actix_web::web::{Data, Json};
use serde::Deserialize;
use service::Problem;
use uuid::Uuid;

use crate::error::Error;
use crate::handle::Handle;
use crate::password::Password;
use crate::passwords::Passwords;
use crate::store::Store;
use crate::tokens::{Session, Tokens};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    handle: String,
    password: String,
}

pub(super) async fn sign_in(
    form: Json<SignIn>,
    store: Data<Store>,
    passwords: Data<Passwords>,
    tokens: Data<Tokens>,
) -> Result<Json<Session>, Problem> {
    Ok(Json(start(form.into_inner(), &store, &passwords, &tokens).await?))
}

async fn start(
    form: SignIn,
    store: &Store,
    passwords: &Passwords,
    tokens: &Tokens,
) -> Result<Session, Error> {
    // What cannot be a handle or a password of ours is simply wrong: no hint which.
    let (Ok(handle), Ok(password)) = (Handle::parse(&form.handle), Password::parse(form.password)) else {
        return Err(Error::WrongCredentials);
    };
    let found = store.credentials(&handle).await?;
    let (user, password_hash) = match found {
        Some(found) => (Some(found.user), found.password_hash),
        None => (None, None),
    };
    // An unknown handle takes as long as a wrong password.
    let matches = passwords.matches(password, password_hash).await?;
    let user = user.filter(|_| matches).ok_or(Error::WrongCredentials)?;
    telemetry::current::set_user_id(&user.id.to_string());
    let (session, expires_at) = (Uuid::now_v7(), tokens.expiry());
    store.start_session(session, user.id, expires_at).await?;
    tokens.sign(user, session, expires_at)
}
