//! What can be asked for: columns, their values, datasets. Of the last day that the table has, since whole tables are large.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::sql::{NUMBER, Pieces, quote, read, shown};
use super::{Error, Rows, TableName};
use crate::catalog::{ColumnInfo, ValueCount};
use crate::value::Value;

/// Fields of the span itself, with their types.
const FIELDS: [(&str, &str); 12] = [
    ("duration_ms", "float"),
    ("error", "boolean"),
    ("library.name", "string"),
    ("name", "string"),
    ("service.name", "string"),
    ("span.kind", "string"),
    ("span.num_events", "integer"),
    ("span.num_links", "integer"),
    ("status_code", "integer"),
    ("trace.parent_id", "string"),
    ("trace.span_id", "string"),
    ("trace.trace_id", "string"),
];

fn recent(table: &TableName, dataset: Option<&str>) -> String {
    let dataset = dataset.map(|dataset| format!(" AND ServiceName = {}", quote(dataset))).unwrap_or_default();
    format!("{table} WHERE Timestamp > (SELECT max(Timestamp) FROM {table}) - INTERVAL 1 DAY{dataset}")
}

/// All columns that a span of the dataset has, by name.
///
/// # Errors
/// That of `ask`.
pub async fn columns<A, E>(table: &TableName, dataset: Option<&str>, ask: &A) -> Result<Vec<ColumnInfo>, E>
where
    A: AsyncFn(String) -> Result<Rows, E>,
{
    let recent = recent(table, dataset);
    let count = |row: &[Json], place: usize| row[place].as_f64().unwrap_or_default() as u64;
    let pairs = |map| format!("CAST({map}, 'Array(Tuple(String, String))')");
    let sql = format!(
        "SELECT pair.1 AS name, toFloat64(count()), toFloat64(countIf(match(pair.2, '{NUMBER}'))), \
         toFloat64(countIf(match(pair.2, '^-?[0-9]+$'))), toFloat64(countIf(pair.2 IN ('true', 'false'))) \
         FROM (SELECT arrayJoin(arrayConcat({}, {})) AS pair FROM {recent}) GROUP BY name LIMIT {}",
        pairs("SpanAttributes"),
        pairs("ResourceAttributes"),
        crate::table::MAX_COLUMNS,
    );
    let mut columns = BTreeMap::new();
    for row in ask(sql).await? {
        let Some(name) = row[0].as_str() else { continue };
        let all = count(&row, 1);
        let r#type = match () {
            () if count(&row, 4) == all => "boolean",
            () if count(&row, 2) < all => "string",
            () if count(&row, 3) == all => "integer",
            () => "float",
        };
        columns.insert(name.to_owned(), (r#type, all));
    }
    let rows = ask(format!("SELECT toFloat64(count()) FROM {recent}")).await?;
    let rows = rows.first().map_or(0, |row| count(row, 0));
    columns.extend(FIELDS.map(|(name, r#type)| (name.to_owned(), (r#type, rows))));
    let info = |(name, (r#type, count))| ColumnInfo { name, r#type, count };
    Ok(columns.into_iter().map(info).collect())
}

/// The values of a column that hold `part`, those that begin with it first, then the most frequent ones.
///
/// # Errors
/// A column that ClickHouse can't give; or that of `ask`.
pub async fn values<A, E>(
    table: &TableName,
    column: &str,
    part: &str,
    dataset: Option<&str>,
    limit: usize,
    ask: &A,
) -> Result<Vec<ValueCount>, Error<E>>
where
    A: AsyncFn(String) -> Result<Rows, E>,
{
    let mut pieces = Pieces::new('c');
    let cell = pieces.column(column, || "column".to_owned())?;
    let (list, value, part) = (pieces.list.join(", "), shown(&cell), quote(&part.to_lowercase()));
    let sql = format!(
        "SELECT v, toFloat64(count()) AS n FROM (SELECT {list}, {value} AS v FROM {}) \
         WHERE isNotNull(v) AND position(lowerUTF8(v), {part}) > 0 GROUP BY v \
         ORDER BY startsWith(lowerUTF8(v), {part}) DESC, n DESC, v LIMIT {limit}",
        recent(table, dataset),
    );
    let rows = ask(sql).await.map_err(Error::Ask)?;
    let value = |row: Vec<Json>| {
        let count = row.get(1)?.as_f64()? as u64;
        Some(ValueCount { value: read(row.first()?.as_str()?), count })
    };
    Ok(rows.into_iter().filter_map(value).collect())
}

/// The services, by name.
///
/// # Errors
/// That of `ask`.
pub async fn datasets<A, E>(table: &TableName, ask: &A) -> Result<Vec<ValueCount>, E>
where
    A: AsyncFn(String) -> Result<Rows, E>,
{
    let sql = format!("SELECT ServiceName AS v, toFloat64(count()) FROM {} GROUP BY v", recent(table, None));
    let mut found: Vec<ValueCount> = ask(sql)
        .await?
        .iter()
        .filter_map(|row| {
            Some(ValueCount {
                value: Value::from(row.first()?.as_str()?),
                count: row.get(1)?.as_f64()? as u64,
            })
        })
        .collect();
    found.sort_unstable_by(|a, b| a.value.cmp(&b.value).then(Reverse(a.count).cmp(&Reverse(b.count))));
    Ok(found)
}
