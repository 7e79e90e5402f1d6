//! `POST /test` with `[{"url": .., "arguments": ..}]` posts each `arguments` to its `url`.

use actix_web::{HttpResponse, error, web};
use serde::Deserialize;
use serde_json::Value;

/// One call to make.
#[derive(Deserialize)]
pub(crate) struct Call {
    url: String,
    arguments: Value,
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route("/test", web::post().to(forward));
}

#[tracing::instrument(skip_all)]
async fn forward(
    calls: web::Json<Vec<Call>>,
    client: web::Data<awc::Client>,
) -> Result<HttpResponse, error::Error> {
    for call in calls.into_inner() {
        tracing::info!(url = call.url, "calling");
        client.post(&call.url).send_json(&call.arguments).await.map_err(error::ErrorBadGateway)?;
    }
    Ok(HttpResponse::Ok().finish())
}
