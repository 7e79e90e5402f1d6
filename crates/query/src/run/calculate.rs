//! The calculations of a query over the selected rows.

use std::collections::HashMap;

use super::Steps;
use super::aggregate::{self, Rows};
use super::answer::Heatmap;
use super::concurrency::Intervals;
use super::groups::NONE;
use super::heatmap::Bins;
use super::select::Selected;
use crate::spec::{CalculationOp, Spec};

pub(crate) type Numbers = Vec<Option<f64>>;

pub(crate) struct Calculator<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) selected: &'a Selected<'a>,
    pub(crate) steps: Steps,
    /// The step of each row.
    pub(crate) step_of: &'a [u32],
    /// By calculation.
    pub(crate) bins: &'a [Option<Bins>],
}

impl Calculator<'_> {
    /// By calculation, then by cell.
    pub(crate) fn values(&self, cells: &[u32], count: usize) -> Vec<Numbers> {
        let is_stepwise = |op| {
            use CalculationOp::{Concurrency, RateAvg, RateMax, RateSum};
            matches!(op, Concurrency | RateAvg | RateMax | RateSum)
        };
        let stepwise = self.spec.calculations.iter().any(|calculation| is_stepwise(calculation.op));
        let series = if stepwise { self.series(cells, count) } else { Vec::new() };
        let mut percentiles = self.percentiles(cells, count);
        let values = self.spec.calculations.iter().enumerate().map(|(place, calculation)| {
            let over_steps = |reduce: fn(&[Option<f64>]) -> Option<f64>| {
                (0..count)
                    .map(|cell| reduce(&series[place][cell * self.steps.count..][..self.steps.count]))
                    .collect()
            };
            match calculation.op {
                CalculationOp::Concurrency => over_steps(largest),
                // The sum of all differences is that of the last and the first.
                CalculationOp::RateAvg | CalculationOp::RateMax | CalculationOp::RateSum => over_steps(total),
                _ => percentiles.remove(&place).unwrap_or_else(|| self.plain(place, cells, count)),
            }
        });
        values.collect()
    }

    /// By calculation, then by cell and step.
    pub(crate) fn series(&self, cells: &[u32], count: usize) -> Vec<Numbers> {
        let steps = self.steps.count;
        let in_step: Vec<u32> = cells
            .iter()
            .zip(self.step_of)
            .map(|(cell, step)| if *cell == NONE { NONE } else { cell * steps as u32 + step })
            .collect();
        let mut percentiles = self.percentiles(&in_step, count * steps);
        let series = self.spec.calculations.iter().enumerate().map(|(place, calculation)| {
            let rates = |op| differences(&self.plain_of(op, place, &in_step, count * steps), steps);
            match calculation.op {
                CalculationOp::Concurrency => self.concurrency(place, cells, count),
                CalculationOp::RateAvg => rates(CalculationOp::Avg),
                CalculationOp::RateSum => rates(CalculationOp::Sum),
                CalculationOp::RateMax => rates(CalculationOp::Max),
                CalculationOp::Heatmap => Vec::new(),
                _ => percentiles.remove(&place).unwrap_or_else(|| self.plain(place, &in_step, count * steps)),
            }
        });
        series.collect()
    }

    /// Of HEATMAPs: by calculation, cell and bin, over the whole window.
    pub(crate) fn histograms(&self, cells: &[u32], count: usize) -> Vec<Option<Vec<Vec<u64>>>> {
        let histogram = |(place, bins): (usize, &Option<Bins>)| {
            let rows = Rows::new(cells, count, self.selected.mask(place));
            bins.as_ref().map(|bins| bins.fill(rows, self.selected.numbers(place)))
        };
        self.bins.iter().enumerate().map(histogram).collect()
    }

    pub(crate) fn heatmaps(&self, times: &[u64]) -> Vec<Heatmap> {
        let heatmap = |(place, bins): (usize, &Option<Bins>)| {
            let bins = bins.as_ref()?;
            let rows = Rows::new(self.step_of, self.steps.count, self.selected.mask(place));
            let column = self.spec.calculations[place].column.clone().unwrap_or_default();
            Some(bins.heatmap(column, times.to_vec(), rows, self.selected.numbers(place)))
        };
        self.bins.iter().enumerate().filter_map(heatmap).collect()
    }

    /// By the places of the calculations. Those of one column are found together.
    fn percentiles(&self, cells: &[u32], count: usize) -> HashMap<usize, Numbers> {
        let mut wanted: Vec<(u16, usize)> = Vec::new();
        for (place, calculation) in self.spec.calculations.iter().enumerate() {
            if let CalculationOp::Percentile(thousandth) = calculation.op {
                wanted.push((thousandth, place));
            }
        }
        wanted.sort_unstable();
        let mut found = HashMap::new();
        while let Some((_, first)) = wanted.first().copied() {
            let is_alike = |place: usize| {
                place == first
                    || self.selected.column_of(place) == self.selected.column_of(first)
                        && self.selected.mask(place).is_none()
                        && self.selected.mask(first).is_none()
            };
            let (alike, rest): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(_, place)| is_alike(*place));
            wanted = rest;
            let rows = Rows::new(cells, count, self.selected.mask(first));
            let thousandths: Vec<u16> = alike.iter().map(|(thousandth, _)| *thousandth).collect();
            let results = aggregate::percentiles(rows, self.selected.numbers(first), &thousandths);
            found.extend(alike.into_iter().map(|(_, place)| place).zip(results));
        }
        found
    }

    fn plain(&self, place: usize, cells: &[u32], count: usize) -> Numbers {
        self.plain_of(self.spec.calculations[place].op, place, cells, count)
    }

    fn plain_of(&self, op: CalculationOp, place: usize, cells: &[u32], count: usize) -> Numbers {
        let selected = self.selected;
        let rows = Rows::new(cells, count, selected.mask(place));
        match op {
            CalculationOp::Count if selected.column_of(place).is_none() => aggregate::count(rows),
            CalculationOp::Count => aggregate::count_filled(rows, selected.codes(place)),
            CalculationOp::CountDistinct => aggregate::count_distinct(rows, selected.codes(place)),
            CalculationOp::Sum => aggregate::sum(rows, selected.numbers(place)),
            CalculationOp::Avg => aggregate::avg(rows, selected.numbers(place)),
            CalculationOp::Max => aggregate::extreme(rows, selected.numbers(place), f64::max),
            CalculationOp::Min => aggregate::extreme(rows, selected.numbers(place), f64::min),
            // A histogram is no number; the others have ways of their own.
            _ => vec![None; count],
        }
    }

    fn concurrency(&self, place: usize, cells: &[u32], count: usize) -> Numbers {
        let Steps { first, step, count: steps } = self.steps;
        let mut members: Vec<Vec<(i64, i64)>> = vec![Vec::new(); count];
        let mask = self.selected.mask(place);
        for (row, cell) in cells.iter().enumerate() {
            if *cell != NONE && mask.is_none_or(|mask| mask[row]) {
                members[*cell as usize].push(self.selected.interval(row));
            }
        }
        let most = |spans: Vec<(i64, i64)>| Intervals::new(spans.into_iter()).most(first, step, steps);
        members.into_iter().flat_map(most).map(|most| Some(most as f64)).collect()
    }
}

fn largest(numbers: &[Option<f64>]) -> Option<f64> {
    numbers.iter().copied().flatten().reduce(f64::max)
}

fn total(numbers: &[Option<f64>]) -> Option<f64> {
    numbers.iter().copied().flatten().reduce(|a, b| a + b)
}

/// From one step that has a number to the next that has one; the first has none to differ from.
pub(crate) fn differences(numbers: &[Option<f64>], steps: usize) -> Numbers {
    let mut differences = vec![None; numbers.len()];
    for (numbers, differences) in numbers.chunks(steps).zip(differences.chunks_mut(steps)) {
        let mut before = None;
        for (number, difference) in numbers.iter().zip(differences) {
            if let Some(number) = number {
                *difference = before.map(|before| number - before);
                before = Some(*number);
            }
        }
    }
    differences
}
