use actix_web::web::{Json, Query};
use serde::Deserialize;
use service::Problem;

use crate::compose::{Authors, FeedBody};
use crate::session::Visitor;
use crate::upstream::{PageQuery, Upstreams};

#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    term: String,
}

pub(super) async fn search_posts(
    upstreams: Upstreams,
    visitor: Visitor,
    search: Query<Search>,
    page: Query<PageQuery>,
) -> Result<Json<FeedBody>, Problem> {
    let feed = upstreams.search(&search.term, &page, visitor.token()).await?;
    let authors = Authors::of(&feed.activities, &upstreams).await?;
    Ok(Json(FeedBody { activities: authors.join(feed.activities), next: feed.next }))
}
