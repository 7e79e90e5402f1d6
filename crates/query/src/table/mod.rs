//! Spans as columns: segments of 65,536 rows, attributes coded by one dictionary a column.
//!
//! One writer appends, replaces and removes; queries read it as it stands (`RwLock` is the owner's business).

mod dictionary;
mod segment;

use std::collections::{HashSet, VecDeque};

use foldhash::fast::RandomState;
use indexmap::IndexMap;

pub use dictionary::Dictionary;
pub use segment::{Head, SEGMENT_ROWS, Segment};

use crate::value::ValueRef;

/// Columns that every row has and that no attribute can overwrite.
pub const DURATION: &str = "duration_ms";
pub const TRACE_ID: &str = "trace.trace_id";
pub const SPAN_ID: &str = "trace.span_id";
pub const PARENT_ID: &str = "trace.parent_id";
/// Of a client span: what it lasted longer than the server span that it called. Found when it is asked for.
pub const NETWORK: &str = "meta.network_ms";
pub const BUILT_IN: [&str; 5] = [DURATION, TRACE_ID, SPAN_ID, PARENT_ID, NETWORK];

/// Honeycomb's limit for the fields of one event; here it is that of all spans together.
pub const MAX_COLUMNS: usize = 2_000;

/// The code of a cell: 0 is none, others are one more than their place in the dictionary.
pub type Code = u32;
pub const MISSING: Code = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ColumnId(pub(crate) usize);

/// All rows.
#[derive(Debug)]
pub struct Table {
    /// Hashed with a random seed, as their values: names and values are strangers'.
    columns: IndexMap<Box<str>, Dictionary, RandomState>,
    /// The last one is open.
    segments: VecDeque<Segment>,
    segment_rows: usize,
    max_bytes: usize,
    /// Of the sealed segments.
    sealed_bytes: usize,
    /// Rows of segments that made room for newer ones.
    evicted: u64,
    /// Cells of columns beyond [`MAX_COLUMNS`].
    refused_cells: u64,
    generation: u64,
}

impl Table {
    /// Beyond `max_bytes` the segments that came first are given up.
    pub fn new(max_bytes: usize) -> Self {
        Self::with_segments(SEGMENT_ROWS, max_bytes)
    }

    /// With segments of other than [`SEGMENT_ROWS`] rows, at most as many: small ones let tests have many.
    pub fn with_segments(rows: usize, max_bytes: usize) -> Self {
        Self {
            columns: IndexMap::default(),
            segments: VecDeque::from([Segment::default()]),
            segment_rows: rows.clamp(1, SEGMENT_ROWS),
            max_bytes,
            sealed_bytes: 0,
            evicted: 0,
            refused_cells: 0,
            generation: 0,
        }
    }

    /// The column of that name, made if there is room. Built-in ones are none of these.
    pub fn column(&mut self, name: &str) -> Option<ColumnId> {
        if let Some(place) = self.columns.get_index_of(name) {
            return Some(ColumnId(place));
        }
        if self.columns.len() >= MAX_COLUMNS {
            self.refused_cells += 1;
            return None;
        }
        if BUILT_IN.contains(&name) {
            return None;
        }
        Some(ColumnId(self.columns.insert_full(name.into(), Dictionary::default()).0))
    }

    /// The code of a value, for [`Self::set`].
    pub fn code(&mut self, column: ColumnId, value: ValueRef<'_>) -> Code {
        self.columns[column.0].insert(value)
    }

    /// A row without attributes, which [`Self::set`] adds. It may change [`Self::generation`].
    pub fn append(&mut self, head: &Head) {
        if self.open().rows() >= self.segment_rows {
            self.seal();
        }
        self.segments.back_mut().expect("one is always open").append(head);
    }

    /// A cell of the row appended last; of two for one column the later one stays.
    pub fn set(&mut self, column: ColumnId, code: Code) {
        self.segments.back_mut().expect("one is always open").set(column, code);
    }

    /// Removes the rows of these ids, if they are here, and says how many were.
    pub fn remove(&mut self, ids: &HashSet<i64>) -> usize {
        let mut left = ids.len();
        for segment in self.segments.iter_mut().rev() {
            if left == 0 {
                break;
            }
            left -= segment.remove(|row| ids.contains(&row.id)).min(left);
        }
        ids.len() - left
    }

    /// Removes the rows of the traces up to `trace`, by the numbers that the store gave them, and all rows after `last`.
    pub fn prune(&mut self, trace: i64, last: i64) {
        for segment in &mut self.segments {
            if segment.first_trace() <= trace || segment.last_id() > last {
                segment.remove(|row| row.trace <= trace || row.id > last);
            }
        }
        let open = self.segments.pop_back().expect("one is always open");
        let count = self.segments.len();
        self.segments.retain(|segment| segment.live() > 0);
        let is_changed = self.segments.len() < count;
        self.segments.push_back(open);
        if is_changed {
            self.compact();
        }
    }

    /// Columns with their dictionaries, in the order in which they appeared.
    pub fn columns(&self) -> impl Iterator<Item = (&str, ColumnId, &Dictionary)> {
        let columns = self.columns.iter().enumerate();
        columns.map(|(place, (name, dictionary))| (&**name, ColumnId(place), dictionary))
    }

    pub fn find(&self, name: &str) -> Option<(ColumnId, &Dictionary)> {
        let (place, _, dictionary) = self.columns.get_full(name)?;
        Some((ColumnId(place), dictionary))
    }

    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter()
    }

    pub fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.live() as u64).sum()
    }

    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Changes when codes do: what was kept of them is worth nothing then.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub fn refused_cells(&self) -> u64 {
        self.refused_cells
    }

    /// What it holds in memory, as far as it can be known.
    pub fn bytes(&self) -> usize {
        let dictionaries: usize = self.columns.values().map(Dictionary::bytes).sum();
        self.sealed_bytes + dictionaries + self.open().bytes()
    }

    fn open(&self) -> &Segment {
        self.segments.back().expect("one is always open")
    }

    fn seal(&mut self) {
        let segment = self.segments.back_mut().expect("one is always open");
        segment.seal();
        self.sealed_bytes += segment.bytes();
        self.segments.push_back(Segment::default());
        let mut is_changed = false;
        while self.bytes() > self.max_bytes && self.segments.len() > 2 {
            let oldest = self.segments.pop_front().expect("there are three");
            self.sealed_bytes -= oldest.bytes();
            self.evicted += oldest.live() as u64;
            is_changed = true;
        }
        if is_changed {
            self.compact();
        }
    }

    /// Gives up the values that no row has any more, in the columns where those are the most.
    fn compact(&mut self) {
        self.generation += 1;
        for (place, dictionary) in self.columns.values_mut().enumerate() {
            let column = ColumnId(place);
            let mut used = vec![false; dictionary.len() + 1];
            for segment in &self.segments {
                segment.mark(column, &mut used);
            }
            let count = used.iter().filter(|used| **used).count();
            if count * 2 > dictionary.len() {
                continue;
            }
            let codes = dictionary.retain(&used);
            for segment in &mut self.segments {
                segment.recode(column, &codes);
            }
        }
        self.sealed_bytes = self.segments.iter().rev().skip(1).map(Segment::bytes).sum();
    }
}
