//! A query over a table: first the rows that pass and their groups, then every calculation over cells of them.

mod aggregate;
pub(crate) mod answer;
pub(crate) mod calculate;
pub(crate) mod columns;
mod concurrency;
pub(crate) mod filter;
mod groups;
pub(crate) mod hash;
pub(crate) mod heatmap;
mod rows;
pub(crate) mod select;
mod window;

use std::cmp::Ordering;
use std::sync::Arc;

use crate::spec::{CalculationOp, Filter, FilterOp, Named, OrderBy, Spec, SpecError};
use crate::table::Table;
use crate::value::Value;

pub use answer::{Answer, Cell, Heatmap, Keyed, Row, Totals};
pub use heatmap::Scale;
pub use window::Window;

pub(crate) use aggregate::nearest_rank;
use calculate::{Calculator, Numbers};
use rows::{NONE, Places, Steps};
use select::Selected;

/// Traces that a row names.
pub(crate) const EXEMPLARS: usize = 3;
/// Numbers that are worked out at once: 160 MB.
const MAX_NUMBERS: usize = 10_000_000;
/// Numbers in the series of an answer: some 20 MB of JSON.
const MAX_POINTS: usize = 2_000_000;

/// What is asked beside the query.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only spans of this service, as in a dataset of that name.
    pub dataset: Option<String>,
    pub window: Window,
    pub scale: Scale,
    /// As Honeycomb's query results take them.
    pub disable_series: bool,
    pub disable_totals: bool,
}

impl Options {
    pub fn new(window: Window) -> Self {
        Self { dataset: None, window, scale: Scale::Auto, disable_series: false, disable_totals: false }
    }
}

/// # Errors
/// A column of another span, or more groups and steps than memory is given to.
pub fn run(table: &Table, spec: &Spec, options: &Options) -> Result<Answer, SpecError> {
    let Options { window, .. } = options;
    let times = window.times();
    let selected = Selected::new(table, spec, options)?;
    let steps = Steps { first: window.first_nano(), step: window.step_nano(), count: times.len() };
    let calculator = Calculator { spec, selected: &selected, steps };

    let group_count = selected.group_count();
    check_size(spec, group_count, steps.count, options)?;
    let binned = calculator.binned(options.scale);

    // All groups, to choose those that are shown.
    let by_group = calculator.values(selected.groups());
    let of_group =
        |group: usize| -> Vec<Option<f64>> { by_group.iter().map(|numbers| numbers[group]).collect() };
    let mut shown: Vec<usize> = (0..group_count)
        .filter(|group| {
            spec.havings.iter().all(|having| {
                by_group[having.calculation][*group]
                    .is_some_and(|number| having.op.holds(number, having.value))
            })
        })
        .collect();
    let groups = shown.len();
    sort(&mut shown, spec, &by_group, &selected);
    let truncated = groups > shown.len();

    let is_one = spec.breakdowns.is_empty();
    let whole = || -> Vec<Option<Vec<Vec<u64>>>> {
        binned.iter().map(|binned| binned.as_ref().map(|binned| vec![binned.histogram()])).collect()
    };
    let mut shown_places = vec![NONE; group_count];
    for (place, group) in shown.iter().enumerate() {
        shown_places[*group] = place as u32;
    }
    let places = selected.places(&shown_places, shown.len());
    let exemplars = selected.exemplars(places, EXEMPLARS);
    let histograms = if is_one { whole() } else { calculator.histograms(&binned, places) };
    let series = (!options.disable_series).then(|| calculator.series(places));

    let result_keys: Arc<[String]> = result_keys(spec).into();
    let series_keys: Arc<[String]> = series_keys(spec).into();
    let breakdown_keys: Arc<[String]> = spec.breakdowns.clone().into();
    let lines = |series: Option<&Vec<Numbers>>, place: usize| match series {
        Some(series) => {
            Keyed { keys: series_keys.clone(), values: series_of(spec, series, place, steps.count) }
        }
        None => Keyed::default(),
    };
    let row = |(place, group): (usize, &usize)| Row {
        group: Keyed {
            keys: breakdown_keys.clone(),
            values: selected.key(*group).map(Option::<&Value>::cloned).collect(),
        },
        values: Keyed {
            keys: result_keys.clone(),
            values: cells(spec, &of_group(*group), &histograms, place),
        },
        exemplars: exemplars[place].clone(),
        series: lines(series.as_ref(), place),
    };
    let rows: Vec<Row> = shown.iter().enumerate().map(row).collect();

    let total = |numbers: &[Numbers], histograms: &[Option<Vec<Vec<u64>>>]| {
        let numbers: Vec<_> = numbers.iter().map(|numbers| numbers[0]).collect();
        Keyed { keys: result_keys.clone(), values: cells(spec, &numbers, histograms, 0) }
    };
    let totals = match (options.disable_totals, is_one) {
        (true, _) => Totals::default(),
        // The one group is everything, unless `havings` left it out.
        (false, true) if shown.len() == 1 => {
            Totals { values: total(&by_group, &histograms), series: lines(series.as_ref(), 0) }
        }
        (false, _) => {
            let series = (!options.disable_series).then(|| calculator.series(Places::ONE));
            let values = total(&calculator.values(Places::ONE), &whole());
            Totals { values, series: lines(series.as_ref(), 0) }
        }
    };
    let other = if !truncated {
        None
    } else if options.disable_totals {
        Some(Totals::default())
    } else {
        let others: Vec<u32> =
            shown_places.iter().map(|place| if *place == NONE { 0 } else { NONE }).collect();
        let others = selected.places(&others, 1);
        let values = total(&calculator.values(others), &calculator.histograms(&binned, others));
        Some(Totals { values, series: Keyed::default() })
    };
    let heatmaps = binned.into_iter().zip(&spec.calculations).filter_map(|(binned, calculation)| {
        let column = calculation.column.clone().unwrap_or_default();
        Some(binned?.into_heatmap(column, times.clone()))
    });

    Ok(Answer {
        query: spec.to_json(),
        start: window.start,
        end: window.end,
        granularity: window.granularity,
        heatmaps: heatmaps.collect(),
        times,
        rows,
        totals,
        other,
        groups,
        truncated,
        scanned: selected.scanned,
        matched: selected.matched() as u64,
    })
}

