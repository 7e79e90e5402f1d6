//! Saved queries: the folder of files, listed and written.

use std::io;
use std::path::PathBuf;

use actix_web::web::{Data, Json, Path};
use serde::Deserialize;
use serde_json::{Value, json};
use service::Problem;
use tokio::task::spawn_blocking;

use super::Api;
use crate::queries::{self, About, QueriesError, SavedQuery};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SaveBody {
    title: String,
    #[serde(default)]
    description: String,
    dataset: Option<String>,
    query: Value,
}

/// Queries whose files are wrong are told beside the others.
pub(super) async fn list(api: Data<Api>) -> Result<Json<Value>, Problem> {
    listed(api.queries_dir.clone()).await
}

pub(crate) async fn listed(dir: PathBuf) -> Result<Json<Value>, Problem> {
    let found = spawn_blocking(move || queries::list(&dir)).await.map_err(|_| ending())?;
    let (mut saved, mut invalid) = (Vec::new(), Vec::new());
    for query in found.map_err(|error| problem(&error))? {
        match query {
            Ok(query) => saved.push(query),
            Err(error) => invalid.push(error.to_string()),
        }
    }
    Ok(Json(json!({ "queries": saved, "invalid": invalid })))
}

pub(super) async fn save(
    api: Data<Api>,
    name: Path<String>,
    body: Json<SaveBody>,
) -> Result<Json<SavedQuery>, Problem> {
    let SaveBody { title, description, dataset, query } = body.into_inner();
    let about = About { title, description, dataset };
    let dir = api.queries_dir.clone();
    let saved = spawn_blocking(move || queries::save(&dir, &name, &about, &query)).await;
    Ok(Json(saved.map_err(|_| ending())?.map_err(|error| problem(&error))?))
}

fn problem(error: &QueriesError) -> Problem {
    match error {
        QueriesError::Name(_) => Problem::bad_request(error.to_string()),
        // The path is the server's business; the place within the document is the caller's.
        QueriesError::Invalid { problem, .. } => Problem::bad_request(problem.clone()),
        QueriesError::Io { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
            Problem::forbidden(
                "the console may not write to the folder of saved queries (CONSOLE_QUERIES_DIR)",
            )
        }
        QueriesError::Missing { name, .. } => Problem::not_found(format!("there is no query {name:?}")),
        QueriesError::Io { .. } => {
            tracing::error!(%error, "saved queries");
            Problem::unavailable("the folder of saved queries does not answer")
        }
    }
}

fn ending() -> Problem {
    Problem::unavailable("the process is ending")
}
