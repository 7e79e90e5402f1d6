//! One file per route; the paths are the original Cruddur's.

mod auth;
mod break_service;
mod create_post;
mod create_reply;
mod list_home;
mod list_notifications;
mod list_user;
mod say_hello_to_rollbar;
mod search_posts;
mod show_thread;
mod show_user;

use actix_web::HttpResponse;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use service::Problem;

use crate::error::Error;
use crate::session::drop_refused_cookie;

pub(crate) fn register(app: &mut ServiceConfig, debug_routes: bool) {
    app.service(web::resource("/rollbar/test").get(say_hello_to_rollbar::say_hello_to_rollbar)).service(
        web::scope("/api")
            .wrap(from_fn(drop_refused_cookie))
            .default_service(web::to(no_such_route))
            // Fixed names come before `{uuid}`, which would take them too.
            .service(web::resource("/activities").post(create_post::create_post))
            .service(web::resource("/activities/home").get(list_home::list_home))
            .service(web::resource("/activities/notifications").get(list_notifications::list_notifications))
            .service(web::resource("/activities/search").get(search_posts::search_posts))
            .service(web::resource("/activities/@{handle}").get(list_user::list_user))
            .service(web::resource("/activities/{uuid}").get(show_thread::show_thread))
            .service(web::resource("/activities/{uuid}/reply").post(create_reply::create_reply))
            .service(web::resource("/users/@{handle}").get(show_user::show_user))
            .service(web::resource("/auth/sign-up").post(auth::sign_up))
            .service(web::resource("/auth/sign-in").post(auth::sign_in))
            .service(web::resource("/auth/sign-out").post(auth::sign_out))
            .configure(|app| {
                if debug_routes {
                    app.service(
                        web::resource("/debug/{service}/{what:error|panic}")
                            .get(break_service::break_service),
                    );
                }
            }),
    );
}

/// A scope does not inherit the server's own.
async fn no_such_route() -> Result<HttpResponse, Problem> {
    Err(Error::NoSuchRoute.into())
}
