//! Hundreds of plans made by chance; `simulation.rs` checks the invariants at every step of each.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use throughline_delivery::Limits;

use crate::simulation::{Plan, Weather, World};

const SEEDS: u64 = 600;

#[test]
fn every_invariant_holds_for_every_seed() {
    let mut happened = Happened::default();
    for seed in 0..SEEDS {
        let run = std::panic::catch_unwind(|| run(seed));
        let world = run.unwrap_or_else(|_| panic!("seed {seed} fails, see above"));
        let report = world.report();
        happened.requests += world.seen.requests;
        happened.retried += report.retried;
        happened.refused += report.refused_total();
        happened.dropped += report.dropped_total();
        happened.twice += world.seen.stored.values().filter(|times| **times > 1).count() as u64;
    }
    // The witness that the faults were there: without it a quiet run would prove nothing.
    assert!(happened.requests > 20_000, "{happened:?}");
    assert!(happened.retried > 10_000 && happened.refused > 1_000, "{happened:?}");
    assert!(happened.dropped > 1_000 && happened.twice > 100, "{happened:?}");
}

#[derive(Debug, Default)]
struct Happened {
    requests: u64,
    retried: u64,
    refused: u64,
    dropped: u64,
    twice: u64,
}

fn run(seed: u64) -> World {
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::new(seed, limits(&mut random), plan(&mut random));
    for _ in 0..random.random_range(50..400) {
        let at = Duration::from_millis(random.random_range(0..60_000));
        world.offer_at(at, random.random_range(1..=512), random.random_range(8..900));
    }
    for _ in 0..random.random_range(0..8) {
        let at = Duration::from_millis(random.random_range(0..70_000));
        world.flush_at(at, Duration::from_millis(random.random_range(0..8_000)));
    }
    if random.random_bool(0.2) {
        world.stop_at(Duration::from_millis(random.random_range(0..70_000)));
    }
    world.run();
    world
}

fn limits(random: &mut StdRng) -> Limits {
    let tight = random.random_bool(0.3);
    Limits {
        bytes: if tight { 8_000 } else { 64 << 20 },
        items: if tight { 3_000 } else { 1 << 30 },
        in_flight: *pick(random, &[1, 1, 2, 4, 8]),
        joinable: random.random_bool(0.5),
    }
}

fn plan(random: &mut StdRng) -> Plan {
    let mut weather = Vec::new();
    let mut at = Duration::ZERO;
    for _ in 0..random.random_range(0..12) {
        at += Duration::from_millis(random.random_range(100..9_000));
        let retry_after = random.random_bool(0.5).then(|| Duration::from_secs(random.random_range(0..20)));
        let all = [
            Weather::Well,
            Weather::Busy { retry_after },
            Weather::Away,
            Weather::Silent,
            Weather::AnswerLost,
            Weather::Partial,
        ];
        weather.push((at, *pick(random, &all)));
    }
    // Every plan ends well, as a run that never recovers has no end.
    weather.push((at + Duration::from_secs(5), Weather::Well));
    let poisoned = (0..400).filter(|_| random.random_bool(0.01)).collect();
    let max_request_bytes = *pick(random, &[usize::MAX, usize::MAX, 2_000, 600]);
    let round_trip = Duration::from_millis(*pick(random, &[1, 5, 50, 300]));
    Plan { round_trip, weather, poisoned, max_request_bytes }
}

fn pick<'a, T>(random: &mut StdRng, from: &'a [T]) -> &'a T {
    &from[random.random_range(0..from.len())]
}
