use actix_web::web::{Data, Json};
use service::identity::Caller;

use crate::error::Error;
use crate::lab::Experiment;
use crate::page::{Page, PageRequest};
use crate::routes::{now, record_length};
use crate::store::Store;
use crate::wire::PageBody;

/// Everybody's posts, the newest first. The span is named as in the original Cruddur, like the two others.
#[tracing::instrument(name = "activities_home", skip_all)]
pub(super) async fn list_home(
    store: Data<Store>,
    _: Caller,
    page: PageRequest,
    experiment: Experiment,
) -> Result<Json<PageBody>, Error> {
    let found = Page::new(page, experiment.home_feed(&store, now(), page).await?);
    record_length(found.activities.len());
    Ok(Json(found.into()))
}
