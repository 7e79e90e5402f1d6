use actix_web::web::{Data, Json, Path};
use service::Problem;

use crate::error::Error;
use crate::handle::Handle;
use crate::store::Store;
use crate::user::User;

pub(super) async fn show_user(handle: Path<String>, store: Data<Store>) -> Result<Json<User>, Problem> {
    // A handle that cannot exist does not exist.
    let Ok(handle) = Handle::parse(&handle) else {
        return Err(Error::NoSuchUser(handle.chars().take(24).collect()).into());
    };
    let user = store.user_by_handle(&handle).await.map_err(Error::from)?;
    Ok(Json(user.ok_or_else(|| Error::NoSuchUser(handle.to_string()))?))
}
