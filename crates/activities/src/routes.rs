//! One file per route.

mod create_post;
mod create_reply;
mod list_home;
mod list_notifications;
mod list_user;
mod search_posts;
mod show_post;

use actix_web::web::{self, ServiceConfig};
use chrono::{DateTime, SubsecRound, Utc};
use telemetry::attributes::{APP_NOW, APP_RESULT_LENGTH};
use telemetry::current;

/// A caller who shows a token on a read is verified like any other, so that `app.user_id` on its spans is a fact.
pub(crate) fn register(app: &mut ServiceConfig) {
    // Fixed names come before `{uuid}`, which would take them too.
    app.service(web::resource("/activities").post(create_post::create_post))
        .service(web::resource("/activities/home").get(list_home::list_home))
        .service(web::resource("/activities/notifications").get(list_notifications::list_notifications))
        .service(web::resource("/activities/search").get(search_posts::search_posts))
        .service(web::resource("/activities/users/{user_uuid}").get(list_user::list_user))
        .service(web::resource("/activities/{uuid}").get(show_post::show_post))
        .service(web::resource("/activities/{uuid}/reply").post(create_reply::create_reply));
}

/// The instant that the whole request works with, to the microsecond that Postgres keeps; on the span as `app.now`.
fn now() -> DateTime<Utc> {
    let now = Utc::now().trunc_subsecs(6);
    current::set_attribute(APP_NOW, now.to_rfc3339());
    now
}

/// How much was found, on the span as `app.result_length`.
fn record_length(length: usize) {
    current::set_attribute(APP_RESULT_LENGTH, length as i64);
}
