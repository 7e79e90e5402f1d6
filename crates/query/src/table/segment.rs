//! Rows side by side: one vector a column. Sealed segments take as few bytes for a code as its column needs there.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{Code, ColumnId, MISSING};

pub const SEGMENT_ROWS: usize = 1 << 16;

/// A column with fewer cells than one in this many rows keeps its rows' numbers beside the codes.
const SPARSE: usize = 8;

/// What every row has.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The store's number of the row; it counts up.
    pub id: i64,
    /// The store's number of the trace.
    pub trace: i64,
    pub trace_id: [u8; 16],
    pub span_id: u64,
    /// 0 is none.
    pub parent_id: u64,
    /// Nanoseconds since 1970.
    pub time: i64,
    /// Nanoseconds.
    pub duration: i64,
}

#[derive(Debug, Default)]
pub struct Segment {
    ids: Vec<i64>,
    times: Vec<i64>,
    durations: Vec<i64>,
    span_ids: Vec<u64>,
    parent_ids: Vec<u64>,
    /// Place in `trace_list`.
    traces: Vec<u32>,
    trace_list: Vec<([u8; 16], i64)>,
    /// While it is open.
    trace_places: HashMap<i64, u32, RandomState>,
    /// By [`ColumnId`].
    columns: Vec<Codes>,
    /// Empty while nothing is removed.
    removed: Vec<bool>,
    removed_count: usize,
    time_range: Option<(i64, i64)>,
    duration_range: Option<(i64, i64)>,
    first_trace: Option<i64>,
    last_id: i64,
}

/// The cells of a column; rows beyond the end have none.
#[derive(Debug, Default)]
enum Codes {
    #[default]
    None,
    Open(Vec<Code>),
    /// All rows the same.
    Same(Code),
    Narrow(Vec<u8>),
    Middle(Vec<u16>),
    Wide(Vec<Code>),
    Sparse {
        rows: Vec<u16>,
        codes: Vec<Code>,
    },
}

/// The numbers by which a row is removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowIds {
    pub(super) id: i64,
    pub(super) trace: i64,
}

impl Segment {
    pub(super) fn append(&mut self, head: &Head) {
        // A trace that was removed and came again has another number, and its rows another fate.
        let trace = *self.trace_places.entry(head.trace).or_insert_with(|| {
            self.trace_list.push((head.trace_id, head.trace));
            self.trace_list.len() as u32 - 1
        });
        self.ids.push(head.id);
        self.last_id = self.last_id.max(head.id);
        self.times.push(head.time);
        self.durations.push(head.duration);
        self.span_ids.push(head.span_id);
        self.parent_ids.push(head.parent_id);
        self.traces.push(trace);
        if !self.removed.is_empty() {
            self.removed.push(false);
        }
        let (first, last) = self.time_range.unwrap_or((head.time, head.time));
        self.time_range = Some((first.min(head.time), last.max(head.time)));
        let (least, most) = self.duration_range.unwrap_or((head.duration, head.duration));
        self.duration_range = Some((least.min(head.duration), most.max(head.duration)));
        self.first_trace = Some(self.first_trace.map_or(head.trace, |first| first.min(head.trace)));
    }

    pub(super) fn set(&mut self, column: ColumnId, code: Code) {
        let rows = self.ids.len();
        if self.columns.len() <= column.0 {
            self.columns.resize_with(column.0 + 1, Codes::default);
        }
        let codes = &mut self.columns[column.0];
        if let Codes::None = codes {
            *codes = Codes::Open(Vec::new());
        }
        let Codes::Open(codes) = codes else { unreachable!("only the open segment is written to") };
        codes.resize(rows, MISSING);
        codes[rows - 1] = code;
    }

    pub(super) fn remove(&mut self, is_meant: impl Fn(RowIds) -> bool) -> usize {
        let mut count = 0;
        for row in 0..self.ids.len() {
            let ids = RowIds { id: self.ids[row], trace: self.trace_list[self.traces[row] as usize].1 };
            if is_meant(ids) && !self.is_removed(row) {
                self.removed.resize(self.ids.len(), false);
                self.removed[row] = true;
                count += 1;
            }
        }
        self.removed_count += count;
        count
    }

    pub(super) fn seal(&mut self) {
        let rows = self.ids.len();
        self.trace_places = HashMap::default();
        for codes in &mut self.columns {
            if let Codes::Open(open) = codes {
                open.resize(rows, MISSING);
                *codes = Codes::pack(open);
            }
        }
        self.ids.shrink_to_fit();
        self.trace_list.shrink_to_fit();
        for numbers in [&mut self.times, &mut self.durations] {
            numbers.shrink_to_fit();
        }
        for numbers in [&mut self.span_ids, &mut self.parent_ids] {
            numbers.shrink_to_fit();
        }
        self.traces.shrink_to_fit();
    }

    pub(super) fn mark(&self, column: ColumnId, used: &mut [bool]) {
        let Some(codes) = self.columns.get(column.0) else { return };
        codes.each(|code| used[code as usize] = true);
    }

