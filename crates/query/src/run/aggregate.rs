//! Rows -> one number a cell.

use super::hash::MixState;
use super::rows::{NumberColumn, Rows};
use crate::table::Code;

type Numbers = Vec<Option<f64>>;

pub(crate) fn count(rows: Rows<'_>) -> Numbers {
    let mut counts = vec![0_u64; rows.count()];
    rows.each(|cell| counts[cell] += 1);
    counts.into_iter().map(|count| Some(count as f64)).collect()
}

/// Of rows that have the column.
pub(crate) fn count_filled(rows: Rows<'_>, codes: &[Code]) -> Numbers {
    let mut counts = vec![0_u64; rows.count()];
    rows.codes(codes, |cell, _| counts[cell] += 1);
    counts.into_iter().map(|count| Some(count as f64)).collect()
}

pub(crate) fn count_distinct(rows: Rows<'_>, codes: &[Code]) -> Numbers {
    let mut counts = vec![0_u64; rows.count()];
    let mut seen = std::collections::HashSet::with_hasher(MixState::default());
    rows.codes(codes, |cell, code| {
        if seen.insert((cell as u64) << 32 | u64::from(code)) {
            counts[cell] += 1;
        }
    });
    counts.into_iter().map(|count| Some(count as f64)).collect()
}

/// Sum and number of the numbers.
fn sums(rows: Rows<'_>, numbers: NumberColumn<'_>) -> Vec<(f64, u64)> {
    let mut sums = vec![(0.0, 0); rows.count()];
    rows.numbers(numbers, |cell, number| {
        let (sum, count) = &mut sums[cell];
        *sum += number;
        *count += 1;
    });
    sums
}

pub(crate) fn sum(rows: Rows<'_>, numbers: NumberColumn<'_>) -> Numbers {
    sums(rows, numbers).into_iter().map(|(sum, count)| (count > 0).then_some(sum)).collect()
}

pub(crate) fn avg(rows: Rows<'_>, numbers: NumberColumn<'_>) -> Numbers {
    sums(rows, numbers).into_iter().map(|(sum, count)| (count > 0).then(|| sum / count as f64)).collect()
}

pub(crate) fn extreme(rows: Rows<'_>, numbers: NumberColumn<'_>, choose: fn(f64, f64) -> f64) -> Numbers {
    let mut found = vec![f64::NAN; rows.count()];
    // `min` and `max` of a NaN and a number are the number.
    rows.numbers(numbers, |cell, number| found[cell] = choose(found[cell], number));
    found.into_iter().map(|number| (!number.is_nan()).then_some(number)).collect()
}

/// Exact, by nearest rank: the smallest number that as many thousandths of the numbers are no larger than.
/// `thousandths` ascending; one result for each.
pub(crate) fn percentiles(rows: Rows<'_>, numbers: NumberColumn<'_>, thousandths: &[u16]) -> Vec<Numbers> {
    // The numbers of each cell side by side, as integers that sort as they do.
    let count = rows.count();
    let mut ends = vec![0_usize; count + 1];
    rows.numbers(numbers, |cell, _| ends[cell + 1] += 1);
    for cell in 0..count {
        ends[cell + 1] += ends[cell];
    }
    let mut next = ends.clone();
    let mut sorted = vec![0_u64; ends[count]];
    rows.numbers(numbers, |cell, number| {
        sorted[next[cell]] = to_sortable(number);
        next[cell] += 1;
    });
    let mut results = vec![vec![None; count]; thousandths.len()];
    for cell in 0..count {
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
