//! Which rows.

use super::columns::{Columns, Shape, span_id};
use crate::spec::{Combination, Filter, FilterOp, SpecError};
use crate::table::{Code, Segment};
use crate::value::{Value, ValueRef};

/// Filters with their columns found.
pub(crate) struct Filters<'t> {
    combination: Combination,
    filters: Vec<Found<'t>>,
}

struct Found<'t> {
    filter: &'t Filter,
    column: usize,
    /// By code, as far as it was asked.
    known: Vec<bool>,
}

impl<'t> Filters<'t> {
    pub(crate) fn find(
        filters: &'t [Filter],
        combination: Combination,
        columns: &mut Columns<'_>,
        path: &str,
    ) -> Result<Self, SpecError> {
        let find = |(place, filter): (usize, &'t Filter)| {
            let column = columns.find(&filter.column, || format!("{path}filters[{place}].column"))?;
            Ok(Found { filter, column, known: Vec::new() })
        };
        Ok(Self { combination, filters: filters.iter().enumerate().map(find).collect::<Result<_, _>>()? })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Takes out of `mask` the rows that do not pass.
    pub(crate) fn apply(
        &mut self,
        columns: &mut Columns<'_>,
        number: usize,
        segment: &Segment,
        mask: &mut [bool],
    ) {
        match self.combination {
            Combination::And => {
                for filter in &mut self.filters {
                    filter.apply(columns, number, segment, |row, holds| mask[row] &= holds);
                }
            }
            Combination::Or if self.filters.is_empty() => {}
            Combination::Or => {
                let mut any = vec![false; mask.len()];
                for filter in &mut self.filters {
                    filter.apply(columns, number, segment, |row, holds| any[row] |= holds);
                }
                mask.iter_mut().zip(any).for_each(|(mask, any)| *mask &= any);
            }
        }
    }
}

impl Found<'_> {
    fn apply(
        &mut self,
        columns: &mut Columns<'_>,
        number: usize,
        segment: &Segment,
        mut say: impl FnMut(usize, bool),
    ) {
        let filter = self.filter;
        match columns.shape(self.column) {
            Shape::Coded => {
                columns.load(self.column, number, segment);
                for code in self.known.len()..columns.code_count(self.column) {
                    let value = columns.value(self.column, code as Code);
                    self.known.push(filter.holds(value.map(Value::as_ref)));
                }
                for (row, code) in columns.cells(self.column).iter().enumerate() {
                    say(row, self.known[*code as usize]);
                }
            }
            Shape::Numbers => {
                let mut numbers = Vec::with_capacity(segment.rows());
                columns.numbers(self.column, number, segment, 0..segment.rows(), &mut numbers);
                for (row, number) in numbers.into_iter().enumerate() {
                    say(row, filter.holds(ValueRef::float(number)));
                }
            }
            Shape::Ids => {
                for (row, id) in columns.ids(self.column, segment).iter().enumerate() {
                    let holds = match filter.op {
                        FilterOp::Exists => *id != 0,
                        FilterOp::DoesNotExist => *id == 0,
                        _ if *id == 0 => filter.holds(None),
                        _ => filter.holds(Some(span_id(*id).as_ref())),
                    };
                    say(row, holds);
                }
            }
        }
    }
}

impl Filter {
    /// Whether a cell passes. A missing one passes the negative operators: Honeycomb does not say, and this is what
    /// "not" says.
    pub fn holds(&self, cell: Option<ValueRef<'_>>) -> bool {
        use FilterOp::{
            Contains, DoesNotContain, DoesNotEndWith, DoesNotExist, DoesNotStartWith, EndsWith, Equal,
            Exists, Greater, GreaterOrEqual, In, Less, LessOrEqual, NotEqual, NotIn, StartsWith,
        };
        let Some(cell) = cell else {
            return matches!(
                self.op,
                NotEqual | NotIn | DoesNotExist | DoesNotContain | DoesNotStartWith | DoesNotEndWith
            );
        };
        let equals = |value: &Value| cell.compare(value.as_ref()).is_some_and(std::cmp::Ordering::is_eq);
        let ordering = || cell.compare(self.values.first()?.as_ref());
        let text = |holds: fn(&str, &str) -> bool| match (cell.text(), self.values.first()) {
            (Some(cell), Some(Value::Str(value))) => holds(cell, value),
            _ => false,
        };
        match self.op {
            Exists => true,
            DoesNotExist => false,
            Equal | In => self.values.iter().any(equals),
            NotEqual | NotIn => !self.values.iter().any(equals),
            Greater => ordering().is_some_and(std::cmp::Ordering::is_gt),
            GreaterOrEqual => ordering().is_some_and(std::cmp::Ordering::is_ge),
            Less => ordering().is_some_and(std::cmp::Ordering::is_lt),
            LessOrEqual => ordering().is_some_and(std::cmp::Ordering::is_le),
            StartsWith => text(|cell, value| cell.starts_with(value)),
            DoesNotStartWith => !text(|cell, value| cell.starts_with(value)),
            EndsWith => text(|cell, value| cell.ends_with(value)),
            DoesNotEndWith => !text(|cell, value| cell.ends_with(value)),
            Contains => text(|cell, value| cell.contains(value)),
            DoesNotContain => !text(|cell, value| cell.contains(value)),
        }
    }
}
