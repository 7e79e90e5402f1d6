use actix_web::HttpResponse;
use actix_web::web::Data;
use service::Problem;
use service::identity::SignedIn;

use crate::error::Error;
use crate::store::Store;

/// Ends the session of the token that was shown.
pub(super) async fn sign_out(user: SignedIn, store: Data<Store>) -> Result<HttpResponse, Problem> {
    if !store.end_session(user.session, user.id.0).await.map_err(Error::from)? {
        return Err(Error::SessionEnded.into());
    }
    Ok(HttpResponse::NoContent().finish())
}
