//! Numbers over time as counts.

use super::rows::{NumberColumn, Rows};

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
    pub(crate) fn of(rows: Rows<'_>, numbers: NumberColumn<'_>, scale: Scale) -> Self {
        let Some((least, most)) = rows.range(numbers) else {
            return Self { edges: Vec::new(), is_log: false };
        };
        let positive = || {
            let mut least = most;
            rows.numbers(numbers, |_, number| least = if number > 0.0 { least.min(number) } else { least });
            least
        };
        // The median is one of those that `most` is far from when more than half of all are: no need to find it.
        let is_far = || {
            let (mut far, mut count) = (0_u64, 0_u64);
            rows.numbers(numbers, |_, number| {
                far += u64::from(is_far(most, number));
                count += 1;
            });
            far > (count - 1) / 2
        };
        Self::spaced(least, most, is_far, positive, scale)
    }

    /// From the numbers' least and most, their median, and the least of them that is above zero.
    pub(crate) fn between(
        least: f64,
        most: f64,
        median: impl FnOnce() -> f64,
        positive: impl FnOnce() -> f64,
        scale: Scale,
    ) -> Self {
        Self::spaced(least, most, || is_far(most, median()), positive, scale)
    }

    fn spaced(
        least: f64,
        most: f64,
        is_far: impl FnOnce() -> bool,
        positive: impl FnOnce() -> f64,
        scale: Scale,
    ) -> Self {
        let is_log = match scale {
            Scale::Linear => false,
            Scale::Log => most > 0.0,
            Scale::Auto => least >= 0.0 && is_far(),
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

    /// Counts by cell and bin.
    pub(crate) fn fill(&self, rows: Rows<'_>, numbers: NumberColumn<'_>) -> Vec<Vec<u64>> {
        let bins = self.count();
        if bins == 0 {
            return vec![Vec::new(); rows.count()];
        }
        let mut counts = vec![0; rows.count() * bins];
        let lookup = Lookup::new(&self.edges);
        rows.numbers(numbers, |cell, number| counts[cell * bins + lookup.place(number)] += 1);
        counts.chunks(bins).map(<[u64]>::to_vec).collect()
    }
}

/// Whether a linear scale for `most` would squeeze a number of this size to its foot.
fn is_far(most: f64, number: f64) -> bool {
    most > number.max(0.0) * FAR
}

/// The bin of a number, by a table of where the bins of numbers with the same leading bits begin. The bits of numbers
/// that are not negative sort as the numbers do.
struct Lookup<'a> {
    edges: &'a [f64],
    /// The leading bits of the first edge above zero.
    base: u64,
    /// From `base` on.
    begins: Vec<u16>,
}

/// What is left off: all but the exponent and 8 bits, so that two numbers with the same leading bits differ by less than
/// 0.4 %, and few of them need more than the table says.
const LOOKUP_SHIFT: u32 = 52 - 8;

impl<'a> Lookup<'a> {
    fn new(edges: &'a [f64]) -> Self {
        let mut lookup = Self { edges, base: 0, begins: Vec::new() };
        if edges[0] < 0.0 {
            return lookup;
        }
        let leading = |edge: f64| edge.to_bits() >> LOOKUP_SHIFT;
        lookup.base = leading(if edges[0] > 0.0 { edges[0] } else { edges[1] });
        let mut place = 0;
        for bits in lookup.base..=leading(edges[edges.len() - 1]) {
            lookup.begins.push(place as u16);
            place = lookup.up_from(place, f64::from_bits((bits + 1) << LOOKUP_SHIFT));
        }
        lookup
    }

    fn place(&self, number: f64) -> usize {
        let Some(last) = self.begins.len().checked_sub(1) else {
            // Some numbers are negative.
            let after = self.edges.partition_point(|edge| *edge <= number);
            return after.saturating_sub(1).min(self.edges.len() - 2);
        };
        let bits = (number.to_bits() >> LOOKUP_SHIFT).saturating_sub(self.base) as usize;
        self.up_from(usize::from(self.begins[bits.min(last)]), number)
    }

    fn up_from(&self, mut place: usize, number: f64) -> usize {
        while place + 2 < self.edges.len() && number >= self.edges[place + 1] {
            place += 1;
        }
        place
    }
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