    /// Gives every cell its new code; no new one is larger than its old one.
    pub(super) fn recode(&mut self, column: ColumnId, codes: &[Code]) {
        let new = |code: Code| codes[code as usize];
        match self.columns.get_mut(column.0) {
            None | Some(Codes::None) => {}
            Some(Codes::Same(code)) => *code = new(*code),
            Some(Codes::Narrow(cells)) => {
                cells.iter_mut().for_each(|cell| *cell = new(Code::from(*cell)) as u8);
            }
            Some(Codes::Middle(cells)) => {
                cells.iter_mut().for_each(|cell| *cell = new(Code::from(*cell)) as u16);
            }
            Some(Codes::Open(cells) | Codes::Wide(cells) | Codes::Sparse { codes: cells, .. }) => {
                cells.iter_mut().for_each(|cell| *cell = new(*cell));
            }
        }
    }

    /// Rows that are not removed.
    pub fn live(&self) -> usize {
        self.ids.len() - self.removed_count
    }

    /// Removed ones, too.
    pub fn rows(&self) -> usize {
        self.ids.len()
    }

    /// The first and the last start.
    pub fn time_range(&self) -> Option<(i64, i64)> {
        self.time_range
    }

    /// The least and the most of all rows, removed ones among them.
    pub fn duration_range(&self) -> Option<(i64, i64)> {
        self.duration_range
    }

    pub(super) fn first_trace(&self) -> i64 {
        self.first_trace.unwrap_or(i64::MAX)
    }

    pub(super) fn last_id(&self) -> i64 {
        self.last_id
    }

    pub fn has_removed(&self) -> bool {
        self.removed_count > 0
    }

    pub fn is_removed(&self, row: usize) -> bool {
        self.removed.get(row).copied().unwrap_or(false)
    }

    pub fn times(&self) -> &[i64] {
        &self.times
    }

    pub fn durations(&self) -> &[i64] {
        &self.durations
    }

    pub fn span_ids(&self) -> &[u64] {
        &self.span_ids
    }

    /// 0 is none.
    pub fn parent_ids(&self) -> &[u64] {
        &self.parent_ids
    }

    /// Places in [`Self::trace_ids`].
    pub fn traces(&self) -> &[u32] {
        &self.traces
    }

    pub fn trace_id(&self, place: u32) -> [u8; 16] {
        self.trace_list[place as usize].0
    }

    pub fn trace_count(&self) -> usize {
        self.trace_list.len()
    }

    /// The cells of a column, one for every row. `false`: it has none, and `into` is all missing.
    pub fn codes(&self, column: ColumnId, into: &mut Vec<Code>) -> bool {
        let rows = self.ids.len();
        into.clear();
        match self.columns.get(column.0).unwrap_or(&Codes::None) {
            Codes::None => {
                into.resize(rows, MISSING);
                return false;
            }
            Codes::Same(code) => into.resize(rows, *code),
            Codes::Narrow(cells) => into.extend(cells.iter().map(|cell| Code::from(*cell))),
            Codes::Middle(cells) => into.extend(cells.iter().map(|cell| Code::from(*cell))),
            Codes::Open(cells) | Codes::Wide(cells) => {
                into.extend_from_slice(cells);
                into.resize(rows, MISSING);
            }
            Codes::Sparse { rows: places, codes } => {
                into.resize(rows, MISSING);
                for (row, code) in places.iter().zip(codes) {
                    into[usize::from(*row)] = *code;
                }
            }
        }
        true
    }

    pub(super) fn bytes(&self) -> usize {
        // Id, time, duration, span, parent, trace.
        const ROW: usize = 8 * 5 + 4;
        let columns: usize = self.columns.iter().map(|codes| codes.bytes() + size_of::<Codes>()).sum();
        self.ids.len() * ROW + self.trace_list.len() * 24 + columns + self.removed.len()
    }
}

impl Codes {
    fn pack(open: &[Code]) -> Self {
        let filled = open.iter().filter(|code| **code != MISSING).count();
        if filled == 0 {
            return Self::None;
        }
        if open.iter().all(|code| *code == open[0]) {
            return Self::Same(open[0]);
        }
        if filled * SPARSE < open.len() {
            let filled = || open.iter().enumerate().filter(|(_, code)| **code != MISSING);
            return Self::Sparse {
                rows: filled().map(|(row, _)| row as u16).collect(),
                codes: filled().map(|(_, code)| *code).collect(),
            };
        }
        match open.iter().max() {
            Some(most) if *most <= Code::from(u8::MAX) => {
                Self::Narrow(open.iter().map(|code| *code as u8).collect())
            }
            Some(most) if *most <= Code::from(u16::MAX) => {
                Self::Middle(open.iter().map(|code| *code as u16).collect())
            }
            _ => Self::Wide(open.to_vec()),
        }
    }

    fn each(&self, mut visit: impl FnMut(Code)) {
        match self {
            Self::None => {}
            Self::Same(code) => visit(*code),
            Self::Narrow(cells) => cells.iter().for_each(|cell| visit(Code::from(*cell))),
            Self::Middle(cells) => cells.iter().for_each(|cell| visit(Code::from(*cell))),
            Self::Open(cells) | Self::Wide(cells) | Self::Sparse { codes: cells, .. } => {
                cells.iter().for_each(|cell| visit(*cell));
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::None | Self::Same(_) => 0,
            Self::Narrow(cells) => cells.len(),
            Self::Middle(cells) => cells.len() * 2,
            Self::Open(cells) | Self::Wide(cells) => cells.len() * 4,
            Self::Sparse { rows, codes } => rows.len() * 2 + codes.len() * 4,
        }
    }
}
