use actix_web::web::{Json, Query};
use service::Problem;

use crate::compose::{Authors, FeedBody};
use crate::session::Visitor;
use crate::upstream::{PageQuery, Upstreams};

/// Everybody's posts with their authors: one page, then one look-up for all its authors.
pub(super) async fn list_home(
    upstreams: Upstreams,
    visitor: Visitor,
    page: Query<PageQuery>,
) -> Result<Json<FeedBody>, Problem> {
    let feed = upstreams.home_feed(&page, visitor.token()).await?;
    let authors = Authors::of(&feed.activities, &upstreams).await?;
    Ok(Json(FeedBody { activities: authors.join(feed.activities), next: feed.next }))
}
