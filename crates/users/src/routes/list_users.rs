use actix_web::web::{Data, Json, Query};
use serde::{Deserialize, Serialize};
use service::Problem;
use uuid::Uuid;

use crate::error::Error;
use crate::store::Store;
use crate::user::User;

/// A page of a feed has fewer authors.
const MAX_IDS: usize = 100;

#[derive(Deserialize)]
pub(super) struct Wanted {
    /// UUIDs with commas between them.
    ids: String,
}

#[derive(Serialize)]
pub(super) struct Users {
    users: Vec<User>,
}

/// The profiles of many ids in one query. Ids that nobody has are left out.
pub(super) async fn list_users(wanted: Query<Wanted>, store: Data<Store>) -> Result<Json<Users>, Problem> {
    let ids = parse(&wanted.ids)?;
    let users = store.users_by_ids(&ids).await.map_err(Error::from)?;
    telemetry::current::set_attribute(telemetry::attributes::APP_RESULT_LENGTH, users.len() as i64);
    Ok(Json(Users { users }))
}

fn parse(ids: &str) -> Result<Vec<Uuid>, Error> {
    let ids = ids.split(',').filter(|id| !id.is_empty()).map(str::parse).collect::<Result<Vec<Uuid>, _>>();
    match ids {
        Ok(ids) if ids.len() <= MAX_IDS => Ok(ids),
        Ok(_) => Err(Error::Invalid(format!("at most {MAX_IDS} ids at a time"))),
        Err(_) => Err(Error::Invalid("ids are UUIDs with commas between them".to_owned())),
    }
}
