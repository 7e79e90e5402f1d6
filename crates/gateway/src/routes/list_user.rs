use actix_web::web::{Json, Path, Query};
use service::Problem;

use crate::compose::{Authors, UserFeedBody};
use crate::input;
use crate::session::Visitor;
use crate::upstream::{PageQuery, Upstreams};

/// Somebody's profile and posts. The posts are found by the id that the profile tells, hence one after the other.
pub(super) async fn list_user(
    upstreams: Upstreams,
    visitor: Visitor,
    handle: Path<String>,
    page: Query<PageQuery>,
) -> Result<Json<UserFeedBody>, Problem> {
    let user = upstreams.profile(input::handle(&handle)?).await?;
    let feed = upstreams.user_feed(user.id, &page, visitor.token()).await?;
    let activities = Authors::from_iter([&user]).join(feed.activities);
    Ok(Json(UserFeedBody { user, activities, next: feed.next }))
}
