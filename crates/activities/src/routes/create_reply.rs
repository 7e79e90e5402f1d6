use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use service::identity::SignedIn;
use uuid::Uuid;

use crate::error::Error;
use crate::message::Message;
use crate::routes::now;
use crate::store::Store;
use crate::wire::{ActivityBody, NewReply};

/// Answers a post. The reply lives as long as what it answers.
#[tracing::instrument(name = "activities_reply", skip_all)]
pub(super) async fn create_reply(
    store: Data<Store>,
    author: SignedIn,
    uuid: Path<Uuid>,
    body: Json<NewReply>,
) -> Result<HttpResponse, Error> {
    let message = Message::parse(&body.message)?;
    let reply = store.create_reply(now(), author.id.0, &message, *uuid).await?.ok_or(Error::NotFound)?;
    Ok(HttpResponse::Created().json(ActivityBody::from(reply)))
}