/// What would take too much memory is refused.
pub(crate) fn check_size(
    spec: &Spec,
    groups: usize,
    steps: usize,
    options: &Options,
) -> Result<(), SpecError> {
    use CalculationOp::{Concurrency, RateAvg, RateMax, RateSum};
    let is_stepwise = |op| matches!(op, Concurrency | RateAvg | RateSum | RateMax);
    let count = spec.calculations.len();
    let all = groups.saturating_mul(count);
    let in_steps = spec.calculations.iter().any(|calculation| is_stepwise(calculation.op));
    if all.saturating_mul(if in_steps { steps } else { 1 }) > MAX_NUMBERS {
        let over = if in_steps { format!(" over {steps} steps") } else { String::new() };
        let message = format!("{groups} groups are too many for {count} calculations{over}");
        return Err(SpecError::new("breakdowns", message));
    }
    let shown = groups.min(spec.limit as usize);
    if !options.disable_series && shown.saturating_mul(count).saturating_mul(steps) > MAX_POINTS {
        let message =
            format!("{steps} steps of {shown} groups and {count} calculations are too many to show");
        return Err(SpecError::new("granularity", message));
    }
    Ok(())
}

/// The first `limit` by `orders`, else by the first calculation, the largest first; equal ones by their breakdowns. What
/// has no value comes last either way.
fn sort(shown: &mut Vec<usize>, spec: &Spec, by_group: &[Numbers], selected: &Selected<'_>) {
    let formulas: Vec<(usize, Numbers)> = spec
        .orders
        .iter()
        .filter_map(|order| match order.by {
            OrderBy::Formula(place) => {
                let value = |group: usize| {
                    let numbers: Vec<_> = by_group.iter().map(|numbers| numbers[group]).collect();
                    formula(&spec.formulas[place], spec, &numbers)
                };
                Some((place, (0..selected.group_count()).map(value).collect()))
            }
            _ => None,
        })
        .collect();
    let by_default = spec
        .calculations
        .iter()
        .position(|calculation| calculation.op != CalculationOp::Heatmap)
        .filter(|_| spec.orders.is_empty());
    let compare = |a: &usize, b: &usize| {
        let numbers = |numbers: &Numbers, descending: bool| {
            let (a, b) = (numbers[*a], numbers[*b]);
            let missing = a.is_none().cmp(&b.is_none());
            let ascending = a.unwrap_or(0.0).total_cmp(&b.unwrap_or(0.0));
            missing.then(if descending { ascending.reverse() } else { ascending })
        };
        let by_order = spec.orders.iter().map(|order| match order.by {
            OrderBy::Calculation(place) => numbers(&by_group[place], order.descending),
            OrderBy::Formula(place) => {
                let found = formulas.iter().find(|(known, _)| *known == place);
                numbers(&found.expect("worked out above").1, order.descending)
            }
            OrderBy::Breakdown(place) => {
                let value = |group: usize| selected.key(group).nth(place).flatten();
                let (a, b) = (value(*a), value(*b));
                let missing = a.is_none().cmp(&b.is_none());
                missing.then(if order.descending { b.cmp(&a) } else { a.cmp(&b) })
            }
            OrderBy::Nothing => Ordering::Equal,
        });
        let by_default = by_default.map(|place| numbers(&by_group[place], true));
        by_order
            .chain(by_default)
            .find(|ordering| ordering.is_ne())
            .unwrap_or_else(|| selected.key(*a).cmp(selected.key(*b)))
    };
    // No two groups are equal, so that those left out need no order.
    let limit = spec.limit as usize;
    if shown.len() > limit {
        shown.select_nth_unstable_by(limit, compare);
        shown.truncate(limit);
    }
    shown.sort_unstable_by(compare);
}

