//! What differs, by two SELECTs: how many spans are inside the box and outside, then a row for each column that they have.

use serde_json::Value as Json;

use super::plan::after;
use super::sql::{
    ATTRIBUTES, FIELDS, Kind, NUMBER, Pieces, float, quote, read, reads_as_number, shown, within,
};
use super::{Error, Rows, TableName, number, text};
use crate::compare::{Box, ColumnDifference, Difference, MANY_NUMBERS, MAX_VALUES, RANGES, ValueDifference};
use crate::run::{Options, of_dataset};
use crate::spec::{Combination, Spec, SpecError};
use crate::table::{MAX_COLUMNS, NETWORK, PARENT_ID, SPAN_ID, TRACE_ID};
use crate::value::Value;

/// Ranges hold a tenth of the spans outside, rounded down: of 19 there are 19, and one more for what is left.
const MAX_RANGES: usize = 2 * RANGES;

/// # Errors
/// A column that ClickHouse can't give, with its place; or that of `ask`.
pub async fn compare<A, E>(
    table: &TableName,
    spec: &Spec,
    options: &Options,
    selection: &Box,
    ask: &A,
) -> Result<Difference, Error<E>>
where
    A: AsyncFn(String) -> Result<Rows, E>,
{
    let rows = rows(table, spec, options, selection)?;
    let counts =
        ask(format!("SELECT toFloat64(countIf(NOT inside)), toFloat64(countIf(inside)) FROM {rows}"));
    let counts = counts.await.map_err(Error::Ask)?;
    let totals = counts.first().map_or([0, 0], |row| [count(row, 0), count(row, 1)]);
    let columns = ask(columns(&rows, &selection.column, totals)).await.map_err(Error::Ask)?;
    Ok(Difference::new(totals, columns.iter().map(|row| difference(row, totals)).collect()))
}

/// The spans of the query: which are inside, and their cells as name, value and whether that is a text whatever it reads as.
fn rows(table: &TableName, spec: &Spec, options: &Options, selection: &Box) -> Result<String, SpecError> {
    let mut pieces = Pieces::new('c');
    pieces.define(&spec.calculated_fields)?;
    let dataset: Vec<_> = options.dataset.iter().map(|dataset| of_dataset(dataset)).collect();
    let dataset = pieces.filters(&dataset, Combination::And, "")?;
    let filters = pieces.filters(&spec.filters, spec.filter_combination, "")?;
    let axis = pieces.column(&selection.column, || "box.column".to_owned())?;
    let axis = pieces.number(&axis);
    let names = FIELDS.into_iter().chain(spec.calculated_fields.iter().map(|field| field.name.as_str()));
    let mut cells = Vec::new();
    for name in names {
        let cell = pieces.column(name, String::new)?;
        let is_text = u8::from(cell.kind == Kind::Text);
        cells.push(format!("({}, toNullable({}), {is_text})", quote(name), shown(&cell)));
    }
    let own = FIELDS.iter().chain(&[TRACE_ID, SPAN_ID, PARENT_ID, NETWORK]);
    let own: Vec<_> = own.map(|name| quote(name)).collect();
    let times = selection.times();
    Ok(format!(
        "(SELECT toUnixTimestamp64Nano(Timestamp) AS t{}, \
         ifNull({axis} >= {} AND {axis} <= {}, false) AND t >= {} AND t < {} AS inside, \
         arrayConcat([{}], arrayMap(cell -> (cell.1, toNullable(cell.2), 0), CAST(mapFilter((k, v) -> k NOT IN ({}), {ATTRIBUTES}), \
         'Array(Tuple(String, String))'))) AS cells FROM {table} WHERE {} AND {dataset} AND {filters})",
        after(pieces.list.into_iter()),
        float(selection.min),
        float(selection.max),
        times.start,
        times.end,
        cells.join(", "),
        own.join(", "),
        within(options.window.start_nano()..options.window.end_nano()),
    ))
}

