//! The rows that pass, side by side over all segments: their groups, and the columns that the calculations need.

use super::columns::Columns;
use super::filter::Filters;
use super::groups::{Groups, NONE};
use super::heatmap::{Bins, Scale};
use super::{Options, Steps, of_dataset};
use crate::spec::{CalculationOp, Combination, Filter, Spec, SpecError};
use crate::table::{Code, Segment, Table};
use crate::value::Value;

/// The columns that are kept beside the groups.
#[derive(Default)]
pub(crate) struct Kept {
    numbers: Vec<(usize, Vec<f64>)>,
    codes: Vec<(usize, Vec<Code>)>,
}

pub(crate) struct Selected<'t> {
    segments: Vec<&'t Segment>,
    columns: Columns<'t>,
    pub(crate) groups: Groups,
    /// Rows of each segment that pass, one segment after the other.
    rows: Vec<u32>,
    /// Where the rows of each segment begin.
    begins: Vec<usize>,
    pub(crate) group_of: Vec<u32>,
    times: Vec<i64>,
    kept: Kept,
    /// By calculation; `None` when it has no filters of its own.
    masks: Vec<Option<Vec<bool>>>,
    /// By calculation.
    column_of: Vec<Option<usize>>,
    pub(crate) scanned: u64,
}

/// All 32 digits, as links have them.
fn w3c(id: [u8; 16]) -> Value {
    Value::Str(format!("{:032x}", u128::from_be_bytes(id)).into())
}

/// The rows of a segment within the window that are not removed, as a mask. `None`: there are none.
pub(crate) fn window_mask(segment: &Segment, start: i64, end: i64) -> Option<Vec<bool>> {
    let (first, last) = segment.time_range()?;
    if first >= end || last < start {
        return None;
    }
    let mut mask = vec![true; segment.rows()];
    if first < start || last >= end {
        mask.iter_mut().zip(segment.times()).for_each(|(mask, time)| *mask = start <= *time && *time < end);
    }
    if segment.has_removed() {
        mask.iter_mut().enumerate().for_each(|(row, mask)| *mask &= !segment.is_removed(row));
    }
    Some(mask)
}

impl<'t> Selected<'t> {
    pub(crate) fn new(table: &'t Table, spec: &'t Spec, options: &Options) -> Result<Self, SpecError> {
        let mut columns = Columns::new(table, &spec.calculated_fields)?;
        let dataset: Vec<Filter> = options.dataset.iter().map(|dataset| of_dataset(dataset)).collect();
        let mut of_dataset = Filters::find(&dataset, Combination::And, &mut columns, "")?;
        let mut filters = Filters::find(&spec.filters, spec.filter_combination, &mut columns, "")?;
        let breakdowns = spec.breakdowns.iter().enumerate();
        let breakdowns =
            breakdowns.map(|(place, name)| columns.find(name, || format!("breakdowns[{place}]")));
        let mut groups = Groups::new(breakdowns.collect::<Result<_, _>>()?);
        let mut own = Vec::new();
        let mut column_of = Vec::new();
        let mut kept = Kept::default();
        for (place, calculation) in spec.calculations.iter().enumerate() {
            let path = format!("calculations[{place}].");
            own.push(Filters::find(
                &calculation.filters,
                calculation.filter_combination,
                &mut columns,
                &path,
            )?);
            let column = calculation.column.as_ref();
            let column = column.map(|name| columns.find(name, || format!("{path}column"))).transpose()?;
            column_of.push(column);
            if let Some(column) = column {
                match calculation.op {
                    CalculationOp::Count | CalculationOp::CountDistinct => kept.need_codes(column),
                    _ => kept.need_numbers(column),
                }
            }
        }

        let (start, end) = (options.window.start_nano(), options.window.end_nano());
        let mut masks: Vec<Option<Vec<bool>>> =
            own.iter().map(|filters| (!filters.is_empty()).then(Vec::new)).collect();
        let mut segments = Vec::new();
        let (mut rows, mut begins, mut group_of, mut times) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut scanned = 0;
        // By its place in the table, since one of which nothing passes is left out of `segments`.
        for (number, segment) in table.segments().enumerate() {
            let Some(mut mask) = window_mask(segment, start, end) else { continue };
            scanned += segment.live() as u64;
            of_dataset.apply(&mut columns, number, segment, &mut mask);
            filters.apply(&mut columns, number, segment, &mut mask);
            let begin = rows.len();
            let passed = mask.iter().enumerate().filter(|(_, passes)| **passes);
            rows.extend(passed.map(|(row, _)| row as u32));
            let passed = &rows[begin..];
            if passed.is_empty() {
                continue;
            }
            groups.assign(&mut columns, number, segment, passed, &mut group_of);
            times.extend(passed.iter().map(|row| segment.times()[*row as usize]));
            kept.fill(&mut columns, number, segment, passed);
            for (filters, mask) in own.iter_mut().zip(&mut masks) {
                let Some(mask) = mask else { continue };
                let mut passes = vec![true; segment.rows()];
                filters.apply(&mut columns, number, segment, &mut passes);
                mask.extend(passed.iter().map(|row| passes[*row as usize]));
            }
            begins.push(begin);
            segments.push(segment);
        }
        drop(of_dataset);
        Ok(Self { segments, columns, groups, rows, begins, group_of, times, kept, masks, column_of, scanned })
    }

