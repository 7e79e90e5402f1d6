use actix_web::HttpResponse;
use actix_web::web::Json;
use serde::Deserialize;
use service::Problem;
use service::identity::SignedIn;

use crate::compose::Authors;
use crate::input;
use crate::upstream::Upstreams;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPost {
    #[serde(default)]
    message: String,
    #[serde(default)]
    ttl: String,
}

/// Writes a post, and meanwhile looks up the profile to show beside it.
pub(super) async fn create_post(
    upstreams: Upstreams,
    author: SignedIn,
    new: Json<NewPost>,
) -> Result<HttpResponse, Problem> {
    input::message(&new.message)?;
    let (post, authors) = futures::join!(
        upstreams.create_post(&new.message, &new.ttl, &author.token),
        Authors::of_writer(&author, &upstreams),
    );
    Ok(HttpResponse::Created().json(authors.join_one(post?)))
}
