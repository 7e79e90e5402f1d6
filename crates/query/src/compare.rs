//! What differs: the spans inside a box of a heatmap against all others of the query, over every column.

use std::ops::Range;

use serde::Serialize;

use crate::run::Options;
use crate::run::columns::Columns;
use crate::run::filter::Filters;
use crate::run::of_dataset;
use crate::run::select::window_mask;
use crate::spec::{Combination, Filter, Spec, SpecError};
use crate::table::{Code, DURATION, MISSING, Table};
use crate::value::Value;

/// Columns that are told, those that differ most.
const MAX_COLUMNS: usize = 100;
/// Values of a column that are told, those that differ most.
pub(crate) const MAX_VALUES: usize = 12;
/// A column of numbers with more distinct ones is compared by ranges.
pub(crate) const MANY_NUMBERS: usize = 24;
/// Ranges of equal share of the spans outside.
pub(crate) const RANGES: usize = 10;

/// A box: a column from `min` to `max`, both included, and a time from `start` to `end`, in unix seconds.
#[derive(Clone, Debug)]
pub struct Box {
    pub column: String,
    pub min: f64,
    pub max: f64,
    pub start: f64,
    pub end: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    pub inside: u64,
    pub outside: u64,
    /// Those that differ most first.
    pub columns: Vec<ColumnDifference>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ColumnDifference {
    pub column: String,
    /// The largest difference between the two shares of one value, 0 to 1.
    pub score: f64,
    pub values: Vec<ValueDifference>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ValueDifference {
    /// Null: the span has no such column. Of a column of many numbers: the lower end of a range.
    pub value: Option<Value>,
    /// The upper end of a range, not included but for the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<Value>,
    /// Shares of the spans inside and outside, 0 to 1.
    pub inside: f64,
    pub outside: f64,
}

/// How often each code occurs, outside and inside.
type Counts = Vec<[u64; 2]>;

/// # Errors
/// A column of another span.
pub fn compare(
    table: &Table,
    spec: &Spec,
    options: &Options,
    selection: &Box,
) -> Result<Difference, SpecError> {
    let mut columns = Columns::new(table, &spec.calculated_fields)?;
    let dataset: Vec<Filter> = options.dataset.iter().map(|dataset| of_dataset(dataset)).collect();
    let mut in_dataset = Filters::find(&dataset, Combination::And, &mut columns, "")?;
    let mut filters = Filters::find(&spec.filters, spec.filter_combination, &mut columns, "")?;
    let axis = columns.find(&selection.column, || "box.column".to_owned())?;
    let names: Vec<&str> = table
        .columns()
        .map(|(name, ..)| name)
        .chain((selection.column != DURATION).then_some(DURATION))
        .chain(spec.calculated_fields.iter().map(|field| field.name.as_str()))
        .filter(|name| *name != selection.column)
        .collect();
    let places = names.iter().map(|name| columns.find(name, String::new)).collect::<Result<Vec<_>, _>>()?;

    let (start, end) = (options.window.start_nano(), options.window.end_nano());
    let box_times = selection.times();
    let mut totals = [0_u64; 2];
    let mut counts: Vec<Counts> = vec![Vec::new(); names.len()];
    let mut numbers = Vec::new();
    for (number, segment) in table.segments().enumerate() {
        let Some(mut mask) = window_mask(segment, start, end) else { continue };
        in_dataset.apply(&mut columns, number, segment, &mut mask);
        filters.apply(&mut columns, number, segment, &mut mask);
        numbers.clear();
        columns.numbers(axis, number, segment, 0..segment.rows(), &mut numbers);
        // 0 outside, 1 inside, 2 neither.
        let sides: Vec<u8> = (0..segment.rows())
            .map(|row| {
                let is_inside = box_times.contains(&segment.times()[row])
                    && (selection.min..=selection.max).contains(&numbers[row]);
                if mask[row] { u8::from(is_inside) } else { 2 }
            })
            .collect();
        let mut of_segment = [0_u64; 3];
        sides.iter().for_each(|side| of_segment[usize::from(*side)] += 1);
        if of_segment[0] + of_segment[1] == 0 {
            continue;
        }
        totals[0] += of_segment[0];
        totals[1] += of_segment[1];
        for (place, counts) in places.iter().zip(&mut counts) {
            columns.load(*place, number, segment);
            // One more place at the end takes the rows of neither side.
            counts.resize(columns.code_count(*place), [0; 2]);
            for (code, side) in columns.cells(*place).iter().zip(&sides) {
                if let Some(count) = counts[*code as usize].get_mut(usize::from(*side)) {
                    *count += 1;
                }
            }
        }
    }
    let differences = names.iter().zip(&places).zip(&mut counts).filter_map(|((name, place), counts)| {
        counts.resize(columns.code_count(*place).max(1), [0; 2]);
        difference(name, counts, totals, |code| columns.value(*place, code))
    });
    Ok(Difference::new(totals, differences.collect()))
}

impl Box {
    /// In nanoseconds.
    pub(crate) fn times(&self) -> Range<i64> {
        let nanos = |seconds: f64| (seconds * 1e9) as i64;
        nanos(self.start)..nanos(self.end)
    }
}

impl Difference {
    /// `totals` are outside and inside.
    pub(crate) fn new(totals: [u64; 2], mut columns: Vec<ColumnDifference>) -> Self {
        columns.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.column.cmp(&b.column)));
        columns.truncate(MAX_COLUMNS);
        Self { inside: totals[1], outside: totals[0], columns }
    }
}

