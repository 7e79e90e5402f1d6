//! The rows that pass, and the cell that each counts for: a group, a step of time, a step of a group's time, or
//! everything.
//!
//! They are looked at in pieces that stay in the processor's nearest cache. A vector over all rows would cost more for
//! its memory, which the system has to clear page by page, than what is worked out from it.

use std::ops::Range;

use crate::table::{Code, MISSING, Segment};

/// No group, no cell.
pub(crate) const NONE: u32 = u32::MAX;

/// Rows of a piece: 12 KB of cells and numbers, beside a cache of 32 KB or more.
const PIECE: usize = 1_024;

const NANOS_PER_MS: f64 = 1e6;

/// Which rows of a segment.
pub(crate) enum Passed {
    /// The first so many, and there are no others.
    All(usize),
    /// A segment has at most 65,536.
    Some(Vec<u16>),
}

/// A segment with its rows that pass; `begin` is how many there are in those before it.
pub(crate) struct Part<'t> {
    pub(crate) segment: &'t Segment,
    pub(crate) rows: Passed,
    pub(crate) begin: usize,
}

/// Steps of one length, from `first` on, in nanoseconds.
#[derive(Clone, Copy)]
pub(crate) struct Steps {
    pub(crate) first: i64,
    pub(crate) step: i64,
    pub(crate) count: usize,
}

/// Groups as they are calculated for: all rows are one, or each has the place of its group among `count`.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    /// The group of each row.
    pub(crate) groups: Option<&'a [u32]>,
    /// The place of each group; [`NONE`] leaves it out. Without it a group's number is its place.
    pub(crate) shown: Option<&'a [u32]>,
    pub(crate) count: usize,
}

/// Rows with their cells.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) parts: &'a [Part<'a>],
    pub(crate) places: Places<'a>,
    /// Each place has one cell, or one for each step.
    pub(crate) steps: Option<Steps>,
    /// Which rows pass the calculation's own filters.
    pub(crate) mask: Option<&'a [bool]>,
}

/// The numbers of a column, one for each row that passes, NaN where there is none.
#[derive(Clone, Copy)]
pub(crate) enum NumberColumn<'a> {
    /// In milliseconds; read where they are.
    Durations,
    Kept(&'a [f64]),
}

/// Some rows of one part.
struct Piece<'a> {
    part: &'a Part<'a>,
    /// Among those of the part that pass.
    range: Range<usize>,
}

impl Passed {
    pub(crate) fn of(mask: &[bool]) -> Self {
        let passed = mask.iter().enumerate().filter(|(_, passes)| **passes);
        Self::Some(passed.map(|(row, _)| row as u16).collect())
    }

    pub(crate) fn count(&self) -> usize {
        match self {
            Self::All(count) => *count,
            Self::Some(rows) => rows.len(),
        }
    }

    /// `visit` with the place in the segment of each of `range`, counted among those that pass.
    pub(crate) fn each(&self, range: Range<usize>, visit: impl FnMut(usize)) {
        match self {
            Self::All(_) => range.for_each(visit),
            Self::Some(rows) => rows[range].iter().map(|row| usize::from(*row)).for_each(visit),
        }
    }

    /// What `of` makes of a column's cells in `range`.
    pub(crate) fn gather<T: Copy, U>(
        &self,
        range: Range<usize>,
        column: &[T],
        into: &mut [U],
        of: impl Fn(T) -> U,
    ) {
        match self {
            Self::All(_) => into.iter_mut().zip(&column[range]).for_each(|(into, cell)| *into = of(*cell)),
            Self::Some(rows) => {
                for (into, row) in into.iter_mut().zip(&rows[range]) {
                    *into = of(column[usize::from(*row)]);
                }
            }
        }
    }

    pub(crate) fn extend<T: Copy>(&self, column: &[T], into: &mut Vec<T>) {
        match self {
            Self::All(count) => into.extend_from_slice(&column[..*count]),
            Self::Some(rows) => into.extend(rows.iter().map(|row| column[usize::from(*row)])),
        }
    }
}

impl Steps {
    /// By a multiplication, which is right or one too small: a division takes ten times as long.
    fn finder(self) -> impl Fn(i64) -> u32 {
        let Self { first, step, .. } = self;
        let step = step as u64;
        let per_nano = u128::from(u64::MAX / step);
        move |time| {
            let since = (time - first) as u64;
            let guess = ((u128::from(since) * per_nano) >> 64) as u64;
            (guess + u64::from(since - guess * step >= step)) as u32
        }
    }
}

impl Places<'static> {
    /// All rows are one group.
    pub(crate) const ONE: Self = Self { groups: None, shown: None, count: 1 };
}

impl<'a> Rows<'a> {
    pub(crate) fn count(self) -> usize {
        self.places.count * self.steps.map_or(1, |steps| steps.count)
    }

