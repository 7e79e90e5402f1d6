//! The columns that a query names, as codes and as numbers, one segment at a time.

use std::collections::HashMap;

use indexmap::IndexSet;

use super::hash::MixState;
use crate::expr::Expr;
use crate::spec::is_relational;
use crate::spec::{Named, SpecError};
use crate::table::{
    Code, ColumnId, DURATION, Dictionary, MISSING, NETWORK, PARENT_ID, SPAN_ID, Segment, TRACE_ID, Table,
};
use crate::value::{Value, ValueRef};

const NANOS_PER_MS: f64 = 1e6;

/// Nanoseconds by span id.
type Called = HashMap<u64, i64, MixState>;

/// Looked up once, then known by their places.
#[expect(clippy::struct_field_names, reason = "`all` would say less")]
pub(crate) struct Columns<'t> {
    table: &'t Table,
    columns: Vec<Column<'t>>,
    places: HashMap<String, usize>,
    /// Durations of server spans by the span that called them.
    called: Option<Called>,
}

pub(crate) struct Column<'t> {
    source: Source<'t>,
    /// The values of what has no dictionary of its own, as far as they came up.
    interned: IndexSet<Value>,
    /// The segment whose cells these are.
    segment: Option<usize>,
    cells: Vec<Code>,
    /// Numbers by code, NaN for the rest.
    numbers: Vec<f64>,
}

enum Source<'t> {
    /// No row has it.
    Nothing,
    Stored(ColumnId, &'t Dictionary),
    Duration,
    Network,
    TraceId,
    SpanId,
    ParentId,
    Calculated {
        expr: &'t Expr,
        inputs: Vec<usize>,
    },
}

/// How the cells of a column are best looked at.
pub(crate) enum Shape {
    Coded,
    Numbers,
    Ids,
}

impl<'t> Columns<'t> {
    /// With the calculated fields, each of which may use those before it.
    pub(crate) fn new(table: &'t Table, fields: &'t [Named]) -> Result<Self, SpecError> {
        let mut columns = Self { table, columns: Vec::new(), places: HashMap::new(), called: None };
        for (place, field) in fields.iter().enumerate() {
            let path = || format!("calculated_fields[{place}].expression");
            let inputs =
                field.parsed.columns().map(|name| columns.find(name, path)).collect::<Result<_, _>>()?;
            let place = columns.add(Source::Calculated { expr: &field.parsed, inputs });
            columns.places.insert(field.name.clone(), place);
        }
        Ok(columns)
    }

    /// The place of a column; `path` is where the query names it.
    pub(crate) fn find(&mut self, name: &str, path: impl Fn() -> String) -> Result<usize, SpecError> {
        if let Some(place) = self.places.get(name) {
            return Ok(*place);
        }
        let source = match name {
            DURATION => Source::Duration,
            TRACE_ID => Source::TraceId,
            SPAN_ID => Source::SpanId,
            PARENT_ID => Source::ParentId,
            NETWORK => {
                self.called = Some(called(self.table));
                Source::Network
            }
            _ => match self.table.find(name) {
                Some((id, dictionary)) => Source::Stored(id, dictionary),
                None if is_relational(name) => {
                    let message =
                        format!("\"{name}\": columns of other spans of the trace are Honeycomb's only");
                    return Err(SpecError::new(path(), message));
                }
                None => Source::Nothing,
            },
        };
        let place = self.add(source);
        self.places.insert(name.to_owned(), place);
        Ok(place)
    }

    fn add(&mut self, source: Source<'t>) -> usize {
        self.columns.push(Column {
            source,
            interned: IndexSet::new(),
            segment: None,
            cells: Vec::new(),
            numbers: Vec::new(),
        });
        self.columns.len() - 1
    }

    pub(crate) fn is_duration(&self, column: usize) -> bool {
        matches!(self.columns[column].source, Source::Duration)
    }

    pub(crate) fn shape(&self, column: usize) -> Shape {
        match self.columns[column].source {
            Source::Duration | Source::Network => Shape::Numbers,
            Source::SpanId | Source::ParentId => Shape::Ids,
            _ => Shape::Coded,
        }
    }

    /// Brings the cells of a segment, for [`Self::cells`].
    pub(crate) fn load(&mut self, column: usize, number: usize, segment: &Segment) {
        load(&mut self.columns, column, number, segment, self.called.as_ref());
    }

    pub(crate) fn cells(&self, column: usize) -> &[Code] {
        &self.columns[column].cells
    }

    pub(crate) fn value(&self, column: usize, code: Code) -> Option<&Value> {
        self.columns[column].value(code)
    }

    /// Codes that the column has so far, [`MISSING`] among them.
    pub(crate) fn code_count(&self, column: usize) -> usize {
        let column = &self.columns[column];
        match column.source {
            Source::Stored(_, dictionary) => dictionary.len() + 1,
            _ => column.interned.len() + 1,
        }
    }

    /// The numbers of these rows of a segment, NaN where there is none.
    pub(crate) fn numbers(
        &mut self,
        column: usize,
        number: usize,
        segment: &Segment,
        rows: impl Iterator<Item = usize>,
        into: &mut Vec<f64>,
    ) {
        match self.columns[column].source {
            Source::Duration => {
                let durations = segment.durations();
                into.extend(rows.map(|row| durations[row] as f64 / NANOS_PER_MS));
            }
            Source::Network => {
                let this = &self.columns[column].source;
                into.extend(rows.map(|row| self::number(this, self.called.as_ref(), segment, row)));
            }
            _ => {
                self.load(column, number, segment);
                let count = self.code_count(column);
                let column = &mut self.columns[column];
                for code in column.numbers.len()..count {
                    let number = column.value(code as Code).and_then(Value::number);
                    column.numbers.push(number.unwrap_or(f64::NAN));
                }
                into.extend(rows.map(|row| column.numbers[column.cells[row] as usize]));
            }
        }
    }

