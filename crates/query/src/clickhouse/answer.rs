//! Asks, and makes the answer that the columns in memory would give.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::plan::{Plan, Scope};
use super::sql::{Kind, read};
use super::{Error, Rows, TableName, float, number, text};
use crate::run::answer::{Answer, Heatmap, Keyed, Row, Totals};
use crate::run::calculate::{Numbers, differences};
use crate::run::heatmap::Bins;
use crate::run::{Options, cells, check_size, result_keys, series_keys, series_of};
use crate::spec::{Calculation, CalculationOp, Spec};
use crate::value::Value;

/// By place of the group and bin.
type Histogram = Vec<Vec<u64>>;
/// By calculation.
type Histograms = Vec<Option<Histogram>>;

struct Asker<'a, A> {
    ask: &'a A,
    plan: Plan<'a>,
    spec: &'a Spec,
    steps: usize,
}

/// Runs `spec`; `ask` runs one SELECT.
///
/// # Errors
/// What does not run on ClickHouse or is too much, with its place; or that of `ask`.
pub async fn run<A, E>(table: &TableName, spec: &Spec, options: &Options, ask: &A) -> Result<Answer, Error<E>>
where
    A: AsyncFn(String) -> Result<Rows, E>,
{
    let window = &options.window;
    let times = window.times();
    let plan = Plan::new(spec, options, table)?;
    let asker = Asker { ask, plan, spec, steps: times.len() };

    let found = asker.ask(asker.plan.groups()).await?;
    let groups = found.first().map_or(0, |row| number(row, 2).unwrap_or_default() as usize);
    check_size(spec, found.len(), times.len(), options)?;
    let hashes: Vec<String> = found.iter().map(|row| text(row, 1).to_owned()).collect();
    let shown = Scope::Shown(&hashes);

    let whole = asker.ask(asker.plan.total(Scope::Everything)).await?;
    let matched = whole.first().map_or(0, |row| number(row, 0).unwrap_or_default() as u64);
    let scanned = asker.ask(asker.plan.scanned().to_owned()).await?;
    let scanned = scanned.first().map_or(0, |row| number(row, 0).unwrap_or_default() as u64);

    let (heatmaps, of_shown, of_all) = asker.heatmaps(options, &times, &hashes).await?;
    let has_series = !options.disable_series;
    let series = if has_series { Some(asker.series(shown, &hashes).await?) } else { None };

    let result_keys: Arc<[String]> = result_keys(spec).into();
    let series_keys: Arc<[String]> = series_keys(spec).into();
    let breakdown_keys: Arc<[String]> = spec.breakdowns.clone().into();
    let mut rows = Vec::new();
    for (place, row) in found.iter().enumerate() {
        rows.push(Row {
            group: Keyed { keys: breakdown_keys.clone(), values: key(text(row, 0), &asker.plan.breakdowns) },
            values: Keyed {
                keys: result_keys.clone(),
                values: cells(spec, &numbers(row, 4), &of_shown, place),
            },
            exemplars: row
                .get(3)
                .and_then(Json::as_array)
                .map(|ids| ids.iter().filter_map(Value::from_json).collect())
                .unwrap_or_default(),
            series: match &series {
                Some(series) => {
                    Keyed { keys: series_keys.clone(), values: series_of(spec, series, place, times.len()) }
                }
                None => Keyed::default(),
            },
        });
    }
    let truncated = groups > rows.len();
    let (mut totals, mut other) = (Totals::default(), None);
    if !options.disable_totals {
        let values = cells(spec, &numbers(&whole[0], 1), &of_all, 0);
        totals.values = Keyed { keys: result_keys.clone(), values };
        if has_series {
            let series = asker.series(Scope::Everything, &[String::new()]).await?;
            totals.series = Keyed { keys: series_keys, values: series_of(spec, &series, 0, times.len()) };
        }
    }
    if truncated {
        let mut others = Totals::default();
        if !options.disable_totals {
            let rest = asker.ask(asker.plan.total(Scope::Others(&hashes))).await?;
            let of_rest = without(&of_all, &of_shown);
            others.values =
                Keyed { keys: result_keys, values: cells(spec, &numbers(&rest[0], 1), &of_rest, 0) };
        }
        other = Some(others);
    }
    Ok(Answer {
        query: spec.to_json(),
        start: window.start,
        end: window.end,
        granularity: window.granularity,
        times,
        rows,
        totals,
        other,
        heatmaps,
        groups,
        truncated,
        scanned,
        matched,
    })
}

