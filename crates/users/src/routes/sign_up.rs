use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use chrono::Utc;
use serde::Deserialize;
use service::Problem;
use uuid::Uuid;

use crate::email::Email;
use crate::error::Error;
use crate::handle::Handle;
use crate::password::Password;
use crate::passwords::Passwords;
use crate::store::Store;
use crate::tokens::{Session, Tokens};
use crate::user::NewUser;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignUp {
    handle: String,
    email: String,
    password: String,
}

pub(super) async fn sign_up(
    form: Json<SignUp>,
    store: Data<Store>,
    passwords: Data<Passwords>,
    tokens: Data<Tokens>,
) -> Result<HttpResponse, Problem> {
    let session = create(form.into_inner(), &store, &passwords, &tokens).await?;
    Ok(HttpResponse::Created().json(session))
}

async fn create(
    form: SignUp,
    store: &Store,
    passwords: &Passwords,
    tokens: &Tokens,
) -> Result<Session, Error> {
    // All of the form is checked before any of it costs something.
    let handle = Handle::parse(&form.handle)?;
    let email = Email::parse(&form.email)?;
    let password = Password::parse(form.password)?;
    let user = NewUser {
        id: Uuid::now_v7(),
        display_name: handle.to_string(),
        handle,
        email,
        bio: String::new(),
        password_hash: Some(passwords.hash(password).await?),
        created_at: Utc::now(),
    };
    let (session, expires_at) = (Uuid::now_v7(), tokens.expiry());
    let user = store.create_user(&user, session, expires_at).await?;
    telemetry::current::set_user_id(&user.id.to_string());
    tokens.sign(user, session, expires_at)
}
