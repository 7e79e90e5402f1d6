//! Numbers over time as counts.

use super::aggregate::Rows;
use super::answer::Heatmap;

/// About so many bins; "nice" widths make it some more or fewer.
const BINS: f64 = 50.0;
/// With [`Scale::Auto`] the bins are logarithmic when the largest number is this many times the median.
const FAR: f64 = 20.0;

/// How a heatmap's bins are spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Logarithmic where a linear one would squeeze most of the numbers into one bin.
    #[default]
    Auto,
    Linear,
    Log,
}

/// Bin `n` reaches from `edges[n]` (included) to `edges[n + 1]`; the last one includes its end.
pub(crate) struct Bins {
    pub(crate) edges: Vec<f64>,
    pub(crate) is_log: bool,
}

impl Bins {
    pub(crate) fn of(numbers: &[f64], scale: Scale) -> Self {
        let filled: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
        let (least, most) =
            filled.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), number| {
                (least.min(*number), most.max(*number))
            });
        if filled.is_empty() {
            return Self { edges: Vec::new(), is_log: false };
        }
        let positive = || filled.iter().copied().filter(|number| *number > 0.0).fold(most, f64::min);
        Self::between(least, most, || median(&filled), positive, scale)
    }

    /// From the numbers' least and most, their median, and the least of them that is above zero.
    pub(crate) fn between(
        least: f64,
        most: f64,
        median: impl FnOnce() -> f64,
        positive: impl FnOnce() -> f64,
        scale: Scale,
    ) -> Self {
        let is_log = match scale {
            Scale::Linear => false,
            Scale::Log => most > 0.0,
            Scale::Auto => most > median().max(0.0) * FAR && least >= 0.0,
        };
        if !is_log || most <= 0.0 {
            return Self { edges: linear(least, most), is_log: false };
        }
        let mut edges = logarithmic(positive(), most);
        if least <= 0.0 {
            // Zero has no logarithm: a bin of its own, and below it one for what is negative.
            edges.insert(0, least.min(0.0));
        }
        Self { edges, is_log: true }
    }

    pub(crate) fn count(&self) -> usize {
        self.edges.len().saturating_sub(1)
    }

    pub(crate) fn place(&self, number: f64) -> usize {
        let after = self.edges.partition_point(|edge| *edge <= number);
        after.saturating_sub(1).min(self.count().saturating_sub(1))
    }

    /// Counts by cell and bin.
    pub(crate) fn fill(&self, rows: Rows<'_>, numbers: &[f64]) -> Vec<Vec<u64>> {
        let mut counts = vec![vec![0; self.count()]; rows.count];
        let lookup = Lookup::new(self);
        for (row, cell) in rows.each() {
            if !numbers[row].is_nan() {
                counts[cell][lookup.place(numbers[row])] += 1;
            }
        }
        counts
    }

    pub(crate) fn heatmap(
        &self,
        column: String,
        times: Vec<u64>,
        rows: Rows<'_>,
        numbers: &[f64],
    ) -> Heatmap {
        let counts = self.fill(rows, numbers);
        let scale = if self.is_log { "log" } else { "linear" };
        Heatmap { column, scale, edges: self.edges.clone(), times, counts }
    }
}

/// A guess by division, put right by the edges: faster than the search by halves.
struct Lookup<'a> {
    bins: &'a Bins,
    first: f64,
    per_unit: f64,
}

impl<'a> Lookup<'a> {
    fn new(bins: &'a Bins) -> Self {
        let first = bins.edges.first().copied().unwrap_or(0.0);
        let width = bins.edges.last().copied().unwrap_or(0.0) - first;
        let per_unit = if width > 0.0 { bins.count() as f64 / width } else { 0.0 };
        Self { bins, first, per_unit }
    }

    fn place(&self, number: f64) -> usize {
        if self.bins.is_log {
            return self.bins.place(number);
        }
        let last = self.bins.count() - 1;
        let mut place = (((number - self.first) * self.per_unit) as usize).min(last);
        while place > 0 && number < self.bins.edges[place] {
            place -= 1;
        }
        while place < last && number >= self.bins.edges[place + 1] {
            place += 1;
        }
        place
    }
}

fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    let middle = (numbers.len() - 1) / 2;
    *numbers.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// 1, 2, 2.5 or 5 times a power of ten wide.
fn linear(least: f64, most: f64) -> Vec<f64> {
    let raw = ((most - least) / BINS).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(raw.log10().floor());
    let width = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|step| step * power).find(|width| *width >= raw);
    let width = if most > least { width.unwrap_or(raw) } else { least.abs().max(1.0) / BINS };
    let first = (least / width).floor();
    let count = ((most / width).floor() - first) as usize + 1;
    (0..=count).map(|place| (first + place as f64) * width).collect()
}

/// Equal factors between neighbours.
fn logarithmic(least: f64, most: f64) -> Vec<f64> {
    // Five powers of ten at least 10 bins each, as eyes expect; of a narrow range finer ones.
    let powers = (most / least).log10().max(0.1);
    let count = (BINS / powers).clamp(4.0, 50.0).floor();
    let first = (least.log10() * count).floor();
    let last = (most.log10() * count).floor() + 1.0;
    (0..=(last - first) as usize).map(|place| 10_f64.powf((first + place as f64) / count)).collect()
}