impl ColumnDifference {
    pub(crate) fn new(column: &str, mut values: Vec<ValueDifference>) -> Self {
        let apart = |value: &ValueDifference| (value.inside - value.outside).abs();
        let score = values.iter().map(apart).fold(0.0, f64::max);
        values.sort_by(|a, b| apart(b).total_cmp(&apart(a)).then_with(|| a.value.cmp(&b.value)));
        values.truncate(MAX_VALUES);
        Self { column: column.to_owned(), score, values }
    }
}

impl ValueDifference {
    /// `counts` and `totals` are outside and inside.
    pub(crate) fn new(
        value: Option<Value>,
        below: Option<Value>,
        counts: [u64; 2],
        totals: [u64; 2],
    ) -> Self {
        let share = |side: usize| counts[side] as f64 / totals[side].max(1) as f64;
        Self { value, below, inside: share(1), outside: share(0) }
    }
}

fn difference<'v>(
    name: &str,
    counts: &Counts,
    totals: [u64; 2],
    value: impl Fn(Code) -> Option<&'v Value>,
) -> Option<ColumnDifference> {
    let entry = |value, below, counts| ValueDifference::new(value, below, counts, totals);
    let filled = || counts.iter().enumerate().skip(1).filter(|(_, [outside, inside])| outside + inside > 0);
    // A column that no row of either side has says nothing.
    filled().next()?;
    let numbers: Option<Vec<(f64, [u64; 2])>> =
        filled().map(|(code, counts)| Some((value(code as Code)?.number()?, *counts))).collect();
    let mut values: Vec<ValueDifference> = match numbers {
        Some(numbers) if numbers.len() > MANY_NUMBERS => {
            ranges(numbers).into_iter().map(|(low, high, counts)| entry(low, high, counts)).collect()
        }
        _ => filled().map(|(code, counts)| entry(value(code as Code).cloned(), None, *counts)).collect(),
    };
    let missing = counts[MISSING as usize];
    if missing != [0; 2] {
        values.push(entry(None, None, missing));
    }
    Some(ColumnDifference::new(name, values))
}

/// Ranges that hold about the same number of the spans outside; equal numbers stay together.
fn ranges(mut numbers: Vec<(f64, [u64; 2])>) -> Vec<(Option<Value>, Option<Value>, [u64; 2])> {
    numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
    let outside: u64 = numbers.iter().map(|(_, counts)| counts[0]).sum();
    let most = (outside / RANGES as u64).max(1);
    let mut ranges: Vec<(f64, [u64; 2])> = Vec::new();
    for (number, [outside, inside]) in &numbers {
        match ranges.last_mut() {
            Some((_, counts)) if counts[0] < most => {
                counts[0] += outside;
                counts[1] += inside;
            }
            _ => ranges.push((*number, [*outside, *inside])),
        }
    }
    let last = numbers.last().map(|(number, _)| *number);
    let ends = ranges.iter().skip(1).map(|(low, _)| Some(*low)).chain([last]);
    let float = |number: f64| Value::float(number);
    ranges.iter().zip(ends).map(|((low, counts), end)| (float(*low), end.and_then(float), *counts)).collect()
}
