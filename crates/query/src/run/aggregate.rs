//! Rows -> one number a cell. A cell is a group, a step of time, a step of a group's time, or everything: whoever asks
//! numbers the cells, and [`NONE`] leaves a row out.

use super::groups::NONE;
use super::hash::MixState;
use crate::table::{Code, MISSING};

/// Rows of a calculation: the cell of each, and which pass the calculation's own filters.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) cells: &'a [u32],
    pub(crate) count: usize,
    pub(crate) mask: Option<&'a [bool]>,
}

type Numbers = Vec<Option<f64>>;

impl<'a> Rows<'a> {
    /// Place and cell of the rows that count.
    pub(crate) fn each(self) -> impl Iterator<Item = (usize, usize)> + 'a {
        let mask = self.mask;
        let is_in = move |row: usize| mask.is_none_or(|mask| mask[row]);
        let cells = self.cells.iter().enumerate();
        cells
            .filter(move |(row, cell)| **cell != NONE && is_in(*row))
            .map(|(row, cell)| (row, *cell as usize))
    }
}

pub(crate) fn count(rows: Rows<'_>) -> Numbers {
    let mut counts = vec![0_u64; rows.count];
    rows.each().for_each(|(_, cell)| counts[cell] += 1);
    counts.into_iter().map(|count| Some(count as f64)).collect()
}

/// Of rows that have the column.
pub(crate) fn count_filled(rows: Rows<'_>, codes: &[Code]) -> Numbers {
    let mut counts = vec![0_u64; rows.count];
    rows.each().for_each(|(row, cell)| counts[cell] += u64::from(codes[row] != MISSING));
    counts.into_iter().map(|count| Some(count as f64)).collect()
}

pub(crate) fn count_distinct(rows: Rows<'_>, codes: &[Code]) -> Numbers {
    let mut counts = vec![0_u64; rows.count];
    let mut seen = std::collections::HashSet::with_hasher(MixState::default());
    for (row, cell) in rows.each() {
        if codes[row] != MISSING && seen.insert((cell as u64) << 32 | u64::from(codes[row])) {
            counts[cell] += 1;
        }
    }
    counts.into_iter().map(|count| Some(count as f64)).collect()
}

/// Sum and number of the numbers.
fn sums(rows: Rows<'_>, numbers: &[f64]) -> Vec<(f64, u64)> {
    let mut sums = vec![(0.0, 0); rows.count];
    for (row, cell) in rows.each() {
        if !numbers[row].is_nan() {
            let (sum, count) = &mut sums[cell];
            *sum += numbers[row];
            *count += 1;
        }
    }
    sums
}

pub(crate) fn sum(rows: Rows<'_>, numbers: &[f64]) -> Numbers {
    sums(rows, numbers).into_iter().map(|(sum, count)| (count > 0).then_some(sum)).collect()
}

pub(crate) fn avg(rows: Rows<'_>, numbers: &[f64]) -> Numbers {
    sums(rows, numbers).into_iter().map(|(sum, count)| (count > 0).then(|| sum / count as f64)).collect()
}

pub(crate) fn extreme(rows: Rows<'_>, numbers: &[f64], choose: fn(f64, f64) -> f64) -> Numbers {
    let mut found = vec![f64::NAN; rows.count];
    // `min` and `max` of a NaN and a number are the number.
    rows.each().for_each(|(row, cell)| found[cell] = choose(found[cell], numbers[row]));
    found.into_iter().map(|number| (!number.is_nan()).then_some(number)).collect()
}

/// Exact, by nearest rank: the smallest number that as many thousandths of the numbers are no larger than.
/// `thousandths` ascending; one result for each.
pub(crate) fn percentiles(rows: Rows<'_>, numbers: &[f64], thousandths: &[u16]) -> Vec<Numbers> {
    // The numbers of each cell side by side, as integers that sort as they do.
    let mut ends = vec![0_usize; rows.count + 1];
    for (row, cell) in rows.each() {
        ends[cell + 1] += usize::from(!numbers[row].is_nan());
    }
    for cell in 0..rows.count {
        ends[cell + 1] += ends[cell];
    }
    let mut next = ends.clone();
    let mut sorted = vec![0_u64; ends[rows.count]];
    for (row, cell) in rows.each() {
        if !numbers[row].is_nan() {
            sorted[next[cell]] = to_sortable(numbers[row]);
            next[cell] += 1;
        }
    }
    let mut results = vec![vec![None; rows.count]; thousandths.len()];
    for cell in 0..rows.count {
        let numbers = &mut sorted[ends[cell]..ends[cell + 1]];
        if numbers.is_empty() {
            continue;
        }
        let mut done = 0;
        for (thousandth, result) in thousandths.iter().zip(&mut results) {
            let place = nearest_rank(numbers.len(), *thousandth);
            if place >= done {
                numbers[done..].select_nth_unstable(place - done);
                done = place + 1;
            }
            result[cell] = Some(from_sortable(numbers[place]));
        }
    }
    results
}

/// Counted from 0.
pub(crate) fn nearest_rank(count: usize, thousandth: u16) -> usize {
    (count * usize::from(thousandth)).div_ceil(1_000).max(1) - 1
}

/// The bits of floats sort as integers do, once those of negative ones are turned over.
fn to_sortable(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

fn from_sortable(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 0 { !bits } else { bits & !(1 << 63) })
}
