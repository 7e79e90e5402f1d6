use actix_web::web::{Json, Path};
use service::Problem;

use crate::input;
use crate::session::Visitor;
use crate::upstream::{Profile, Upstreams};

pub(super) async fn show_user(
    upstreams: Upstreams,
    _: Visitor,
    handle: Path<String>,
) -> Result<Json<Profile>, Problem> {
    Ok(Json(upstreams.profile(input::handle(&handle)?).await?))
}
