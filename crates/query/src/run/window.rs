//! From when to when, and in which steps.

use crate::spec::{DEFAULT_TIME_RANGE, Spec};

/// Steps of an automatic granularity, in seconds.
const STEPS: [u64; 13] = [1, 5, 10, 15, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 86_400];
/// The most steps of an automatic granularity, where `STEPS` has one that long.
const AUTOMATIC_BUCKETS: u64 = 120;
/// In the year 2255; nanoseconds since 1970 end in 2262.
const LAST_SECOND: u64 = 9_000_000_000;
const NANOS: i64 = 1_000_000_000;

/// Spans that start at `start` or later, and before `end`. Steps begin at multiples of their length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Unix seconds, as all here.
    pub start: u64,
    pub end: u64,
    pub granularity: u64,
}

impl Window {
    /// `now` in unix seconds.
    pub fn of(spec: &Spec, now: u64) -> Self {
        let time = spec.time;
        let range = time.range.unwrap_or(DEFAULT_TIME_RANGE);
        let (start, end) = match (time.start, time.end) {
            (Some(start), Some(end)) => (start, end),
            (Some(start), None) => (start, start.saturating_add(range)),
            (None, Some(end)) => (end.saturating_sub(range), end),
            (None, None) => (now.saturating_sub(range), now),
        };
        let (start, end) = (start.min(LAST_SECOND), end.min(LAST_SECOND));
        let length = end - start;
        let granularity = match spec.granularity {
            0 => {
                let fits = |step: &u64| length <= step * AUTOMATIC_BUCKETS;
                let longest = length.div_ceil(AUTOMATIC_BUCKETS).next_multiple_of(86_400);
                STEPS.into_iter().find(fits).unwrap_or(longest)
            }
            seconds => seconds,
        };
        Self { start, end, granularity }
    }

    /// The same window `seconds` earlier.
    #[must_use]
    pub fn earlier(&self, seconds: u64) -> Self {
        let start = self.start.saturating_sub(seconds);
        Self { start, end: self.end.saturating_sub(seconds), granularity: self.granularity }
    }

    /// The starts of the steps; the first one may lie before `start`.
    pub fn times(&self) -> Vec<u64> {
        let first = self.start / self.granularity;
        let last = self.end.saturating_sub(1).max(self.start) / self.granularity;
        (first..=last).map(|step| step * self.granularity).collect()
    }

    pub(crate) fn start_nano(&self) -> i64 {
        self.start as i64 * NANOS
    }

    pub(crate) fn end_nano(&self) -> i64 {
        self.end as i64 * NANOS
    }

    /// The start of the first step.
    pub(crate) fn first_nano(&self) -> i64 {
        (self.start / self.granularity * self.granularity) as i64 * NANOS
    }

    pub(crate) fn step_nano(&self) -> i64 {
        (self.granularity.min(LAST_SECOND) as i64) * NANOS
    }
}
