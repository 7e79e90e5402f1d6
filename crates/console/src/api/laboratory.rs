//! The laboratory's switch: asks the demonstration for its home feed with one fault of its database, so that whoever
//! looks at traces can make the one to look at. `docs/laboratory.md` has the faults; the services know them by name.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, HeaderValue};
use actix_web::web::{Data, Json};
use awc::Client;
use awc::error::SendRequestError;
use serde::Deserialize;
use serde_json::{Value, json};
use service::Problem;
use service::debug::FAULT_HEADER;

use super::Api;

/// The feed whose database has the fault.
const FEED: &str = "/api/activities/home";
/// The slowest fault, a deadlock, takes Postgres a second to see; the gateway gives up after ten.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// As in `x-lab-fault`.
    fault: String,
}

/// Answers with the trace of the request that had the fault, and with what became of that request.
pub(super) async fn ask(api: Data<Api>, wish: Json<Wish>) -> Result<HttpResponse, Problem> {
    let Some(app) = &api.app_url else {
        return Err(Problem::not_found(
            "there is no laboratory: CONSOLE_APP_URL names none, or this is production",
        ));
    };
    let fault = HeaderValue::from_str(&wish.fault).map_err(|_| {
        Problem::bad_request("`fault` is the name of a fault, as docs/laboratory.md has them")
    })?;
    let url = format!("{}{FEED}", app.as_str().trim_end_matches('/'));
    let request = Client::default().get(url).timeout(PATIENCE);
    let request = request.insert_header((ACCEPT, "application/json")).insert_header((FAULT_HEADER, fault));
    let mut answer = request.send().await.map_err(|error| unreachable(&error))?;
    let status = answer.status();
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        let problem: Value = answer.json().await.unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("the app knows no such fault");
        return Err(Problem::bad_request(detail));
    }
    let trace = answer.headers().get("traceresponse").and_then(|value| value.to_str().ok());
    // `00-TRACE-SPAN-FLAGS`, https://www.w3.org/TR/trace-context-2/#traceresponse-header
    let Some(trace_id) = trace.and_then(|value| value.split('-').nth(1)) else {
        return Err(bad_gateway("the app's answer names no trace (traceresponse)"));
    };
    Ok(HttpResponse::Ok().json(json!({ "trace_id": trace_id, "status": status.as_u16() })))
}

fn unreachable(error: &SendRequestError) -> Problem {
    tracing::warn!(%error, "the laboratory");
    bad_gateway("the app at CONSOLE_APP_URL does not answer")
}

fn bad_gateway(detail: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "bad-gateway", detail)
}
