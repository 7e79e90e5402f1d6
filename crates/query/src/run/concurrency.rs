//! How many spans were under way at once.

/// From start to end, in nanoseconds, of every row of one group.
pub(crate) struct Intervals {
    starts: Vec<i64>,
    ends: Vec<i64>,
}

impl Intervals {
    pub(crate) fn new(spans: impl Iterator<Item = (i64, i64)>) -> Self {
        let (mut starts, mut ends): (Vec<_>, Vec<_>) =
            spans.map(|(start, duration)| (start, start.saturating_add(duration))).unzip();
        starts.sort_unstable();
        ends.sort_unstable();
        Self { starts, ends }
    }

    /// The most at once in each of `count` steps of time, those that began in an earlier step among them. A span that
    /// ends as another starts does not meet it.
    pub(crate) fn most(&self, first: i64, step: i64, count: usize) -> Vec<u64> {
        let mut most = vec![0; count];
        let (mut started, mut ended) = (0, 0);
        for (place, most) in most.iter_mut().enumerate() {
            let begin = first + step * place as i64;
            let end = begin.saturating_add(step);
            while self.starts.get(started).is_some_and(|time| *time < begin) {
                started += 1;
            }
            while self.ends.get(ended).is_some_and(|time| *time <= begin) && ended < started {
                ended += 1;
            }
            *most = (started - ended) as u64;
            while let Some(start) = self.starts.get(started).filter(|time| **time < end) {
                while self.ends.get(ended).is_some_and(|time| time <= start) && ended < started {
                    ended += 1;
                }
                started += 1;
                *most = (*most).max((started - ended) as u64);
            }
        }
        most
    }
}
