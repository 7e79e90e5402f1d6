//! The outbox with a spool in a real folder, through processes that are killed, stopped and started again, by the hundred.
//! One seed is one run; a seed that failed once can be run again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use throughline_delivery::{Answer, Attempt, Limits, Next, Outbox, Payload, Reason, Spool};

const SEEDS: u64 = 100;
/// Little memory, so that most of what waits is on disk only.
const LIMITS: Limits = Limits { bytes: 20_000, items: 300, in_flight: 2, joinable: false };
const MAX_BYTES: u64 = 40 * 1024 * 1024;

/// A folder of one test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("throughline-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    /// The segments, the oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == "spool"))
            .collect();
        paths.sort();
        paths
    }

    fn bytes(&self) -> u64 {
        self.segments().iter().map(|path| path.metadata().unwrap().len()).sum()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(folder: &Path) -> Outbox {
    Outbox::new("simulated", LIMITS, 1).with_spool(Spool::open(folder, MAX_BYTES))
}

fn payload(id: u64, size: usize) -> Payload {
    let mut body = vec![id as u8; size.max(8)];
    body[..8].copy_from_slice(&id.to_be_bytes());
    Payload::new(body, 1 + id % 7)
}

fn ids(attempt: &Attempt) -> Vec<u64> {
    let id = |payload: &Payload| {
        let (id, rest) = payload.body.split_first_chunk::<8>().unwrap();
        let id = u64::from_be_bytes(*id);
        assert!(rest.iter().all(|b| *b == id as u8), "payload {id} is another than was written");
        id
    };
    attempt.payloads().map(id).collect()
}

/// What an observer who cannot err has seen.
#[derive(Default)]
struct Ledger {
    accepted: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    received: BTreeMap<u64, u32>,
    /// Stored by the receiver while the sender did not learn of it.
    answers_lost: BTreeMap<u64, u32>,
    kills: u32,
    restarts: u32,
    most_on_disk: u64,
}

/// One process's life after another, until the receiver has it all.
fn run(seed: u64) -> Ledger {
    let folder = Folder::new(&format!("spool-{seed}"));
    let mut random = StdRng::seed_from_u64(seed);
    let mut ledger = Ledger::default();
    let mut outbox = open(&folder.0);
    let mut now = Instant::now();
    let mut flying: Vec<Attempt> = Vec::new();
    let mut offered = 0;
    let well = random.random_range(0.1..1.0);
    for _ in 0..random.random_range(50..250) {
        match random.random_range(0..100) {
            0..60 => {
                let size = [50, 500, 9_000, 150_000][random.random_range(0..4)];
                if outbox.offer(payload(offered, size)).is_ok() {
                    ledger.accepted.insert(offered);
                }
                offered += 1;
            }
            60..80 => {
                now += Duration::from_secs(6);
                if let Next::Send(attempt) = outbox.next(now) {
                    flying.push(attempt);
                }
            }
            80..96 => {
                if let Some(attempt) = flying.pop() {
                    let answer = answer(&mut random, &mut ledger, &attempt, well);
                    outbox.settle(attempt, answer, now);
                }
            }
            96..98 => {
                // Killed: what is in flight may have arrived, and half a record may be at the end.
                ledger.kills += 1;
                lose_answers(&mut random, &mut ledger, &mut flying);
                drop(outbox);
                let torn = payload(u64::MAX, 40).body;
                let last = folder.segments().pop().unwrap();
                let half = &torn[..random.random_range(0..torn.len())];
                OpenOptions::new().append(true).open(last).unwrap().write_all(half).unwrap();
                outbox = open(&folder.0);
            }
            _ => {
                ledger.restarts += 1;
                outbox.stop();
                assert!(outbox.report().is_balanced(), "{:?}", outbox.report());
                lose_answers(&mut random, &mut ledger, &mut flying);
                drop(outbox);
                outbox = open(&folder.0);
            }
        }
        let report = outbox.report();
        assert!(report.is_balanced(), "{report:?}");
        assert!(report.queued_bytes <= LIMITS.bytes as u64, "{report:?}");
        ledger.most_on_disk = ledger.most_on_disk.max(folder.bytes());
    }
    for attempt in flying.drain(..) {
        outbox.settle(attempt, Answer::Retry { after: None, problem: "the end".to_owned() }, now);
    }
    loop {
        now += Duration::from_secs(6);
        match outbox.next(now) {
            Next::Send(attempt) => {
                let answer = answer(&mut random, &mut ledger, &attempt, 1.0);
                outbox.settle(attempt, answer, now);
            }
            Next::Idle => break,
            other => panic!("{other:?}"),
        }
    }
    let report = outbox.report();
    assert_eq!((report.queued, report.queued_bytes), (0, 0));
    assert_eq!(report.dropped.get(&Reason::SpoolDamaged), None, "{report:?}");
    assert_eq!(folder.bytes(), 0, "a spool that holds nothing takes no room");
    ledger
}

fn answer(random: &mut StdRng, ledger: &mut Ledger, attempt: &Attempt, well: f64) -> Answer {
    let retry = || Answer::Retry { after: None, problem: "a fault of the plan".to_owned() };
    if random.random_bool(0.02) {
        ledger.refused.extend(ids(attempt));
        return Answer::Refused { reason: Reason::BadRequest, problem: "a fault of the plan".to_owned() };
    }
    if !random.random_bool(well) {
        return retry();
    }
    for id in ids(attempt) {
        *ledger.received.entry(id).or_default() += 1;
    }
    if random.random_bool(0.1) && well < 1.0 {
        for id in ids(attempt) {
            *ledger.answers_lost.entry(id).or_default() += 1;
        }
        return retry();
    }
    Answer::Delivered { rejected: 0, message: None }
}

fn lose_answers(random: &mut StdRng, ledger: &mut Ledger, flying: &mut Vec<Attempt>) {
    for attempt in flying.drain(..) {
        if random.random_bool(0.5) {
            for id in ids(&attempt) {
                *ledger.received.entry(id).or_default() += 1;
                *ledger.answers_lost.entry(id).or_default() += 1;
            }
        }
    }
}

#[test]
fn whatever_was_taken_arrives_through_every_kill_and_restart() {
    let (mut kills, mut restarts, mut most, mut twice) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let ledger =
            std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| panic!("seed {seed}, see above"));
        for id in &ledger.accepted {
            let arrived = ledger.received.contains_key(id) || ledger.refused.contains(id);
            assert!(arrived, "seed {seed}: payload {id} was taken and is lost");
        }
        for (id, times) in &ledger.received {
            assert!(ledger.accepted.contains(id), "seed {seed}: payload {id} was never taken");
            let lost = ledger.answers_lost.get(id).copied().unwrap_or(0);
            assert!(*times <= 1 + lost, "seed {seed}: payload {id} came {times} times, {lost} answers lost");
            twice += u32::from(*times > 1);
        }
        kills += ledger.kills;
        restarts += ledger.restarts;
        most = most.max(ledger.most_on_disk);
    }
    // A test in which nothing happened proves nothing.
    assert!(kills > 150 && restarts > 150, "{kills} kills, {restarts} restarts");
    assert!(twice > 20, "{twice} came twice, after lost answers");
    assert!(most > 6 * 1024 * 1024, "several segments: {most}");
}

