//! How many items leave. A storm becomes a count: so many items of one fault a minute, and each tells how many like it
//! were left out since the one before. Without threads or clock: time is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::item::{Item, Level};

pub(super) const WINDOW: Duration = Duration::from_mins(1);
/// Of one fault in a minute: enough to see what the occurrences have in common.
const PER_FAULT: u32 = 10;
/// Faults that are told apart at once, about 300 bytes each. Beyond it the rest count as one.
const MAX_FAULTS: usize = 1_000;

/// One process's counts.
pub(super) struct Limiter {
    per_fault: u32,
    overall: u32,
    /// Items of all faults in the minute that `began` started.
    sent: u32,
    began: Option<Instant>,
    faults: HashMap<String, Fault>,
}

struct Fault {
    began: Instant,
    sent: u32,
    /// Left out and not told of yet.
    suppressed: u64,
    /// To tell of them, if nothing more comes.
    level: Level,
    target: String,
    title: String,
}

impl Limiter {
    /// `overall` items a minute, whatever their faults.
    pub(super) fn new(overall: u32) -> Self {
        Self { per_fault: PER_FAULT.min(overall), overall, sent: 0, began: None, faults: HashMap::new() }
    }

    /// Whether the item, whose fingerprint is set, may go. If so it takes the count along.
    pub(super) fn admit(&mut self, item: &mut Item, now: Instant) -> bool {
        if !self.faults.contains_key(&item.fingerprint) && self.faults.len() >= MAX_FAULTS {
            self.faults.retain(|_, fault| fault.suppressed > 0 || !fault.is_over(now));
            if self.faults.len() >= MAX_FAULTS {
                "other".clone_into(&mut item.fingerprint);
            }
        }
        let room = self.has_room(now);
        let fault = self.faults.entry(item.fingerprint.clone()).or_insert_with(|| Fault {
            began: now,
            sent: 0,
            suppressed: 0,
            level: item.level,
            target: item.target.clone(),
            title: String::new(),
        });
        if fault.is_over(now) {
            (fault.began, fault.sent) = (now, 0);
        }
        if !room || fault.sent >= self.per_fault {
            if fault.title.is_empty() {
                fault.title = item.title();
            }
            fault.suppressed += 1;
            return false;
        }
        fault.sent += 1;
        self.sent += 1;
        item.suppressed = std::mem::take(&mut fault.suppressed);
        true
    }

    /// The same without a look at the fault, and without a count to be told.
    pub(super) fn admit_any(&mut self, now: Instant) -> bool {
        let room = self.has_room(now);
        self.sent += u32::from(room);
        room
    }

    /// For each fault that fell silent with a count untold: the last of those that were left out, as an item.
    pub(super) fn silent(&mut self, now: Instant) -> Vec<Item> {
        let mut items = Vec::new();
        while self.has_room(now)
            && let Some((fingerprint, fault)) =
                self.faults.iter_mut().find(|(_, fault)| fault.suppressed > 0 && fault.is_over(now))
        {
            // It belongs to the new minute.
            (fault.began, fault.sent) = (now, 1);
            self.sent += 1;
            items.push(fault.tell(fingerprint));
        }
        items
    }

    /// The same for all, when the process ends.
    pub(super) fn untold(&mut self) -> Vec<Item> {
        let untold = self.faults.iter_mut().filter(|(_, fault)| fault.suppressed > 0);
        untold.map(|(fingerprint, fault)| fault.tell(fingerprint)).collect()
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.began.is_none_or(|began| now.duration_since(began) >= WINDOW) {
            (self.began, self.sent) = (Some(now), 0);
        }
        self.sent < self.overall
    }
}

impl Fault {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.began) >= WINDOW
    }

    /// Every item stands for itself and those it suppressed, so that the sum over all items is the number of errors.
    fn tell(&mut self, fingerprint: &str) -> Item {
        let suppressed = std::mem::take(&mut self.suppressed) - 1;
        Item {
            fingerprint: fingerprint.to_owned(),
            suppressed,
            ..Item::new(self.level, &self.target, std::mem::take(&mut self.title))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(fingerprint: &str) -> Item {
        Item { fingerprint: fingerprint.to_owned(), ..Item::new(Level::Error, "here", "it broke") }
    }

    /// How many of `count` pass, and how many they say were left out.
    fn passed(limiter: &mut Limiter, fingerprint: &str, count: usize, now: Instant) -> (usize, u64) {
        let mut sums = (0, 0);
        for _ in 0..count {
            let mut item = item(fingerprint);
            if limiter.admit(&mut item, now) {
                sums = (sums.0 + 1, sums.1 + item.suppressed);
            }
        }
        sums
    }

    #[test]
    fn a_storm_is_a_count_in_the_next_item() {
        let (mut limiter, start) = (Limiter::new(60), Instant::now());
        assert_eq!(passed(&mut limiter, "a", 10_000, start), (10, 0));
        assert_eq!(passed(&mut limiter, "b", 3, start), (3, 0), "another fault is not held up");
        assert!(limiter.silent(start + WINDOW / 2).is_empty());
        assert_eq!(passed(&mut limiter, "a", 20, start + WINDOW), (10, 9_990));
        let told = limiter.silent(start + 2 * WINDOW);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].suppressed, told[0].message.as_str()), (9, "it broke"));
        assert!(limiter.silent(start + 4 * WINDOW).is_empty() && limiter.untold().is_empty());
    }

    #[test]
    fn every_error_is_counted_exactly_once() {
        let (mut limiter, start) = (Limiter::new(60), Instant::now());
        let (mut errors, mut told, mut sent) = (0, 0, 0);
        for second in 0..300_u64 {
            let now = start + Duration::from_secs(second);
            for fault in 0..second % 40 {
                errors += 1;
                let mut item = item(&format!("{fault}"));
                if limiter.admit(&mut item, now) {
                    (told, sent) = (told + 1 + item.suppressed, sent + 1);
                }
            }
            let silent = limiter.silent(now);
            sent += silent.len();
            told += silent.iter().map(|item| 1 + item.suppressed).sum::<u64>();
        }
        assert!(sent <= 5 * 60, "{sent}");
        told += limiter.untold().iter().map(|item| 1 + item.suppressed).sum::<u64>();
        assert_eq!(told, errors);
    }

    #[test]
    fn faults_without_number_are_one() {
        let (mut limiter, start) = (Limiter::new(u32::MAX), Instant::now());
        let admitted =
            (0..2 * MAX_FAULTS).filter(|n| limiter.admit(&mut item(&n.to_string()), start)).count();
        assert_eq!(admitted, MAX_FAULTS + PER_FAULT as usize);
        assert_eq!(limiter.faults.len(), MAX_FAULTS + 1);
        assert!(limiter.admit(&mut item("new"), start + WINDOW));
        assert_eq!(limiter.faults.len(), 2, "the quiet ones are forgotten, the untold one is not");
    }
}
