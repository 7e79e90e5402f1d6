use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use service::identity::SignedIn;

use crate::error::Error;
use crate::message::Message;
use crate::routes::now;
use crate::store::Store;
use crate::ttl::Ttl;
use crate::wire::{ActivityBody, NewPost};

/// Writes a post that lives as long as its author chose.
#[tracing::instrument(name = "activities_create", skip_all)]
pub(super) async fn create_post(
    store: Data<Store>,
    author: SignedIn,
    body: Json<NewPost>,
) -> Result<HttpResponse, Error> {
    let message = Message::parse(&body.message)?;
    let ttl: Ttl = body.ttl.parse()?;
    let post = store.create_post(now(), author.id.0, &message, ttl).await?;
    Ok(HttpResponse::Created().json(ActivityBody::from(post)))
}