/// A spool of ten payloads of a kilobyte, of which the third is done.
fn ten(folder: &Folder) {
    let mut spool = Spool::open(&folder.0, MAX_BYTES).unwrap();
    for id in 0..10 {
        spool.append(&payload(id, 1_000).body, 1).unwrap();
    }
    spool.done(2).unwrap();
}

/// Which payloads are read back as they were, and how many are known to be lost.
fn read_back(folder: &Folder) -> (Vec<u64>, u64, u64) {
    let mut spool = Spool::open(&folder.0, MAX_BYTES).unwrap();
    let stored: Vec<_> = spool.stored().collect();
    let ids = stored.iter().map(|stored| {
        let body = spool.read(stored.key).unwrap();
        let id = u64::from_be_bytes(body[..8].try_into().unwrap());
        assert_eq!(body, payload(id, 1_000).body);
        id
    });
    let ids = ids.collect();
    (ids, spool.damage().items, spool.damage().bytes)
}

#[test]
fn power_that_fails_loses_an_end_and_nothing_before_it() {
    let folder = Folder::new("spool-power");
    ten(&folder);
    let file = folder.segments().pop().unwrap();
    let whole = fs::read(&file).unwrap();
    for end in (0..whole.len()).step_by(13) {
        fs::remove_dir_all(&folder.0).unwrap();
        fs::create_dir(&folder.0).unwrap();
        fs::write(&file, &whole[..end]).unwrap();
        let (ids, items, bytes) = read_back(&folder);
        // A record is its header of 33 bytes and the payload; without the last one nothing is done.
        let all = (end / 1_033).min(10) as u64;
        assert_eq!(ids, (0..all).collect::<Vec<_>>(), "cut at {end}");
        assert_eq!((items, bytes), (0, (end as u64) - all * 1_033), "cut at {end}");
    }
}

