//! The cases that the README promises, in numbers.

use std::time::Duration;

use throughline_delivery::{Limits, Notice, Reason, Report};

use crate::simulation::{Plan, Weather, World};

/// What telemetry's processor makes: up to 512 spans a payload, 330 bytes a span.
const SPANS: u64 = 512;
const BYTES: usize = 512 * 330;

fn plan(round_trip_ms: u64, weather: Vec<(Duration, Weather)>) -> Plan {
    Plan {
        round_trip: Duration::from_millis(round_trip_ms),
        weather,
        poisoned: [].into(),
        max_request_bytes: usize::MAX,
    }
}

/// Offers `rate` spans a second for `seconds`. Gives the report, the most that was queued and how long after the last offer the queue was empty.
fn flow(rate: u64, seconds: u64, plan: Plan) -> (Report, u64, Duration) {
    let limits = Limits { joinable: true, ..Limits::default() };
    let mut world = World::new(7, limits, plan);
    let payloads = rate * seconds / SPANS;
    for n in 0..payloads {
        world.offer_at(Duration::from_secs(seconds).mul_f64(n as f64 / payloads as f64), SPANS, BYTES);
    }
    let took = world.run();
    (world.report(), world.seen.most_queued, took.saturating_sub(Duration::from_secs(seconds)))
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[test]
fn fifty_milliseconds_away_is_no_loss_at_35_000_and_at_140_000_spans_a_second() {
    for rate in [35_000, 140_000] {
        let (report, most_queued, after) = flow(rate, 10, plan(50, Vec::new()));
        assert_eq!(report.delivered, report.offered);
        assert!(report.offered > rate * 10 - SPANS);
        assert!(most_queued < rate / 4, "{most_queued} queued: less than a quarter of a second");
        assert!(after < Duration::from_millis(200), "{after:?}");
    }
}

#[test]
fn away_for_thirty_seconds_is_no_loss_within_the_bound() {
    let weather = vec![(secs(10), Weather::Away), (secs(40), Weather::Well)];
    let (report, most_queued, after) = flow(6_000, 60, plan(5, weather));
    assert_eq!(report.delivered, report.offered);
    assert!(most_queued > 170_000, "the outage was felt: {most_queued}");
    assert!(after < secs(1), "and caught up with: {after:?}");
}

#[test]
fn away_for_thirty_seconds_beyond_the_bound_drops_the_rest_and_counts_it() {
    let weather = vec![(secs(10), Weather::Away), (secs(40), Weather::Well)];
    let (report, ..) = flow(20_000, 60, plan(5, weather));
    let dropped = report.dropped_total();
    assert_eq!(report.delivered + dropped, report.offered);
    // 30 s to 35 s (the longest backoff) of 20,000 a second, less the 200,000 that the queue holds.
    assert!((400_000..=500_000 + SPANS).contains(&dropped), "{dropped}");
}

#[test]
fn busy_is_no_loss_with_and_without_retry_after() {
    for retry_after in [None, Some(secs(3)), Some(secs(25))] {
        let weather = vec![(secs(5), Weather::Busy { retry_after }), (secs(20), Weather::Well)];
        let (report, ..) = flow(5_000, 40, plan(20, weather));
        assert_eq!(report.delivered, report.offered, "{retry_after:?}");
        assert!(report.retried > 0);
    }
}

#[test]
fn a_mistaken_retry_after_is_bounded() {
    let weather =
        vec![(secs(0), Weather::Busy { retry_after: Some(secs(86_400)) }), (secs(1), Weather::Well)];
    let limits = Limits::default();
    let mut world = World::new(1, limits, plan(5, weather)).without_patience();
    world.offer_at(secs(0), 1, 8);
    let took = world.run();
    assert_eq!(world.report().delivered, 1);
    assert!((secs(300)..secs(301)).contains(&took), "{took:?}");
}

#[test]
fn people_hear_of_a_change_once() {
    let weather = vec![(secs(1), Weather::Away), (secs(20), Weather::Partial), (secs(22), Weather::Well)];
    let mut world = World::new(5, Limits { in_flight: 1, items: 30, ..Limits::default() }, plan(5, weather));
    for n in 0..30 {
        world.offer_at(secs(n), 2, 100);
    }
    world.run();
    let notices = world.outbox.take_notices();
    assert!(
        matches!(
            &notices[..],
            [
                Notice::Failing { .. },
                Notice::Dropped { reason: Reason::QueueFull, queued: 30 },
                Notice::Back { .. },
                Notice::Refused { reason: Reason::PartialSuccess, items: 1, .. }
            ]
        ),
        "{notices:?}"
    );
}

#[test]
fn an_outage_is_asked_after_by_one_request_at_a_time() {
    let weather = vec![(secs(5), Weather::Away), (secs(65), Weather::Well)];
    let limits = Limits::default();
    let mut world = World::new(3, limits, plan(5, weather));
    for n in 0..50 {
        world.offer_at(secs(4) + Duration::from_millis(n * 100), 1, 100);
    }
    world.run();
    // A minute at a backoff of 2.5 s to 5 s, after a few quicker ones: not hundreds.
    let asked = world.seen.requests - 50;
    assert!((12..40).contains(&asked), "{asked}");
}
