//! The calculations of a query over the selected rows.

use std::collections::HashMap;

use super::aggregate;
use super::answer::Heatmap;
use super::concurrency::Intervals;
use super::heatmap::{Bins, Scale};
use super::rows::{Places, Steps};
use super::select::Selected;
use crate::spec::{CalculationOp, Spec};

pub(crate) type Numbers = Vec<Option<f64>>;

pub(crate) struct Calculator<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) selected: &'a Selected<'a>,
    pub(crate) steps: Steps,
}

/// Of a HEATMAP: the bins, and how many are in each by step.
pub(crate) struct Binned {
    bins: Bins,
    counts: Vec<Vec<u64>>,
}

impl Calculator<'_> {
    /// By calculation, then by place.
    pub(crate) fn values(&self, places: Places<'_>) -> Vec<Numbers> {
        let is_stepwise = |op| {
            use CalculationOp::{Concurrency, RateAvg, RateMax, RateSum};
            matches!(op, Concurrency | RateAvg | RateMax | RateSum)
        };
        let stepwise = self.spec.calculations.iter().any(|calculation| is_stepwise(calculation.op));
        let series = if stepwise { self.series(places) } else { Vec::new() };
        let mut percentiles = self.percentiles(places, None);
        let values = self.spec.calculations.iter().enumerate().map(|(calculation, of)| {
            let over_steps = |reduce: fn(&[Option<f64>]) -> Option<f64>| {
                (0..places.count)
                    .map(|place| reduce(&series[calculation][place * self.steps.count..][..self.steps.count]))
                    .collect()
            };
            match of.op {
                CalculationOp::Concurrency => over_steps(largest),
                // The sum of all differences is that of the last and the first.
                CalculationOp::RateAvg | CalculationOp::RateMax | CalculationOp::RateSum => over_steps(total),
                op => percentiles
                    .remove(&calculation)
                    .unwrap_or_else(|| self.plain(op, calculation, places, None)),
            }
        });
        values.collect()
    }

    /// By calculation, then by place and step.
    pub(crate) fn series(&self, places: Places<'_>) -> Vec<Numbers> {
        let steps = Some(self.steps);
        let mut percentiles = self.percentiles(places, steps);
        let series = self.spec.calculations.iter().enumerate().map(|(calculation, of)| {
            let rates = |op| differences(&self.plain(op, calculation, places, steps), self.steps.count);
            match of.op {
                CalculationOp::Concurrency => self.concurrency(calculation, places),
                CalculationOp::RateAvg => rates(CalculationOp::Avg),
                CalculationOp::RateSum => rates(CalculationOp::Sum),
                CalculationOp::RateMax => rates(CalculationOp::Max),
                CalculationOp::Heatmap => Vec::new(),
                op => percentiles
                    .remove(&calculation)
                    .unwrap_or_else(|| self.plain(op, calculation, places, steps)),
            }
        });
        series.collect()
    }

    /// Of HEATMAPs, by calculation: everything by step.
    pub(crate) fn binned(&self, scale: Scale) -> Vec<Option<Binned>> {
        let binned = |(calculation, of): (usize, &crate::spec::Calculation)| {
            if of.op != CalculationOp::Heatmap {
                return None;
            }
            let numbers = self.selected.numbers(calculation);
            let bins = Bins::of(self.selected.rows(Places::ONE), numbers, scale);
            let rows = self.selected.rows_of(calculation, Places::ONE, Some(self.steps));
            let counts = bins.fill(rows, numbers);
            Some(Binned { bins, counts })
        };
        self.spec.calculations.iter().enumerate().map(binned).collect()
    }

    /// Of HEATMAPs: by calculation, place and bin, over the whole window.
    pub(crate) fn histograms(
        &self,
        binned: &[Option<Binned>],
        places: Places<'_>,
    ) -> Vec<Option<Vec<Vec<u64>>>> {
        let histogram = |(calculation, binned): (usize, &Option<Binned>)| {
            let rows = self.selected.rows_of(calculation, places, None);
            binned.as_ref().map(|binned| binned.bins.fill(rows, self.selected.numbers(calculation)))
        };
        binned.iter().enumerate().map(histogram).collect()
    }

    /// By the numbers of the calculations. Those of one column are found together.
    fn percentiles(&self, places: Places<'_>, steps: Option<Steps>) -> HashMap<usize, Numbers> {
        let mut wanted: Vec<(u16, usize)> = Vec::new();
        for (calculation, of) in self.spec.calculations.iter().enumerate() {
            if let CalculationOp::Percentile(thousandth) = of.op {
                wanted.push((thousandth, calculation));
            }
        }
        wanted.sort_unstable();
        let mut found = HashMap::new();
        while let Some((_, first)) = wanted.first().copied() {
            let is_alike = |calculation: usize| {
                calculation == first
                    || self.selected.column_of(calculation) == self.selected.column_of(first)
                        && !self.selected.has_filters(calculation)
                        && !self.selected.has_filters(first)
            };
            let (alike, rest): (Vec<_>, Vec<_>) =
                wanted.into_iter().partition(|(_, calculation)| is_alike(*calculation));
            wanted = rest;
            let rows = self.selected.rows_of(first, places, steps);
            let thousandths: Vec<u16> = alike.iter().map(|(thousandth, _)| *thousandth).collect();
            let results = aggregate::percentiles(rows, self.selected.numbers(first), &thousandths);
            found.extend(alike.into_iter().map(|(_, calculation)| calculation).zip(results));
        }
        found
    }

    fn plain(
        &self,
        op: CalculationOp,
        calculation: usize,
        places: Places<'_>,
        steps: Option<Steps>,
    ) -> Numbers {
        let selected = self.selected;
        let rows = selected.rows_of(calculation, places, steps);
        match op {
            CalculationOp::Count if selected.column_of(calculation).is_none() => aggregate::count(rows),
            CalculationOp::Count => aggregate::count_filled(rows, selected.codes(calculation)),
            CalculationOp::CountDistinct => aggregate::count_distinct(rows, selected.codes(calculation)),
            CalculationOp::Sum => aggregate::sum(rows, selected.numbers(calculation)),
            CalculationOp::Avg => aggregate::avg(rows, selected.numbers(calculation)),
            CalculationOp::Max => aggregate::extreme(rows, selected.numbers(calculation), f64::max),
            CalculationOp::Min => aggregate::extreme(rows, selected.numbers(calculation), f64::min),
            // A histogram is no number; the others have ways of their own.
            _ => vec![None; rows.count()],
        }
    }

    fn concurrency(&self, calculation: usize, places: Places<'_>) -> Numbers {
        let Steps { first, step, count: steps } = self.steps;
        let mut members: Vec<Vec<(i64, i64)>> = vec![Vec::new(); places.count];
        self.selected.rows_of(calculation, places, None).places(|place, segment, row| {
            members[place].push((segment.times()[row], segment.durations()[row]));
        });
        let most = |spans: Vec<(i64, i64)>| Intervals::new(spans.into_iter()).most(first, step, steps);
        members.into_iter().flat_map(most).map(|most| Some(most as f64)).collect()
    }
}

impl Binned {
    /// Of everything, over the whole window.
    pub(crate) fn histogram(&self) -> Vec<u64> {
        let mut sums = vec![0; self.bins.count()];
        for counts in &self.counts {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        sums
    }

    pub(crate) fn into_heatmap(self, column: String, times: Vec<u64>) -> Heatmap {
        let scale = if self.bins.is_log { "log" } else { "linear" };
        Heatmap { column, scale, edges: self.bins.edges, times, counts: self.counts }
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
