use actix_web::web::{Data, Json, Path};
use service::identity::Caller;
use uuid::Uuid;

use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::routes::{now, record_length};
use crate::store::Store;
use crate::wire::PageBody;

/// One user's posts and replies, the newest first. An unknown user has none; who exists is the users service's matter.
#[tracing::instrument(name = "activities_users", skip_all)]
pub(super) async fn list_user(
    store: Data<Store>,
    _: Caller,
    user: Path<Uuid>,
    page: PageRequest,
) -> Result<Json<PageBody>, Error> {
    let found = Page::new(page, store.user_feed(now(), page, *user).await?);
    record_length(found.activities.len());
    Ok(Json(found.into()))
}
