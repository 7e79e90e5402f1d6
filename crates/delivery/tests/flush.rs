//! The threads: flush tells the truth, and nothing takes longer than its deadline.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use throughline_delivery::{Answer, Attempt, Limits, Payload, Queue, Reason, Sender};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

/// Answers when the test says so.
struct Held {
    answers: Arc<Mutex<Receiver<Answer>>>,
}

impl Sender for Held {
    fn send(&mut self, _: &Attempt) -> Answer {
        let gone = || Answer::Retry { after: None, problem: "the test is over".to_owned() };
        self.answers.lock().unwrap().recv().unwrap_or_else(|_| gone())
    }
}

fn held() -> (Queue, SyncSender<Answer>) {
    let (say, answers) = mpsc::sync_channel(100);
    let answers = Arc::new(Mutex::new(answers));
    let limits = Limits { in_flight: 1, items: 100, ..Limits::default() };
    (Queue::start("held", limits, move || Held { answers: Arc::clone(&answers) }).unwrap(), say)
}

fn well() -> Answer {
    Answer::Delivered { rejected: 0, message: None }
}

#[test]
fn a_flush_waits_for_the_answer() {
    let (queue, say) = held();
    queue.offer(Payload::new("a", 2)).unwrap();
    queue.offer(Payload::new("b", 3)).unwrap();
    let early = queue.flush(SHORT);
    assert_eq!((early.pending, early.is_complete()), (5, false));
    say.send(well()).unwrap();
    say.send(well()).unwrap();
    assert!(queue.flush(LONG).is_complete());
    assert_eq!(queue.report().delivered, 5);
}

#[test]
fn a_flush_does_not_wait_for_what_came_after_it() {
    let (queue, say) = held();
    queue.offer(Payload::new("a", 2)).unwrap();
    thread::scope(|scope| {
        let flush = scope.spawn(|| queue.flush(LONG));
        say.send(well()).unwrap();
        assert!(flush.join().unwrap().is_complete());
    });
    queue.offer(Payload::new("b", 3)).unwrap();
    assert_eq!(queue.flush(SHORT).pending, 3);
}

#[test]
fn a_loss_is_told_by_one_flush() {
    let (queue, say) = held();
    queue.offer(Payload::new("a", 90)).unwrap();
    assert_eq!(queue.offer(Payload::new("b", 11)), Err(Reason::QueueFull));
    say.send(well()).unwrap();
    let flushed = queue.flush(LONG);
    assert_eq!((flushed.pending, flushed.lost), (0, [(Reason::QueueFull, 11)].into()));
    assert!(queue.flush(LONG).is_complete());
}

#[test]
fn a_shutdown_ends_at_its_deadline_and_counts_what_it_leaves() {
    let (queue, say) = held();
    queue.offer(Payload::new("a", 2)).unwrap();
    assert_eq!(queue.flush(SHORT).pending, 2); // "a" is with the sender by now or will be alone in it
    queue.offer(Payload::new("b", 3)).unwrap();
    let start = Instant::now();
    let flushed = queue.shutdown(SHORT);
    assert!(start.elapsed() < LONG / 4);
    assert_eq!(flushed.pending, 5);
    assert_eq!(flushed.lost, [(Reason::ShutdownDeadline, 3), (Reason::AnswerUnknown, 2)].into());
    assert_eq!(queue.offer(Payload::new("c", 1)), Err(Reason::ShutDown));
    // An answer that comes too late changes nothing.
    let before = queue.report();
    say.send(well()).unwrap();
    assert!(queue.flush(SHORT).pending == 0);
    assert_eq!(queue.report(), before);
    assert!(before.is_balanced() && before.queued == 0, "{before:?}");
}

#[test]
fn dropping_a_queue_is_bounded() {
    let (queue, _say) = held();
    queue.offer(Payload::new("a", 2)).unwrap();
    let start = Instant::now();
    drop(queue);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn many_threads_offer_and_flush_and_the_sum_is_exact() {
    /// Fails every third request, and knows what it took.
    struct Moody {
        requests: Arc<AtomicU64>,
        taken: Arc<AtomicU64>,
    }
    impl Sender for Moody {
        fn send(&mut self, attempt: &Attempt) -> Answer {
            if self.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
                return Answer::Retry { after: Some(Duration::ZERO), problem: "moody".to_owned() };
            }
            self.taken.fetch_add(attempt.items(), Ordering::Relaxed);
            well()
        }
    }
    let (requests, taken) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let for_client = (Arc::clone(&requests), Arc::clone(&taken));
    let limits = Limits { items: 2_000, joinable: true, ..Limits::default() };
    let queue = Queue::start("moody", limits, move || Moody {
        requests: Arc::clone(&for_client.0),
        taken: Arc::clone(&for_client.1),
    })
    .unwrap();
    let refused: u64 = thread::scope(|scope| {
        let offering: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..5_000).filter(|_| queue.offer(Payload::new("x", 1)).is_err()).count() as u64
                })
            })
            .collect();
        scope.spawn(|| (0..50).for_each(|_| assert!(queue.report().is_balanced())));
        offering.into_iter().map(|t| t.join().unwrap()).sum()
    });
    let flushed = queue.flush(LONG);
    let report = queue.report();
    assert_eq!(flushed.pending, 0);
    assert_eq!((report.offered, report.queued), (20_000, 0));
    assert_eq!(report.dropped_total(), refused);
    assert_eq!(report.delivered, taken.load(Ordering::Relaxed));
    assert_eq!(report.delivered + refused, 20_000);
}

/// The shape that `/ready` shows.
#[test]
fn a_report_reads_well_as_json() {
    let (queue, say) = held();
    queue.offer(Payload::new("a", 90)).unwrap();
    assert_eq!(queue.offer(Payload::new("b", 11)), Err(Reason::QueueFull));
    say.send(Answer::Delivered { rejected: 2, message: Some("two are bad".to_owned()) }).unwrap();
    assert!(!queue.flush(LONG).is_complete());
    let expect = serde_json::json!({
        "destination": "held",
        "offered": 101,
        "delivered": 88,
        "refused": { "partial_success": 2 },
        "dropped": { "queue_full": 11 },
        "queued": 0,
        "queued_bytes": 0,
        "retried": 0,
        "failures": 0,
        "last_problem": "partial_success: two are bad",
    });
    assert_eq!(serde_json::to_value(queue.report()).unwrap(), expect);
}
