//! The same query past one machine: `Spec` and `Options` -> SQL for the table that the OpenTelemetry Collector's ClickHouse
//! exporter writes, and ClickHouse's rows -> the same `Answer`. No I/O: the owner brings the way to ask.

mod answer;
mod catalog;
mod compare;
mod expr;
mod map;
mod plan;
mod sql;

use std::fmt;

use serde_json::Value as Json;

use crate::spec::SpecError;

pub use answer::run;
pub use catalog::{columns, datasets, values};
pub use compare::compare;
pub use map::service_map;
pub use sql::read;

/// The exporter's table, written as SQL.
#[derive(Clone, Debug)]
pub struct TableName(String);

/// The lines of an answer in the format JSONCompactEachRow.
pub type Rows = Vec<Vec<Json>>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    #[error(transparent)]
    Spec(SpecError),
    /// Of whoever asks.
    #[error("{0}")]
    Ask(E),
}

impl TableName {
    pub fn new(database: &str, table: &str) -> Self {
        Self(format!("{}.{}", sql::identifier(database), sql::identifier(table)))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn text(row: &[Json], place: usize) -> &str {
    row.get(place).and_then(Json::as_str).unwrap_or_default()
}

fn number(row: &[Json], place: usize) -> Option<f64> {
    row.get(place).and_then(float)
}

/// Servers may be told to write whole numbers as texts.
fn float(json: &Json) -> Option<f64> {
    json.as_f64().or_else(|| json.as_str()?.parse().ok())
}

/// As a literal, for the owner's own SQL.
pub fn quote(text: &str) -> String {
    sql::quote(text)
}

impl<E> From<SpecError> for Error<E> {
    fn from(error: SpecError) -> Self {
        Self::Spec(error)
    }
}