/// Name, spans outside and inside that have it, the values that differ most, and for many numbers where their ranges begin.
fn columns(rows: &str, axis: &str, totals: [u64; 2]) -> String {
    let [outside, inside] = totals.map(|total| float(total.max(1) as f64));
    let x = format!("if(is_text, NULL, {})", reads_as_number("value"));
    let rank = format!("multiIf(is_text, 2, value IN ('true', 'false'), 0, match(value, '{NUMBER}'), 1, 2)");
    let counted = format!(
        "SELECT cell.1 AS name, assumeNotNull(cell.2) AS value, max(cell.3) AS is_text, \
         toFloat64(countIf(NOT inside)) AS o, toFloat64(countIf(inside)) AS i, {x} AS x, \
         (-abs(i / {inside} - o / {outside}), {rank}, ifNull(x, 0), value, o, i) AS entry \
         FROM (SELECT inside, arrayJoin(cells) AS cell FROM {rows}) \
         WHERE isNotNull(cell.2) AND cell.1 != {} GROUP BY name, value",
        quote(axis),
    );
    let by_name = format!(
        "SELECT name, sum(o) AS outside, sum(i) AS inside, max(is_text) AS text, groupArraySorted({MAX_VALUES})(entry) AS entries, \
         if(count() > {MANY_NUMBERS} AND count(x) = count(), arraySort(groupArrayIf((assumeNotNull(x), o, i), isNotNull(x))), []) AS numbers \
         FROM ({counted}) GROUP BY name LIMIT {MAX_COLUMNS}"
    );
    // How many numbers lie before each; the range ends with the number that fills its share.
    let ends = format!(
        "arrayFold((ends, n) -> arrayPushBack(ends, if(ends[-1] < 0, toInt64(-1), \
         toInt64(arrayFirstIndex(sum -> sum >= o_before[ends[-1] + 1] + share, o_before)) - 1)), range({MAX_RANGES}), [toInt64(0)])"
    );
    format!(
        "SELECT name, outside, inside, text, arrayMap(e -> (e.4, e.5, e.6), entries), \
         arrayMap(n -> (numbers[n + 1].1, o_before[n + 1], i_before[n + 1]), arrayFilter(n -> n >= 0 AND n < length(numbers), ends)), \
         numbers[-1].1 FROM (SELECT *, greatest(1, floor(outside / {RANGES})) AS share, \
         arrayPushFront(arrayCumSum(n -> n.2, numbers), 0) AS o_before, arrayPushFront(arrayCumSum(n -> n.3, numbers), 0) AS i_before, \
         {ends} AS ends FROM ({by_name}))"
    )
}

/// Where a range begins, and how many spans outside and inside have a lower number.
struct Start {
    number: Option<Value>,
    before: [u64; 2],
}

impl Start {
    fn read(row: &[Json]) -> Self {
        Self { number: number(row, 0).and_then(Value::float), before: [count(row, 1), count(row, 2)] }
    }
}

fn difference(row: &[Json], totals: [u64; 2]) -> ColumnDifference {
    let filled = [count(row, 1), count(row, 2)];
    let is_text = number(row, 3) == Some(1.0);
    let list = |place: usize| row.get(place).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let starts: Vec<Start> =
        list(5).iter().filter_map(Json::as_array).map(|start| Start::read(start)).collect();
    let mut values: Vec<ValueDifference> = if starts.is_empty() {
        let entry = |entry: &Vec<Json>| {
            let value = text(entry, 0);
            let value = if is_text { Value::from(value) } else { read(value) };
            ValueDifference::new(Some(value), None, [count(entry, 1), count(entry, 2)], totals)
        };
        list(4).iter().filter_map(Json::as_array).map(entry).collect()
    } else {
        let last = Start { number: number(row, 6).and_then(Value::float), before: filled };
        let range = |(low, high): (&Start, &Start)| {
            let count = |side: usize| high.before[side].saturating_sub(low.before[side]);
            ValueDifference::new(low.number.clone(), high.number.clone(), [count(0), count(1)], totals)
        };
        starts.iter().zip(starts.iter().skip(1).chain([&last])).map(range).collect()
    };
    let missing = [totals[0].saturating_sub(filled[0]), totals[1].saturating_sub(filled[1])];
    if missing != [0; 2] {
        values.push(ValueDifference::new(None, None, missing, totals));
    }
    ColumnDifference::new(text(row, 0), values)
}

fn count(row: &[Json], place: usize) -> u64 {
    number(row, place).unwrap_or_default() as u64
}