impl<A> Asker<'_, A> {
    async fn ask<E>(&self, sql: String) -> Result<Rows, Error<E>>
    where
        A: AsyncFn(String) -> Result<Rows, E>,
    {
        (self.ask)(sql).await.map_err(Error::Ask)
    }

    /// By calculation, then by place in `keys` and step.
    async fn series<E>(&self, scope: Scope<'_>, keys: &[String]) -> Result<Vec<Numbers>, Error<E>>
    where
        A: AsyncFn(String) -> Result<Rows, E>,
    {
        use CalculationOp::{Concurrency, Count, CountDistinct, Heatmap, RateAvg, RateMax, RateSum};
        let steps = self.steps;
        let places: HashMap<&str, usize> =
            keys.iter().enumerate().map(|(place, key)| (key.as_str(), place)).collect();
        let empty = |calculation: &Calculation| match calculation.op {
            Count | CountDistinct | Concurrency => vec![Some(0.0); keys.len() * steps],
            Heatmap => Vec::new(),
            _ => vec![None; keys.len() * steps],
        };
        let mut series: Vec<Numbers> = self.spec.calculations.iter().map(empty).collect();
        for row in self.ask(self.plan.series(scope)).await? {
            let (Some(place), Some(step)) = (places.get(text(&row, 0)), number(&row, 1)) else { continue };
            for (calculation, (series, value)) in
                self.spec.calculations.iter().zip(series.iter_mut().zip(numbers(&row, 2)))
            {
                if !matches!(calculation.op, Heatmap | Concurrency) {
                    series[place * steps + step as usize] = value;
                }
            }
        }
        for (place, calculation) in self.spec.calculations.iter().enumerate() {
            if matches!(calculation.op, RateAvg | RateMax | RateSum) {
                series[place] = differences(&series[place], steps);
            }
            let Some(sql) = self.plan.concurrency(place, scope) else { continue };
            for row in self.ask(sql).await? {
                let Some(group) = places.get(text(&row, 0)) else { continue };
                let (Some(at), Some(most)) = (row[2].as_array(), row[3].as_array()) else { continue };
                for (step, most) in at.iter().filter_map(float).zip(most.iter().map(float)) {
                    series[place][group * steps + step as usize] = most;
                }
            }
        }
        Ok(series)
    }

    /// The heatmaps, and the histograms of the groups that are shown and of everything.
    async fn heatmaps<E>(
        &self,
        options: &Options,
        times: &[u64],
        hashes: &[String],
    ) -> Result<(Vec<Heatmap>, Histograms, Histograms), Error<E>>
    where
        A: AsyncFn(String) -> Result<Rows, E>,
    {
        let places: HashMap<&str, usize> =
            hashes.iter().enumerate().map(|(place, key)| (key.as_str(), place)).collect();
        let count = self.spec.calculations.len();
        let (mut heatmaps, mut shown, mut all) = (Vec::new(), vec![None; count], vec![None; count]);
        for (place, calculation) in self.spec.calculations.iter().enumerate() {
            let Some(sql) = self.plan.spread(place) else { continue };
            let spread = self.ask(sql).await?.first().map(|row| numbers(row, 0)).unwrap_or_default();
            let bins = match spread[..] {
                [Some(least), Some(most), median, positive] => Bins::between(
                    least,
                    most,
                    || median.unwrap_or(least),
                    || positive.unwrap_or(most),
                    options.scale,
                ),
                _ => Bins { edges: Vec::new(), is_log: false },
            };
            let mut counts = vec![vec![0; bins.count()]; times.len()];
            let mut of_shown = vec![vec![0; bins.count()]; hashes.len()];
            if bins.count() > 0 {
                for scope in [Scope::Everything, Scope::Shown(hashes)] {
                    let Some(sql) = self.plan.bins(place, &bins.edges, scope) else { continue };
                    for row in self.ask(sql).await? {
                        let [Some(step), Some(bin), Some(count)] = numbers(&row, 1)[..] else { continue };
                        let line = match scope {
                            Scope::Everything => counts.get_mut(step as usize),
                            _ => places.get(text(&row, 0)).and_then(|place| of_shown.get_mut(*place)),
                        };
                        if let Some(cell) = line.and_then(|line| line.get_mut(bin as usize)) {
                            *cell = count as u64;
                        }
                    }
                }
            }
            let whole = (0..bins.count()).map(|bin| counts.iter().map(|line| line[bin]).sum()).collect();
            all[place] = Some(vec![whole]);
            shown[place] = Some(of_shown);
            heatmaps.push(Heatmap {
                column: calculation.column.clone().unwrap_or_default(),
                scale: if bins.is_log { "log" } else { "linear" },
                edges: bins.edges,
                times: times.to_vec(),
                counts,
            });
        }
        Ok((heatmaps, shown, all))
    }
}

/// What of `all` is in no group that is shown.
fn without(all: &Histograms, shown: &Histograms) -> Histograms {
    let rest = |(all, shown): (&Option<Histogram>, &Option<Histogram>)| {
        let (all, shown) = (all.as_ref()?.first()?, shown.as_ref()?);
        let bins = all.iter().enumerate();
        let rest = bins.map(|(bin, count)| count.saturating_sub(shown.iter().map(|group| group[bin]).sum()));
        Some(vec![rest.collect()])
    };
    all.iter().zip(shown).map(rest).collect()
}

/// The values of a group, out of the JSON that it is keyed by.
fn key(json: &str, kinds: &[Kind]) -> Vec<Option<Value>> {
    let texts: Vec<Option<String>> = serde_json::from_str(json).unwrap_or_default();
    let value = |(kind, text): (&Kind, Option<String>)| {
        text.map(|text| if *kind == Kind::Text { Value::from(text.as_str()) } else { read(&text) })
    };
    kinds.iter().zip(texts).map(value).collect()
}

fn numbers(row: &[Json], from: usize) -> Numbers {
    row.iter().skip(from).map(float).collect()
}