    fn pieces(self) -> impl Iterator<Item = Piece<'a>> {
        self.parts.iter().flat_map(|part| {
            let count = part.rows.count();
            let begins = (0..count).step_by(PIECE);
            begins.map(move |begin| Piece { part, range: begin..(begin + PIECE).min(count) })
        })
    }

    /// Every row that has a cell, with what is beside it in `values`.
    fn with<T: Copy>(self, values: &'a [T], mut visit: impl FnMut(usize, T)) {
        let mut cells = [0; PIECE];
        for piece in self.pieces() {
            let values = &values[piece.all()];
            for (cell, value) in self.cells(&piece, &mut cells).iter().zip(values) {
                if *cell != NONE {
                    visit(*cell as usize, *value);
                }
            }
        }
    }

    /// Every row that has a cell.
    pub(crate) fn each(self, mut visit: impl FnMut(usize)) {
        let mut cells = [0; PIECE];
        for piece in self.pieces() {
            self.cells(&piece, &mut cells)
                .iter()
                .filter(|cell| **cell != NONE)
                .for_each(|cell| visit(*cell as usize));
        }
    }

    /// Every row that has a cell and a number.
    pub(crate) fn numbers(self, numbers: NumberColumn<'a>, mut visit: impl FnMut(usize, f64)) {
        match numbers {
            NumberColumn::Kept(kept) => self.with(kept, |cell, number| {
                if !number.is_nan() {
                    visit(cell, number);
                }
            }),
            NumberColumn::Durations => {
                let (mut cells, mut numbers) = ([0; PIECE], [0.0; PIECE]);
                for piece in self.pieces() {
                    let numbers = piece.durations(&mut numbers);
                    for (cell, number) in self.cells(&piece, &mut cells).iter().zip(numbers) {
                        if *cell != NONE {
                            visit(*cell as usize, *number);
                        }
                    }
                }
            }
        }
    }

    /// Every row that has a cell and a value.
    pub(crate) fn codes(self, codes: &'a [Code], mut visit: impl FnMut(usize, Code)) {
        self.with(codes, |cell, code| {
            if code != MISSING {
                visit(cell, code);
            }
        });
    }

    /// Every row that has a cell: its segment and its place there.
    pub(crate) fn places(self, mut visit: impl FnMut(usize, &'a Segment, usize)) {
        let mut cells = [0; PIECE];
        for piece in self.pieces() {
            let Part { segment, rows, .. } = piece.part;
            let cells = self.cells(&piece, &mut cells);
            let mut visit = |(cell, row): (&u32, usize)| {
                if *cell != NONE {
                    visit(*cell as usize, segment, row);
                }
            };
            match rows {
                Passed::All(_) => cells.iter().zip(piece.range).for_each(&mut visit),
                Passed::Some(rows) => {
                    let rows = rows[piece.range].iter().map(|row| usize::from(*row));
                    cells.iter().zip(rows).for_each(&mut visit);
                }
            }
        }
    }

    /// The least and the most of all numbers, whatever their cells. `None`: there is none.
    pub(crate) fn range(self, numbers: NumberColumn<'a>) -> Option<(f64, f64)> {
        let mut found: Option<(f64, f64)> = None;
        let mut add = |least: f64, most: f64| {
            let known = found.unwrap_or((least, most));
            found = Some((known.0.min(least), known.1.max(most)));
        };
        if let NumberColumn::Durations = numbers
            && self.parts.iter().all(|part| matches!(part.rows, Passed::All(_)))
        {
            // Every segment knows its own.
            for (least, most) in self.parts.iter().filter_map(|part| part.segment.duration_range()) {
                add(least as f64 / NANOS_PER_MS, most as f64 / NANOS_PER_MS);
            }
        } else {
            self.numbers(numbers, |_, number| add(number, number));
        }
        found
    }

    fn cells<'b>(&self, piece: &Piece<'_>, into: &'b mut [u32; PIECE]) -> &'b [u32]
    where
        'a: 'b,
    {
        let all = piece.all();
        let cells = &mut into[..all.len()];
        let Places { groups, shown, .. } = self.places;
        match (groups, shown, self.steps) {
            (Some(groups), None, None) if self.mask.is_none() => return &groups[all],
            (None, None, Some(steps)) => piece.steps(steps, cells),
            (None, None, None) => cells.fill(0),
            (None, Some(places), _) => cells.fill(places[0]),
            (Some(groups), None, _) => cells.copy_from_slice(&groups[all.clone()]),
            (Some(groups), Some(places), _) => {
                let groups = groups[all.clone()].iter();
                cells.iter_mut().zip(groups).for_each(|(cell, group)| *cell = places[*group as usize]);
            }
        }
        if let Some(steps) = self.steps
            && (groups.is_some() || shown.is_some())
        {
            let mut of_row = [0; PIECE];
            let of_row = &mut of_row[..cells.len()];
            piece.steps(steps, of_row);
            for (cell, step) in cells.iter_mut().zip(of_row) {
                *cell = if *cell == NONE { NONE } else { *cell * steps.count as u32 + *step };
            }
        }
        if let Some(mask) = self.mask {
            for (cell, passes) in cells.iter_mut().zip(&mask[all]) {
                *cell = if *passes { *cell } else { NONE };
            }
        }
        cells
    }
}

impl Piece<'_> {
    /// Among the rows of all parts that pass.
    fn all(&self) -> Range<usize> {
        self.part.begin + self.range.start..self.part.begin + self.range.end
    }

    fn steps(&self, steps: Steps, into: &mut [u32]) {
        self.part.rows.gather(self.range.clone(), self.part.segment.times(), into, steps.finder());
    }

    fn durations<'b>(&self, into: &'b mut [f64; PIECE]) -> &'b [f64] {
        let into = &mut into[..self.range.len()];
        let durations = self.part.segment.durations();
        self.part.rows.gather(self.range.clone(), durations, into, |nanos| nanos as f64 / NANOS_PER_MS);
        into
    }
}
