//! Real sockets: what the HTTP sender sends, and how it reads what comes back.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use throughline_delivery::{
    Authorize, Endpoint, HttpSender, Limits, Payload, Queue, Reason, Rejection, Report, Unsent, retry_after,
};

use crate::receiver::{Receiver, Reply};

const LONG: Duration = Duration::from_secs(20);

fn endpoint(url: String) -> Endpoint {
    Endpoint {
        url,
        headers: vec![("x-key".to_owned(), "s3cret".into())],
        content_type: "application/x-protobuf",
        gzip: false,
        timeout: Duration::from_secs(10),
        decode: |body| {
            (body == b"partial").then(|| Rejection { items: 2, message: "two are bad".to_owned() })
        },
    }
}

fn queue(endpoint: Endpoint, in_flight: usize) -> Queue {
    let endpoint = Arc::new(endpoint);
    let limits = Limits { in_flight, joinable: true, ..Limits::default() };
    Queue::start("test", limits, move || HttpSender::new(Arc::clone(&endpoint))).unwrap()
}

/// One payload of three items against a receiver that gives `replies` in turn and then 200. Gives the counters and the number of requests.
fn deliver(replies: Vec<Reply>) -> (Report, usize) {
    let receiver = Receiver::start(move |n, _| replies.get(n).cloned().unwrap_or_else(Reply::ok));
    let queue = queue(endpoint(receiver.url()), 1);
    queue.offer(Payload::new("abc", 3)).unwrap();
    let flushed = queue.flush(LONG);
    let report = queue.report();
    assert!(report.is_balanced());
    assert_eq!(flushed.is_complete(), report.delivered == 3, "{flushed:?} {report:?}");
    (report, receiver.requests().len())
}

#[test]
fn statuses_that_may_be_sent_again_are_and_others_are_not() {
    for status in [429, 502, 503, 504] {
        let (report, requests) = deliver(vec![Reply::status(status), Reply::status(status)]);
        assert_eq!((report.delivered, report.retried, requests), (3, 6, 3), "{status}");
    }
    let finals = [
        (400, Reason::BadRequest),
        (401, Reason::Unauthorized),
        (403, Reason::Unauthorized),
        (404, Reason::WrongAddress),
        (413, Reason::TooLarge),
        (415, Reason::OtherStatus),
        (500, Reason::OtherStatus),
        (501, Reason::OtherStatus),
        (302, Reason::OtherStatus),
    ];
    for (status, reason) in finals {
        let (report, requests) = deliver(vec![Reply::status(status)]);
        assert_eq!((report.refused, requests), ([(reason, 3)].into(), 1), "{status}");
    }
}

#[test]
fn a_partial_success_counts_what_was_taken_back_and_is_not_sent_again() {
    let partial = Reply::Answer { status: 200, headers: &[], body: b"partial".to_vec() };
    let (report, requests) = deliver(vec![partial]);
    assert_eq!((report.delivered, requests), (1, 1));
    assert_eq!(report.refused, [(Reason::PartialSuccess, 2)].into());
    assert_eq!(report.last_problem.as_deref(), Some("partial_success: two are bad"));
}

#[test]
fn a_connection_that_breaks_before_the_answer_is_tried_again() {
    let (report, requests) = deliver(vec![Reply::Reset, Reply::Reset]);
    assert_eq!((report.delivered, requests), (3, 3));
}

