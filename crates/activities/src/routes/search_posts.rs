use actix_web::web::{Data, Json, Query};
use service::identity::Caller;

use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::routes::{now, record_length};
use crate::store::Store;
use crate::term::Term;
use crate::wire::{PageBody, SearchQuery};

/// Posts and replies that match `?term=`, the newest first.
#[tracing::instrument(name = "activities_search", skip_all)]
pub(super) async fn search_posts(
    store: Data<Store>,
    _: Caller,
    query: Query<SearchQuery>,
    page: PageRequest,
) -> Result<Json<PageBody>, Error> {
    let term = Term::parse(&query.term)?;
    let found = Page::new(page, store.search(now(), page, &term).await?);
    record_length(found.activities.len());
    Ok(Json(found.into()))
}
