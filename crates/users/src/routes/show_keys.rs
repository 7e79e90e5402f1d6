use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;

use crate::tokens::Tokens;

/// The public keys, as a JSON Web Key Set (RFC 7517).
pub(super) async fn show_keys(tokens: Data<Tokens>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(tokens.jwks())
}
