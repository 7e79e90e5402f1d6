//! One file a request.

mod list_users;
mod show_keys;
mod show_user;
mod sign_in;
mod sign_out;
mod sign_up;

use actix_web::web::{self, ServiceConfig};

use crate::tokens::Tokens;

pub(crate) fn all(app: &mut ServiceConfig) {
    app.service(web::resource("/sign-up").post(sign_up::sign_up))
        .service(web::resource("/sign-in").post(sign_in::sign_in))
        .service(web::resource("/sign-out").post(sign_out::sign_out))
        .service(web::resource("/users/@{handle}").get(show_user::show_user))
        .service(web::resource("/users").get(list_users::list_users));
}

/// Below `/.well-known`, without spans: the other services fetch the keys in nobody's request.
pub(crate) fn well_known(app: &mut ServiceConfig, tokens: web::Data<Tokens>) {
    app.app_data(tokens).service(web::resource("/jwks.json").get(show_keys::show_keys));
}