/// A formula of one group and step, from all calculations of it.
fn formula(formula: &Named, spec: &Spec, numbers: &[Option<f64>]) -> Option<f64> {
    let values: Vec<Option<Value>> = formula
        .parsed
        .columns()
        .map(|name| {
            let place = spec.calculations.iter().position(|calculation| calculation.key() == name);
            numbers[place?].and_then(Value::float)
        })
        .collect();
    let cells: Vec<_> = values.iter().map(|value| value.as_ref().map(Value::as_ref)).collect();
    match formula.parsed.evaluate(&cells, 0)? {
        Value::Bool(bool) => Some(f64::from(u8::from(bool))),
        value => value.number(),
    }
}

/// With formulas those alone, as Honeycomb shows them.
pub(crate) fn result_keys(spec: &Spec) -> Vec<String> {
    if spec.formulas.is_empty() {
        return spec.calculations.iter().map(crate::spec::Calculation::key).collect();
    }
    spec.formulas.iter().map(|formula| formula.name.clone()).collect()
}

/// A HEATMAP has no series but its heatmap.
pub(crate) fn series_keys(spec: &Spec) -> Vec<String> {
    if !spec.formulas.is_empty() {
        return result_keys(spec);
    }
    let is_line = |calculation: &&crate::spec::Calculation| calculation.op != CalculationOp::Heatmap;
    spec.calculations.iter().filter(is_line).map(crate::spec::Calculation::key).collect()
}

pub(crate) fn cells(
    spec: &Spec,
    numbers: &[Option<f64>],
    histograms: &[Option<Vec<Vec<u64>>>],
    place: usize,
) -> Vec<Cell> {
    if !spec.formulas.is_empty() {
        let values = spec.formulas.iter().map(|named| formula(named, spec, numbers).and_then(Value::float));
        return values.map(Cell::Number).collect();
    }
    let cell = |(number, histogram): (&Option<f64>, &Option<Vec<Vec<u64>>>)| match histogram {
        Some(histogram) => Cell::Histogram(histogram[place].clone()),
        None => Cell::Number(number.and_then(Value::float)),
    };
    numbers.iter().zip(histograms).map(cell).collect()
}

/// `series`: by calculation, then by place and step.
pub(crate) fn series_of(
    spec: &Spec,
    series: &[Numbers],
    place: usize,
    steps: usize,
) -> Vec<Vec<Option<Value>>> {
    let of_place = |numbers: &Numbers| numbers[place * steps..][..steps].to_vec();
    if !spec.formulas.is_empty() {
        let at =
            |step: usize| -> Vec<_> { series.iter().map(|numbers| numbers[place * steps + step]).collect() };
        let line = |named: &Named| {
            (0..steps).map(|step| formula(named, spec, &at(step)).and_then(Value::float)).collect()
        };
        return spec.formulas.iter().map(line).collect();
    }
    let is_line =
        |(calculation, _): &(&crate::spec::Calculation, _)| calculation.op != CalculationOp::Heatmap;
    let lines = spec.calculations.iter().zip(series).filter(is_line);
    lines
        .map(|(_, numbers)| {
            of_place(numbers).into_iter().map(|number| number.and_then(Value::float)).collect()
        })
        .collect()
}

/// The filter that a dataset is.
pub(crate) fn of_dataset(dataset: &str) -> Filter {
    Filter { column: "service.name".to_owned(), op: FilterOp::Equal, values: vec![Value::from(dataset)] }
}