#[test]
fn retry_after_is_obeyed() {
    let start = Instant::now();
    let busy = Reply::Answer { status: 503, headers: &[("retry-after", "1")], body: Vec::new() };
    let (report, requests) = deliver(vec![busy]);
    assert_eq!((report.delivered, requests), (3, 2));
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_redirect_is_not_followed_since_the_headers_hold_keys() {
    let moved = Reply::Answer { status: 307, headers: &[("location", "/elsewhere")], body: Vec::new() };
    let (report, requests) = deliver(vec![moved]);
    assert_eq!((report.refused, requests), ([(Reason::OtherStatus, 3)].into(), 1));
}

#[test]
fn an_endless_answer_is_cut() {
    let (report, requests) =
        deliver(vec![Reply::Answer { status: 200, headers: &[], body: vec![b'x'; 9 << 20] }]);
    assert_eq!((report.delivered, requests), (3, 1));
}

#[test]
fn a_receiver_that_never_answers_is_left_after_the_timeout_and_asked_again() {
    let receiver = Receiver::start(|n, _| if n == 0 { Reply::Silence } else { Reply::ok() });
    let queue = queue(Endpoint { timeout: Duration::from_millis(300), ..endpoint(receiver.url()) }, 1);
    queue.offer(Payload::new("abc", 3)).unwrap();
    assert!(queue.flush(LONG).is_complete());
    assert_eq!(receiver.requests().len(), 2);
}

#[test]
fn a_request_is_what_the_receiver_needs() {
    let receiver = Receiver::start(|_, _| Reply::ok());
    let queue = queue(endpoint(format!("{}/v1/traces", receiver.url())), 1);
    queue.offer(Payload::new("abc", 3)).unwrap();
    assert!(queue.flush(LONG).is_complete());
    let request = receiver.requests().remove(0);
    assert_eq!(request.path, "/v1/traces");
    assert_eq!(request.header("x-key"), Some("s3cret"));
    // Whole: Honeycomb refuses a content type with a parameter.
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(request.header("content-encoding"), None);
    assert_eq!(request.body, b"abc");
}

#[test]
fn a_problem_is_legible_and_holds_no_key() {
    let body = b"\x08\x10\x12\x1eunknown API key: s3cret".to_vec();
    let (report, _) = deliver(vec![Reply::Answer { status: 401, headers: &[], body }]);
    assert_eq!(report.last_problem.as_deref(), Some("unauthorized: 401 Unauthorized: unknown API key: ***"));
}

#[test]
fn what_does_not_prove_who_it_is_gets_nothing() {
    let receiver = Receiver::start(|_, _| Reply::ok());
    let queue = queue(endpoint(receiver.url().replace("http:", "https:")), 1);
    queue.offer(Payload::new("abc", 3)).unwrap();
    assert_eq!(queue.flush(Duration::from_millis(500)).pending, 3);
    assert!(queue.report().retried > 0);
    assert!(receiver.requests().iter().all(|r| r.body.is_empty()));
}

#[test]
fn gzip_is_made_on_the_way_out() {
    let receiver = Receiver::start(|_, _| Reply::ok());
    let queue = queue(Endpoint { gzip: true, ..endpoint(receiver.url()) }, 1);
    queue.offer(Payload::new("abc".repeat(1000), 3)).unwrap();
    assert!(queue.flush(LONG).is_complete());
    let request = receiver.requests().remove(0);
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    assert!(request.body.len() < 100);
    let mut body = String::new();
    flate2::read::GzDecoder::new(&request.body[..]).read_to_string(&mut body).unwrap();
    assert_eq!(body, "abc".repeat(1000));
}

#[test]
fn what_waits_goes_together_and_a_refused_whole_is_sent_in_parts() {
    // The first request is held up, so that the rest waits; whatever holds the bad payload is refused.
    let receiver = Receiver::start(|n, request| match n {
        0 => Reply::After(Duration::from_millis(200)),
        _ if request.body.contains(&b'!') => Reply::status(400),
        _ => Reply::ok(),
    });
    let queue = queue(endpoint(receiver.url()), 1);
    queue.offer(Payload::new("a", 1)).unwrap();
    while receiver.requests().is_empty() {
        std::thread::yield_now();
    }
    for body in ["b", "!", "c"] {
        queue.offer(Payload::new(body, 1)).unwrap();
    }
    let flushed = queue.flush(LONG);
    assert_eq!(flushed.lost, [(Reason::BadRequest, 1)].into());
    assert_eq!(queue.report().delivered, 3);
    let bodies: Vec<_> =
        receiver.requests().into_iter().map(|r| String::from_utf8(r.body).unwrap()).collect();
    assert!(bodies.contains(&"c".to_owned()) && bodies.iter().any(|b| b.len() > 1), "{bodies:?}");
}

#[test]
fn a_receiver_that_comes_up_late_gets_everything() {
    let address = Receiver::nowhere();
    let queue = queue(endpoint(format!("http://{address}")), 4);
    for _ in 0..50 {
        queue.offer(Payload::new(vec![0; 1000], 10)).unwrap();
    }
    let flushed = queue.flush(Duration::from_millis(300));
    assert_eq!((flushed.pending, flushed.is_complete()), (500, false));
    let receiver = Receiver::start_at(address, |_, _| Reply::ok());
    assert!(queue.flush(LONG).is_complete());
    assert_eq!(queue.report().delivered, 500);
    assert_eq!(receiver.requests().iter().map(|r| r.body.len()).sum::<usize>(), 50_000);
}

#[test]
fn fifty_milliseconds_away_at_a_high_rate_loses_nothing() {
    let receiver = Receiver::start(|_, _| Reply::After(Duration::from_millis(50)));
    let queue = queue(endpoint(receiver.url()), 4);
    let start = Instant::now();
    // As fast as this loop can: 200,000 spans would be the bound, so stay below it.
    for _ in 0..350 {
        queue.offer(Payload::new(vec![0; 512 * 330 / 2], 512)).unwrap();
    }
    assert!(queue.flush(LONG).is_complete());
    let rate = (350.0 * 512.0) / start.elapsed().as_secs_f64();
    assert!(rate > 35_000.0, "{rate} spans a second");
    assert_eq!(queue.report().delivered, 350 * 512);
}

#[test]
fn a_slow_destination_does_not_hold_up_another() {
    let slow = Receiver::start(|_, _| Reply::Silence);
    let quick = Receiver::start(|_, _| Reply::ok());
    let (to_slow, to_quick) = (queue(endpoint(slow.url()), 4), queue(endpoint(quick.url()), 4));
    for _ in 0..100 {
        let payload = Payload::new("abc", 1);
        to_slow.offer(payload.clone()).unwrap();
        to_quick.offer(payload).unwrap();
    }
    assert!(to_quick.flush(LONG).is_complete());
    let flushed = to_slow.shutdown(Duration::from_millis(50));
    assert!(!flushed.is_complete());
    let report = to_slow.report();
    assert!(report.is_balanced() && report.dropped_total() == 100 && report.queued == 0, "{report:?}");
}

#[test]
fn retry_after_comes_in_two_spellings() {
    let now = UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
    let check = |value, expect: Option<u64>| {
        assert_eq!(retry_after(value, now), expect.map(Duration::from_secs), "{value}");
    };
    check("120", Some(120));
    check(" 0 ", Some(0));
    check("Sun, 06 Nov 1994 08:50:37 GMT", Some(60));
    check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
    check("Sunday, 06-Nov-94 08:49:47 GMT", Some(10));
    check("-1", None);
    check("1.5", None);
    check("soon", None);
    check("", None);
    check("99999999999999999999999", None);
}

/// Has no credentials at first, then signs with the length of what it sees.
struct Late(u32);

impl Authorize for Late {
    fn authorize(&mut self, request: &Unsent) -> Result<Vec<(String, env::Secret)>, String> {
        self.0 += 1;
        if self.0 < 3 {
            return Err("no credentials yet".to_owned());
        }
        assert_eq!(request.headers, [("content-type", "application/x-protobuf")]);
        Ok(vec![("x-signature".to_owned(), format!("signed {} bytes", request.body.len()).into())])
    }
}

#[test]
fn a_payload_waits_for_credentials_which_nobody_sees() {
    let receiver = Receiver::start(|n, request| match n {
        // AWS answers a bad signature with all that should have been signed.
        0 => {
            Reply::Answer { status: 503, headers: &[], body: [&[b'.'; 190], &b"signed 3 bytes"[..]].concat() }
        }
        _ => Reply::Answer {
            status: 403,
            headers: &[],
            body: request.header("x-signature").unwrap_or_default().as_bytes().to_vec(),
        },
    });
    let endpoint = Arc::new(endpoint(receiver.url()));
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let queue = Queue::start("test", limits, move || HttpSender::authorized(Arc::clone(&endpoint), Late(0)));
    let queue = queue.unwrap();
    queue.offer(Payload::new("abc", 3)).unwrap();
    let problem = || queue.report().last_problem.unwrap_or_default();
    let end = Instant::now() + LONG;
    while receiver.requests().is_empty() {
        assert!(["", "no credentials yet"].contains(&problem().as_str()), "{}", problem());
        assert!(Instant::now() < end);
    }
    queue.flush(LONG);
    assert_eq!(receiver.requests()[0].header("x-signature"), Some("signed 3 bytes"));
    let report = queue.report();
    assert_eq!((report.refused, report.retried), ([(Reason::Unauthorized, 3)].into(), 9));
    assert_eq!(report.last_problem.unwrap(), "unauthorized: 403 Forbidden: ***");
}
