//! What can be asked for: columns, their values, datasets.

use std::cmp::Reverse;

use serde::Serialize;

use crate::run::columns::Columns;
use crate::run::filter::Filters;
use crate::run::of_dataset;
use crate::run::select::window_mask;
use crate::spec::{Combination, Filter, SpecError};
use crate::table::{BUILT_IN, Code, DURATION, Dictionary, MISSING, NETWORK, Table};
use crate::value::Value;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnInfo {
    pub name: String,
    pub r#type: &'static str,
    /// Spans that have it; of `meta.network_ms` not known before it is asked for.
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueCount {
    pub value: Value,
    pub count: u64,
}

/// All columns that a span of the dataset has, by name.
pub fn columns(table: &Table, dataset: Option<&str>) -> Vec<ColumnInfo> {
    let mut counts: Vec<(u64, &str, &Dictionary)> =
        table.columns().map(|(name, _, dictionary)| (0, name, dictionary)).collect();
    let mut rows = 0;
    let mut parents = 0;
    let mut cells = Vec::new();
    each_segment(table, dataset, |_, segment, mask| {
        rows += mask.iter().filter(|mask| **mask).count() as u64;
        let has_parent = |(parent, mask): &(&u64, &bool)| **parent != 0 && **mask;
        parents += segment.parent_ids().iter().zip(mask).filter(has_parent).count() as u64;
        for ((_, column, _), (count, ..)) in table.columns().zip(&mut counts) {
            if segment.codes(column, &mut cells) {
                let filled = cells.iter().zip(mask).filter(|(code, mask)| **code != MISSING && **mask);
                *count += filled.count() as u64;
            }
        }
    });
    let stored = counts.into_iter().filter(|(count, ..)| *count > 0).map(|(count, name, dictionary)| {
        ColumnInfo { name: name.to_owned(), r#type: type_of(dictionary), count }
    });
    let built_in = BUILT_IN.into_iter().map(|name| ColumnInfo {
        name: name.to_owned(),
        r#type: if matches!(name, DURATION | NETWORK) { "float" } else { "string" },
        count: match name {
            NETWORK => 0,
            crate::table::PARENT_ID => parents,
            _ => rows,
        },
    });
    let mut columns: Vec<_> = stored.chain(built_in).collect();
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    columns
}

/// The values of a column that hold `part`, those that begin with it first, then the most frequent ones.
///
/// # Errors
/// A column of another span.
pub fn values(
    table: &Table,
    column: &str,
    part: &str,
    dataset: Option<&str>,
    limit: usize,
) -> Result<Vec<ValueCount>, SpecError> {
    let mut columns = Columns::new(table, &[])?;
    let place = columns.find(column, || "column".to_owned())?;
    let mut counts: Vec<u64> = Vec::new();
    each_segment(table, dataset, |number, segment, mask| {
        columns.load(place, number, segment);
        counts.resize(columns.code_count(place), 0);
        for (code, mask) in columns.cells(place).iter().zip(mask) {
            counts[*code as usize] += u64::from(*mask);
        }
    });
    let part = part.to_lowercase();
    let found = counts.into_iter().enumerate().filter(|(_, count)| *count > 0);
    let mut found: Vec<_> = found
        .filter_map(|(code, count)| {
            let value = columns.value(place, code as Code)?;
            let at = value.to_string().to_lowercase().find(&part)?;
            Some((at > 0, Reverse(count), value))
        })
        .collect();
    found.sort_unstable();
    found.truncate(limit);
    Ok(found
        .into_iter()
        .map(|(_, Reverse(count), value)| ValueCount { value: value.clone(), count })
        .collect())
}

/// The services, by name.
pub fn datasets(table: &Table) -> Vec<ValueCount> {
    let mut found = values(table, "service.name", "", None, usize::MAX).unwrap_or_default();
    found.sort_unstable_by(|a, b| a.value.cmp(&b.value));
    found
}

/// Every segment with the rows that are of the dataset and not removed.
fn each_segment(
    table: &Table,
    dataset: Option<&str>,
    mut visit: impl FnMut(usize, &crate::table::Segment, &[bool]),
) {
    let filter: Vec<Filter> = dataset.iter().map(|dataset| of_dataset(dataset)).collect();
    let mut columns = Columns::new(table, &[]).expect("there are no calculated fields");
    let mut filters = Filters::find(&filter, Combination::And, &mut columns, "").expect("a plain column");
    for (number, segment) in table.segments().enumerate() {
        if let Some(mut mask) = window_mask(segment, i64::MIN, i64::MAX) {
            filters.apply(&mut columns, number, segment, &mut mask);
            visit(number, segment, &mask);
        }
    }
}

/// Of all values: one text makes it a string.
fn type_of(dictionary: &Dictionary) -> &'static str {
    let rank = |value: &Value| match value {
        Value::Bool(_) => 0,
        Value::Int(_) => 1,
        Value::Float(_) => 2,
        Value::Str(_) => 3,
    };
    ["boolean", "integer", "float", "string"][dictionary.values().map(rank).max().unwrap_or(3)]
}
