use actix_web::web::{Json, Path};
use serde_json::Value;
use service::Problem;

use crate::upstream::Upstreams;

/// Breaks the service behind, so that one error can be followed through everything. Not there in production.
pub(super) async fn break_service(
    upstreams: Upstreams,
    path: Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let (service, what) = path.into_inner();
    upstreams.break_service(&service, &what).await.map(Json)
}
