use actix_web::web::{Data, Json};
use service::identity::SignedIn;

use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::routes::{now, record_length};
use crate::store::Store;
use crate::wire::PageBody;

/// What others answered to the caller, the newest first.
#[tracing::instrument(name = "activities_notifications", skip_all)]
pub(super) async fn list_notifications(
    store: Data<Store>,
    caller: SignedIn,
    page: PageRequest,
) -> Result<Json<PageBody>, Error> {
    let found = Page::new(page, store.notifications(now(), page, caller.id.0).await?);
    record_length(found.activities.len());
    Ok(Json(found.into()))
}
