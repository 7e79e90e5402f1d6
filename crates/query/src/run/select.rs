//! The rows that pass, side by side over all segments: their groups, and the columns that the calculations need.

use super::columns::Columns;
use super::filter::Filters;
use super::groups::Groups;
use super::rows::{NumberColumn, Part, Passed, Places, Rows, Steps};
use super::{Options, of_dataset};
use crate::spec::{CalculationOp, Combination, Filter, Spec, SpecError};
use crate::table::{Code, Segment, Table};
use crate::value::Value;

/// The columns that are kept beside the groups; durations are read where they are.
#[derive(Default)]
pub(crate) struct Kept {
    numbers: Vec<(usize, Vec<f64>)>,
    codes: Vec<(usize, Vec<Code>)>,
}

pub(crate) struct Selected<'t> {
    columns: Columns<'t>,
    groups: Groups,
    parts: Vec<Part<'t>>,
    matched: usize,
    /// The group of each row; empty without breakdowns.
    group_of: Vec<u32>,
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

/// Whether the window has all rows of a segment. `None`: it has none.
fn has_all(segment: &Segment, start: i64, end: i64) -> Option<bool> {
    let (first, last) = segment.time_range()?;
    if first >= end || last < start {
        return None;
    }
    Some(start <= first && last < end && !segment.has_removed())
}

/// The rows of a segment within the window that are not removed, as a mask. `None`: there are none.
pub(crate) fn window_mask(segment: &Segment, start: i64, end: i64) -> Option<Vec<bool>> {
    let mut mask = vec![true; segment.rows()];
    if has_all(segment, start, end)? {
        return Some(mask);
    }
    let (first, last) = segment.time_range()?;
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
                    _ if columns.is_duration(column) => {}
                    _ => kept.need_numbers(column),
                }
            }
        }

        let (start, end) = (options.window.start_nano(), options.window.end_nano());
        let mut masks: Vec<Option<Vec<bool>>> =
            own.iter().map(|filters| (!filters.is_empty()).then(Vec::new)).collect();
        let mut parts: Vec<Part<'t>> = Vec::new();
        let mut group_of = Vec::new();
        let mut scanned = 0;
        let mut matched = 0;
        // By its place in the table, since one of which nothing passes is no part.
        for (number, segment) in table.segments().enumerate() {
            let Some(has_all) = has_all(segment, start, end) else { continue };
            scanned += segment.live() as u64;
            let rows = if has_all && of_dataset.is_empty() && filters.is_empty() {
                Passed::All(segment.rows())
            } else {
                let Some(mut mask) = window_mask(segment, start, end) else { continue };
                of_dataset.apply(&mut columns, number, segment, &mut mask);
                filters.apply(&mut columns, number, segment, &mut mask);
                Passed::of(&mask)
            };
            if rows.count() == 0 {
                continue;
            }
            groups.assign(&mut columns, number, segment, &rows, &mut group_of);
            kept.fill(&mut columns, number, segment, &rows);
            for (filters, mask) in own.iter_mut().zip(&mut masks) {
                let Some(mask) = mask else { continue };
                let mut passes = vec![true; segment.rows()];
                filters.apply(&mut columns, number, segment, &mut passes);
                rows.extend(&passes, mask);
            }
            let begin = matched;
            matched += rows.count();
            parts.push(Part { segment, rows, begin });
        }
        drop(of_dataset);
        Ok(Self { columns, groups, parts, matched, group_of, kept, masks, column_of, scanned })
    }

    pub(crate) fn matched(&self) -> usize {
        self.matched
    }

    pub(crate) fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The values of a group, one a breakdown.
    pub(crate) fn key(&self, group: usize) -> impl Iterator<Item = Option<&Value>> {
        self.groups.key(group, &self.columns)
    }

    /// All groups, each at the place of its number.
    pub(crate) fn groups(&self) -> Places<'_> {
        let groups = (!self.group_of.is_empty()).then_some(&*self.group_of);
        Places { groups, shown: None, count: self.group_count() }
    }

    /// `count` groups at the places that they have in `places`.
    pub(crate) fn places<'a>(&'a self, places: &'a [u32], count: usize) -> Places<'a> {
        Places { shown: Some(places), count, ..self.groups() }
    }

    pub(crate) fn rows<'a>(&'a self, places: Places<'a>) -> Rows<'a> {
        Rows { parts: &self.parts, places, steps: None, mask: None }
    }

    /// Those that pass the filters of a calculation.
    pub(crate) fn rows_of<'a>(
        &'a self,
        calculation: usize,
        places: Places<'a>,
        steps: Option<Steps>,
    ) -> Rows<'a> {
        Rows { steps, mask: self.masks[calculation].as_deref(), ..self.rows(places) }
    }

    pub(crate) fn has_filters(&self, calculation: usize) -> bool {
        self.masks[calculation].is_some()
    }

    pub(crate) fn column_of(&self, calculation: usize) -> Option<usize> {
        self.column_of[calculation]
    }

    /// Of a calculation's column.
    pub(crate) fn numbers(&self, calculation: usize) -> NumberColumn<'_> {
        let column = self.column_of[calculation].expect("the specification was checked");
        if self.columns.is_duration(column) {
            return NumberColumn::Durations;
        }
        NumberColumn::Kept(
            &self.kept.numbers.iter().find(|(known, _)| *known == column).expect("kept for it").1,
        )
    }

    pub(crate) fn codes(&self, calculation: usize) -> &[Code] {
        let column = self.column_of[calculation].expect("the specification was checked");
        &self.kept.codes.iter().find(|(known, _)| *known == column).expect("kept for it").1
    }

    /// For each place the traces of its slowest rows, each trace once.
    pub(crate) fn exemplars(&self, places: Places<'_>, most: usize) -> Vec<Vec<Value>> {
        let mut found: Vec<Vec<(i64, [u8; 16])>> = vec![Vec::new(); places.count];
        // What a row must be slower than, by place.
        let mut least = vec![i64::MIN; places.count];
        self.rows(places).places(|place, segment, row| {
            let duration = segment.durations()[row];
            if duration <= least[place] {
                return;
            }
            let best = &mut found[place];
            let trace = segment.trace_id(segment.traces()[row]);
            match best.iter().position(|(_, known)| *known == trace) {
                Some(known) => best[known].0 = best[known].0.max(duration),
                None => best.push((duration, trace)),
            }
            best.sort_unstable_by(|a, b| b.cmp(a));
            best.truncate(most);
            if best.len() == most {
                least[place] = best[most - 1].0;
            }
        });
        let ids = |best: Vec<(i64, [u8; 16])>| best.into_iter().map(|(_, id)| w3c(id)).collect();
        found.into_iter().map(ids).collect()
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

    fn fill(&mut self, columns: &mut Columns<'_>, number: usize, segment: &Segment, rows: &Passed) {
        for (column, numbers) in &mut self.numbers {
            match rows {
                Passed::All(count) => columns.numbers(*column, number, segment, 0..*count, numbers),
                Passed::Some(rows) => {
                    columns.numbers(
                        *column,
                        number,
                        segment,
                        rows.iter().map(|row| usize::from(*row)),
                        numbers,
                    );
                }
            }
        }
        for (column, codes) in &mut self.codes {
            columns.load(*column, number, segment);
            rows.extend(columns.cells(*column), codes);
        }
    }
}