    pub(crate) fn matched(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn key(&self, group: usize) -> Vec<Option<Value>> {
        self.groups.key(group, &self.columns)
    }

    pub(crate) fn mask(&self, calculation: usize) -> Option<&[bool]> {
        self.masks[calculation].as_deref()
    }

    pub(crate) fn column_of(&self, calculation: usize) -> Option<usize> {
        self.column_of[calculation]
    }

    /// Of a calculation's column.
    pub(crate) fn numbers(&self, calculation: usize) -> &[f64] {
        let column = self.column_of[calculation].expect("the specification was checked");
        &self.kept.numbers.iter().find(|(known, _)| *known == column).expect("kept for it").1
    }

    pub(crate) fn codes(&self, calculation: usize) -> &[Code] {
        let column = self.column_of[calculation].expect("the specification was checked");
        &self.kept.codes.iter().find(|(known, _)| *known == column).expect("kept for it").1
    }

    /// Start and length of each row, in nanoseconds.
    pub(crate) fn interval(&self, row: usize) -> (i64, i64) {
        let (segment, row) = self.locate(row);
        (segment.times()[row], segment.durations()[row])
    }

    /// The bins of each HEATMAP, by calculation.
    pub(crate) fn bins(&self, spec: &Spec, scale: Scale) -> Vec<Option<Bins>> {
        let bins = |(place, calculation): (usize, &crate::spec::Calculation)| {
            let is_heatmap = calculation.op == CalculationOp::Heatmap;
            is_heatmap.then(|| Bins::of(self.numbers(place), scale))
        };
        spec.calculations.iter().enumerate().map(bins).collect()
    }

    /// The step of time that each row is in. Found by a multiplication and put right: a division takes ten times as long.
    pub(crate) fn steps(&self, steps: Steps) -> Vec<u32> {
        let Steps { first, step, count } = steps;
        let per_nano = 1.0 / step as f64;
        let last = count.saturating_sub(1) as i64;
        let step_of = |time: &i64| {
            let since = time - first;
            let guess = ((since as f64 * per_nano) as i64).min(last);
            let (begin, end) = (guess * step, (guess + 1) * step);
            (guess - i64::from(since < begin) + i64::from(since >= end)) as u32
        };
        self.times.iter().map(step_of).collect()
    }

    /// For each cell the traces of its slowest rows, each trace once.
    pub(crate) fn exemplars(&self, cells: &[u32], count: usize, most: usize) -> Vec<Vec<Value>> {
        let mut found: Vec<Vec<(i64, [u8; 16])>> = vec![Vec::new(); count];
        for (segment, begin, end) in self.runs() {
            for (cell, row) in cells[begin..end].iter().copied().zip(&self.rows[begin..end]) {
                if cell == NONE {
                    continue;
                }
                let row = *row as usize;
                let duration = segment.durations()[row];
                let best = &mut found[cell as usize];
                if best.len() == most && best[most - 1].0 >= duration {
                    continue;
                }
                let trace = segment.trace_id(segment.traces()[row]);
                match best.iter().position(|(_, known)| *known == trace) {
                    Some(known) => best[known].0 = best[known].0.max(duration),
                    None => best.push((duration, trace)),
                }
                best.sort_unstable_by(|a, b| b.cmp(a));
                best.truncate(most);
            }
        }
        let ids = |best: Vec<(i64, [u8; 16])>| best.into_iter().map(|(_, id)| w3c(id)).collect();
        found.into_iter().map(ids).collect()
    }

    fn runs(&self) -> impl Iterator<Item = (&'t Segment, usize, usize)> {
        let ends = self.begins.iter().copied().skip(1).chain([self.rows.len()]);
        self.segments
            .iter()
            .zip(&self.begins)
            .zip(ends)
            .map(|((segment, begin), end)| (*segment, *begin, end))
    }

    fn locate(&self, place: usize) -> (&'t Segment, usize) {
        let segment = self.begins.partition_point(|begin| *begin <= place) - 1;
        (self.segments[segment], self.rows[place] as usize)
    }
}

impl Kept {
    fn need_numbers(&mut self, column: usize) {
        if !self.numbers.iter().any(|(known, _)| *known == column) {
            self.numbers.push((column, Vec::new()));
        }
    }

    fn need_codes(&mut self, column: usize) {
        if !self.codes.iter().any(|(known, _)| *known == column) {
            self.codes.push((column, Vec::new()));
        }
    }

    fn fill(&mut self, columns: &mut Columns<'_>, number: usize, segment: &Segment, rows: &[u32]) {
        for (column, numbers) in &mut self.numbers {
            columns.numbers(*column, number, segment, rows.iter().map(|row| *row as usize), numbers);
        }
        for (column, codes) in &mut self.codes {
            columns.load(*column, number, segment);
            let cells = columns.cells(*column);
            codes.extend(rows.iter().map(|row| cells[*row as usize]));
        }
    }
}
