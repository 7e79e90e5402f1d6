//! Rows -> groups: one for each combination of the breakdowns' values that occurs.

use std::collections::HashMap;

use super::columns::Columns;
use super::hash::MixState;
use super::rows::{NONE, Passed};
use crate::table::{Code, Segment};
use crate::value::Value;

/// Numbered in the order in which they came up.
pub(crate) struct Groups {
    breakdowns: Vec<usize>,
    /// One map a breakdown: the number of what the breakdowns before made, and this one's code, to the next number.
    levels: Vec<HashMap<(u32, Code), u32, MixState>>,
    /// The codes of every group, by the last level's numbers.
    keys: Vec<Code>,
    /// With one breakdown: by code.
    direct: Vec<u32>,
    count: u32,
}

impl Groups {
    pub(crate) fn new(breakdowns: Vec<usize>) -> Self {
        let levels = breakdowns.iter().map(|_| HashMap::default()).collect();
        let count = u32::from(breakdowns.is_empty());
        Self { breakdowns, levels, keys: Vec::new(), direct: Vec::new(), count }
    }

    pub(crate) fn len(&self) -> usize {
        self.count as usize
    }

    /// The group of each of `rows`, appended to `into`.
    pub(crate) fn assign(
        &mut self,
        columns: &mut Columns<'_>,
        number: usize,
        segment: &Segment,
        rows: &Passed,
        into: &mut Vec<u32>,
    ) {
        for breakdown in &self.breakdowns {
            columns.load(*breakdown, number, segment);
        }
        match self.breakdowns[..] {
            // One group, which is numbered without a list.
            [] => {}
            [breakdown] => {
                self.direct.resize(columns.code_count(breakdown), NONE);
                let cells = columns.cells(breakdown);
                let begin = into.len();
                into.resize(begin + rows.count(), 0);
                rows.gather(0..rows.count(), cells, &mut into[begin..], |code| code);
                for cell in &mut into[begin..] {
                    let group = &mut self.direct[*cell as usize];
                    if *group == NONE {
                        *group = self.count;
                        self.count += 1;
                        self.keys.push(*cell);
                    }
                    *cell = *group;
                }
            }
            _ => {
                let cells: Vec<_> =
                    self.breakdowns.iter().map(|breakdown| columns.cells(*breakdown)).collect();
                rows.each(0..rows.count(), |row| into.push(self.number(&cells, row)));
            }
        }
    }

    fn number(&mut self, cells: &[&[Code]], row: usize) -> u32 {
        let mut number = 0;
        let last = self.levels.len() - 1;
        for (place, level) in self.levels.iter_mut().enumerate() {
            let next = level.len() as u32;
            let known = *level.entry((number, cells[place][row])).or_insert(next);
            if place == last && known == next {
                self.keys.extend(cells.iter().map(|cells| cells[row]));
                self.count += 1;
            }
            number = known;
        }
        number
    }

    /// The values of a group, one a breakdown.
    pub(crate) fn key<'c>(
        &self,
        group: usize,
        columns: &'c Columns<'_>,
    ) -> impl Iterator<Item = Option<&'c Value>> {
        let count = self.breakdowns.len();
        let codes = &self.keys[group * count..][..count];
        let values = self.breakdowns.iter().zip(codes);
        values.map(|(breakdown, code)| columns.value(*breakdown, *code))
    }
}
