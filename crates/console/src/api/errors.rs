//! Errors: the list, one with its occurrences, resolved and reopened.

use actix_web::web::{Data, Json, Path, Query};
use serde::Deserialize;
use service::Problem;

use super::traces::{cursor, parse_trace_id};
use super::{Api, busy, set, unreadable};
use crate::store::ErrorFilter;
use crate::wire::{ErrorDetail, Errors};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// Occurrences hold frames, locals and telemetry: some kilobytes each, some hundred at worst.
const MAX_OCCURRENCES: usize = 100;

#[derive(Deserialize)]
pub(super) struct ListQuery {
    status: Option<String>,
    service: Option<String>,
    environment: Option<String>,
    trace_id: Option<String>,
    before: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct ShowQuery {
    before: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct Change {
    status: NewStatus,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum NewStatus {
    Active,
    Resolved,
}

pub(super) async fn list(api: Data<Api>, query: Query<ListQuery>) -> Result<Json<Errors>, Problem> {
    let ListQuery { status, service, environment, trace_id, before, limit } = query.into_inner();
    let is_active = match set(status).as_deref() {
        None | Some("active") => Some(true),
        Some("resolved") => Some(false),
        Some("all") => None,
        Some(_) => return Err(Problem::bad_request("status must be active, resolved or all")),
    };
    let trace_id = set(trace_id).map(|text| parse_trace_id(&text)).transpose()?;
    let filter = ErrorFilter { is_active, service: set(service), environment: set(environment), trace_id };
    let before = set(before).map(|text| cursor(&text)).transpose()?;
    let limit = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let (groups, next) =
        api.reader.errors(filter, before, limit).await.map_err(|error| unreadable(&error))?;
    Ok(Json(Errors { groups, next: next.map(|(seen, id)| format!("{seen}.{id}")) }))
}

pub(super) async fn show(
    api: Data<Api>,
    id: Path<i64>,
    query: Query<ShowQuery>,
) -> Result<Json<ErrorDetail>, Problem> {
    let ShowQuery { before, limit } = query.into_inner();
    let bad = |_| Problem::bad_request("before must be the `next` of a page");
    let before = set(before).map(|text| text.parse().map_err(bad)).transpose()?;
    let limit = limit.unwrap_or(20).clamp(1, MAX_OCCURRENCES);
    let found = api.reader.error(*id, before, limit).await.map_err(|error| unreadable(&error))?;
    found.map(Json).ok_or_else(unknown)
}

/// Answers with the error as it is then.
pub(super) async fn change(
    api: Data<Api>,
    id: Path<i64>,
    change: Json<Change>,
) -> Result<Json<ErrorDetail>, Problem> {
    let is_resolved = matches!(change.status, NewStatus::Resolved);
    match api.errors.set_status(*id, is_resolved).await {
        Err(_) => Err(busy()),
        Ok(false) => Err(unknown()),
        Ok(true) => show(api, id, Query(ShowQuery { before: None, limit: None })).await,
    }
}

fn unknown() -> Problem {
    Problem::not_found("there is no error of this id, or it was pruned")
}
