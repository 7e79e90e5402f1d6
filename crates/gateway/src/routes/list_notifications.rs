use actix_web::web::{Json, Query};
use service::Problem;
use service::identity::SignedIn;

use crate::compose::{Authors, Notification, NotificationsBody};
use crate::upstream::{PageQuery, Upstreams};

/// What others answered to the caller.
pub(super) async fn list_notifications(
    upstreams: Upstreams,
    caller: SignedIn,
    page: Query<PageQuery>,
) -> Result<Json<NotificationsBody>, Problem> {
    let feed = upstreams.notifications(&page, &caller.token).await?;
    let authors = Authors::of(&feed.activities, &upstreams).await?;
    let notifications = authors.join(feed.activities).into_iter().map(Notification::from).collect();
    Ok(Json(NotificationsBody { notifications, next: feed.next }))
}