    /// The ids of a segment, for [`Shape::Ids`]; 0 is none.
    pub(crate) fn ids<'s>(&self, column: usize, segment: &'s Segment) -> &'s [u64] {
        ids(&self.columns[column].source, segment)
    }
}

impl Column<'_> {
    fn is_number(&self) -> bool {
        matches!(self.source, Source::Duration | Source::Network)
    }

    fn value(&self, code: Code) -> Option<&Value> {
        match self.source {
            Source::Stored(_, dictionary) => dictionary.value(code),
            _ => self.interned.get_index((code as usize).checked_sub(1)?),
        }
    }
}

pub(crate) fn span_id(id: u64) -> Value {
    Value::Str(format!("{id:016x}").into())
}

/// As Honeycomb writes it: an id of 8 bytes, in 16 of which the first 8 are zero, has 16 digits.
pub(crate) fn trace_id(id: [u8; 16]) -> Value {
    let id = u128::from_be_bytes(id);
    let text = if id >> 64 == 0 { format!("{id:016x}") } else { format!("{id:032x}") };
    Value::Str(text.into())
}

fn ids<'s>(source: &Source<'_>, segment: &'s Segment) -> &'s [u64] {
    match source {
        Source::SpanId => segment.span_ids(),
        _ => segment.parent_ids(),
    }
}

fn number(source: &Source<'_>, called: Option<&Called>, segment: &Segment, row: usize) -> f64 {
    let duration = segment.durations()[row];
    let nanos = match (source, called) {
        (Source::Network, Some(called)) => match called.get(&segment.span_ids()[row]) {
            // Clocks differ, durations do not: what is negative was measured badly.
            Some(server) => (duration - server).max(0),
            None => return f64::NAN,
        },
        _ => duration,
    };
    nanos as f64 / NANOS_PER_MS
}

fn load(columns: &mut [Column<'_>], place: usize, number: usize, segment: &Segment, called: Option<&Called>) {
    let (before, rest) = columns.split_at_mut(place);
    let this = &mut rest[0];
    if this.segment.replace(number) == Some(number) {
        return;
    }
    let Column { source, interned, cells, .. } = this;
    let mut intern = |value: Option<Value>| match value {
        Some(value) => interned.insert_full(value).0 as Code + 1,
        None => MISSING,
    };
    cells.clear();
    match source {
        Source::Nothing => cells.resize(segment.rows(), MISSING),
        Source::Stored(id, _) => {
            segment.codes(*id, cells);
        }
        Source::Duration | Source::Network => {
            let number = |row| self::number(source, called, segment, row);
            cells.extend((0..segment.rows()).map(|row| intern(Value::float(number(row)))));
        }
        Source::TraceId => {
            let ids = 0..segment.trace_count() as u32;
            let codes: Vec<_> = ids.map(|place| intern(Some(trace_id(segment.trace_id(place))))).collect();
            cells.extend(segment.traces().iter().map(|place| codes[*place as usize]));
        }
        Source::SpanId | Source::ParentId => {
            let ids = ids(source, segment);
            cells.extend(ids.iter().map(|id| intern((*id != 0).then(|| span_id(*id)))));
        }
        Source::Calculated { expr, inputs } => {
            for input in inputs.iter() {
                if !before[*input].is_number() {
                    load(before, *input, number, segment, called);
                }
            }
            calculate(expr, inputs, before, segment, called, intern, cells);
        }
    }
}

/// A text that one coded column decides is worked out once for each of its values, all else row by row.
fn calculate(
    expr: &Expr,
    inputs: &[usize],
    columns: &[Column<'_>],
    segment: &Segment,
    called: Option<&Called>,
    mut intern: impl FnMut(Option<Value>) -> Code,
    cells: &mut Vec<Code>,
) {
    let times = segment.times();
    if let [input] = inputs
        && !columns[*input].is_number()
        && !expr.tells_time()
    {
        let column = &columns[*input];
        let mut known: HashMap<Code, Code, MixState> = HashMap::default();
        cells.extend(column.cells.iter().map(|code| {
            *known
                .entry(*code)
                .or_insert_with(|| intern(expr.evaluate(&[column.value(*code).map(Value::as_ref)], 0)))
        }));
        return;
    }
    let mut row_cells: Vec<Option<ValueRef<'_>>> = Vec::with_capacity(inputs.len());
    for (row, time) in times.iter().enumerate() {
        row_cells.clear();
        row_cells.extend(inputs.iter().map(|input| {
            let column = &columns[*input];
            if column.is_number() {
                ValueRef::float(number(&column.source, called, segment, row))
            } else {
                column.value(column.cells[row]).map(Value::as_ref)
            }
        }));
        cells.push(intern(expr.evaluate(&row_cells, *time)));
    }
}

/// Durations of server spans by the span that called them. Of several the longest: a call that was tried again.
fn called(table: &Table) -> Called {
    let mut called = Called::default();
    let Some((kind, dictionary)) = table.find("span.kind") else { return called };
    let Some(server) = dictionary.find(ValueRef::Str("server")) else { return called };
    let mut kinds = Vec::new();
    for segment in table.segments() {
        segment.codes(kind, &mut kinds);
        for (row, code) in kinds.iter().enumerate() {
            let parent = segment.parent_ids()[row];
            if *code == server && parent != 0 && !segment.is_removed(row) {
                let longest = called.entry(parent).or_default();
                *longest = segment.durations()[row].max(*longest);
            }
        }
    }
    called
}
