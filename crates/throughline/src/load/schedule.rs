//! Who does what when. Pure: the seed decides all of it.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// One request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arrival {
    /// Since the beginning.
    pub(super) at: Duration,
    pub(super) action: Action,
    /// Which of the people.
    pub(super) person: usize,
    /// Chooses among what there is: which post, which word.
    pub(super) choice: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Home,
    Activity,
    Profile,
    Search,
    Notifications,
    SignIn,
    Post,
    Reply,
}

impl Action {
    /// Of 100 requests to a micro-blog. Nine of ten read; a password costs its server 20 ms, and people sign in seldom.
    const MIX: [(Self, u32); 8] = [
        (Self::Home, 46),
        (Self::Activity, 18),
        (Self::Profile, 12),
        (Self::Search, 8),
        (Self::Notifications, 6),
        (Self::SignIn, 2),
        (Self::Post, 5),
        (Self::Reply, 3),
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Home => "home feed",
            Self::Activity => "one activity",
            Self::Profile => "profile",
            Self::Search => "search",
            Self::Notifications => "notifications",
            Self::SignIn => "sign in",
            Self::Post => "post",
            Self::Reply => "reply",
        }
    }

    fn drawn(mut ticket: u32) -> Self {
        for (action, weight) in Self::MIX {
            if ticket < weight {
                return action;
            }
            ticket -= weight;
        }
        Self::Home
    }
}

/// A Poisson process: gaps are exponential, so arrivals cluster as they do in life.
pub(super) fn arrivals(seed: u64, rate: f64, duration: Duration, people: usize) -> Vec<Arrival> {
    let mut random = StdRng::seed_from_u64(seed);
    let tickets: u32 = Action::MIX.iter().map(|(_, weight)| weight).sum();
    let mut at = 0.0;
    let mut arrivals = Vec::with_capacity((rate * duration.as_secs_f64() * 1.1) as usize);
    loop {
        let uniform: f64 = random.random_range(f64::MIN_POSITIVE..1.0);
        at -= uniform.ln() / rate;
        if at >= duration.as_secs_f64() {
            return arrivals;
        }
        arrivals.push(Arrival {
            at: Duration::from_secs_f64(at),
            action: Action::drawn(random.random_range(0..tickets)),
            person: random.random_range(0..people),
            choice: random.random(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_schedule() {
        let of = |seed| arrivals(seed, 50.0, Duration::from_secs(20), 10);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn the_rate_and_the_mix_are_kept() {
        let minute = Duration::from_mins(10);
        let found = arrivals(1, 100.0, minute, 10);
        // 60,000 expected; the standard deviation of a Poisson count is its root, 245.
        assert!((59_000..61_000).contains(&found.len()), "{}", found.len());
        assert!(
            found.is_sorted_by_key(|it| it.at) && found.iter().all(|it| it.at < minute && it.person < 10)
        );
        for (action, weight) in Action::MIX {
            let share = found.iter().filter(|it| it.action == action).count() as f64 / found.len() as f64;
            assert!((share * 100.0 - f64::from(weight)).abs() < 1.0, "{action:?}: {share}");
        }
        // Not a metronome: of exponential gaps 63 % are shorter than the mean.
        let short = found
            .windows(2)
            .filter(|it| it[1].at.checked_sub(it[0].at).unwrap() < Duration::from_millis(10))
            .count();
        assert!((0.60..0.66).contains(&(short as f64 / found.len() as f64)), "{short}");
    }
}
