use std::iter::once;

use actix_web::web::{Json, Path};
use service::Problem;

use crate::compose::{Authors, ThreadBody};
use crate::input;
use crate::session::Visitor;
use crate::upstream::Upstreams;

/// One post and its replies.
pub(super) async fn show_thread(
    upstreams: Upstreams,
    visitor: Visitor,
    uuid: Path<String>,
) -> Result<Json<ThreadBody>, Problem> {
    let thread = upstreams.thread(input::uuid(&uuid)?, visitor.token()).await?;
    let authors = Authors::of(once(&thread.activity).chain(&thread.replies), &upstreams).await?;
    Ok(Json(ThreadBody {
        activity: authors.join_one(thread.activity),
        replies: authors.join(thread.replies),
    }))
}
