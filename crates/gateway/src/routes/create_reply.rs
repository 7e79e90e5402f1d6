use actix_web::HttpResponse;
use actix_web::web::{Json, Path};
use serde::Deserialize;
use service::Problem;
use service::identity::SignedIn;

use crate::compose::Authors;
use crate::input;
use crate::upstream::Upstreams;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewReply {
    #[serde(default)]
    message: String,
}

/// Answers a post, and meanwhile looks up the profile to show beside the answer.
pub(super) async fn create_reply(
    upstreams: Upstreams,
    author: SignedIn,
    uuid: Path<String>,
    new: Json<NewReply>,
) -> Result<HttpResponse, Problem> {
    let uuid = input::uuid(&uuid)?;
    input::message(&new.message)?;
    let (reply, authors) = futures::join!(
        upstreams.create_reply(uuid, &new.message, &author.token),
        Authors::of_writer(&author, &upstreams),
    );
    Ok(HttpResponse::Created().json(authors.join_one(reply?)))
}
