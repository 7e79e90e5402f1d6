use actix_web::web::{Data, Json, Path};
use service::identity::Caller;
use uuid::Uuid;

use crate::error::Error;
use crate::routes::{now, record_length};
use crate::store::Store;
use crate::wire::ShownBody;

/// How many replies are shown, the oldest first. Whoever wants the rest searches for it.
const MAX_REPLIES: i64 = 100;

/// One post with its replies.
#[tracing::instrument(name = "activities_show", skip_all)]
pub(super) async fn show_post(
    store: Data<Store>,
    _: Caller,
    uuid: Path<Uuid>,
) -> Result<Json<ShownBody>, Error> {
    let (now, uuid) = (now(), *uuid);
    let post = store.post(now, uuid).await?.ok_or(Error::NotFound)?;
    let replies =
        if post.replies_count == 0 { Vec::new() } else { store.replies(now, uuid, MAX_REPLIES).await? };
    record_length(1 + replies.len());
    Ok(Json(ShownBody::new(post, replies)))
}