#[test]
fn a_flipped_bit_is_found_and_costs_no_neighbour() {
    let folder = Folder::new("spool-bit");
    ten(&folder);
    let file = folder.segments().pop().unwrap();
    let whole = fs::read(&file).unwrap();
    let check = |at: usize, expect: &[u64], damage: (u64, u64)| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::remove_dir_all(&folder.0).unwrap();
        fs::create_dir(&folder.0).unwrap();
        fs::write(&file, bytes).unwrap();
        let (ids, items, bytes) = read_back(&folder);
        assert_eq!((&ids[..], (items, bytes)), (expect, damage), "bit at {at}");
    };
    // In a body: this payload. In the body of the one that is done: nothing.
    check(1_033 * 5 + 500, &[0, 1, 3, 4, 6, 7, 8, 9], (1, 0));
    check(1_033 * 2 + 500, &[0, 1, 3, 4, 5, 6, 7, 8, 9], (0, 0));
    // In a header: nobody knows how long the record is, and the rest of this file is told as lost.
    let rest = (whole.len() - 1_033 * 8) as u64;
    check(1_033 * 8 + 22, &[0, 1, 2, 3, 4, 5, 6, 7], (0, rest));
}

#[test]
fn a_full_spool_and_full_memory_drop_and_count() {
    let folder = Folder::new("spool-full");
    let mut outbox = Outbox::new("full", LIMITS, 1).with_spool(Spool::open(&folder.0, 50_000));
    for id in 0..10 {
        let taken = outbox.offer(payload(id, 9_000));
        // Five are on disk, two of them in memory as well; nothing beyond.
        assert_eq!(taken, if id < 5 { Ok(()) } else { Err(Reason::QueueFull) }, "{id}");
    }
    let report = outbox.report();
    assert!(report.is_balanced());
    assert!(folder.bytes() <= 50_000);
    assert_eq!(report.queued_bytes, 18_000);
}

#[test]
fn one_process_at_a_time() {
    let folder = Folder::new("spool-two");
    let first = open(&folder.0);
    let mut second = open(&folder.0);
    assert_eq!(first.report().spool.unwrap().problem, None);
    // It works in memory, and says so.
    let problem = second.report().spool.unwrap().problem;
    assert_eq!(problem.as_deref(), Some("another process has this spool"));
    assert_eq!(second.take_notices().len(), 1);
    assert_eq!(second.offer(payload(1, 10)), Ok(()));
    drop(first);
    assert_eq!(open(&folder.0).report().spool.unwrap().problem, None);
}
