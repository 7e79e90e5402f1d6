//! The sink against a CloudWatch Logs that validates as AWS does, throttles, dies and comes back; every event is read back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use delivery::{Reason, Report};
use env::Env;
use serde_json::{Value, json};
use throughline_sinks::cloudwatch::{Config, Logs, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, Names};

use crate::receiver::{Receiver, Reply, Request};

/// Groups, their streams, their events as `(milliseconds, message)`; and what was asked.
#[derive(Default)]
struct Account {
    groups: BTreeMap<String, BTreeMap<String, Vec<(i64, String)>>>,
    retention: BTreeMap<String, i64>,
    calls: Vec<String>,
}

#[derive(Clone, Default)]
struct CloudWatch(Arc<Mutex<Account>>);

impl CloudWatch {
    /// `fault` may answer instead, knowing the call's number and its name.
    fn start(
        &self,
        address: SocketAddr,
        fault: impl Fn(usize, &str) -> Option<Reply> + Send + Sync + 'static,
    ) -> Receiver {
        let account = self.clone();
        Receiver::start_at(address, move |number, request| {
            let target = request.header("x-amz-target").unwrap_or_default();
            let call = target.strip_prefix("Logs_20140328.").expect("JSON 1.1").to_owned();
            assert!(request.header("authorization").unwrap().contains("/us-east-1/logs/aws4_request"));
            fault(number, &call).unwrap_or_else(|| account.answer(&call, request))
        })
    }

    fn answer(&self, call: &str, request: &Request) -> Reply {
        let mut account = self.0.lock().unwrap();
        account.calls.push(call.to_owned());
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let (group, stream) = (text("logGroupName"), text("logStreamName"));
        match call {
            "CreateLogGroup" => match account.groups.insert(group, BTreeMap::new()) {
                None => ok(),
                Some(_) => error(400, "ResourceAlreadyExistsException"),
            },
            "PutRetentionPolicy" => {
                account.retention.insert(group, body["retentionInDays"].as_i64().unwrap());
                ok()
            }
            "CreateLogStream" => match account.groups.get_mut(&group) {
                None => error(400, "ResourceNotFoundException"),
                Some(streams) => {
                    streams.insert(stream, Vec::new());
                    ok()
                }
            },
            "PutLogEvents" => match account.groups.get_mut(&group).and_then(|it| it.get_mut(&stream)) {
                None => error(400, "ResourceNotFoundException"),
                Some(kept) => put(kept, body["logEvents"].as_array().unwrap()),
            },
            other => panic!("{other}"),
        }
    }

    fn messages(&self) -> Vec<String> {
        let account = self.0.lock().unwrap();
        let streams = account.groups.values().flat_map(|streams| streams.values());
        streams.flatten().map(|(_, message)| message.clone()).collect()
    }
}

/// PutLogEvents: limits and order fail the whole call; an age beyond 14 days is taken back in a 200.
fn put(kept: &mut Vec<(i64, String)>, events: &[Value]) -> Reply {
    let events: Vec<(i64, String)> = events
        .iter()
        .map(|it| (it["timestamp"].as_i64().unwrap(), it["message"].as_str().unwrap().to_owned()))
        .collect();
    let size: usize = events.iter().map(|(_, message)| message.len() + 26).sum();
    let whole = (1..=MAX_BATCH_EVENTS).contains(&events.len())
        && size <= MAX_BATCH_BYTES
        && events.is_sorted_by_key(|(time, _)| *time)
        && events.iter().all(|(_, message)| !message.is_empty())
        && events[events.len() - 1].0 - events[0].0 <= 24 * 60 * 60 * 1_000;
    if !whole {
        return error(400, "InvalidParameterException");
    }
    let too_old = events.iter().filter(|(time, _)| *time < OLD).count();
    let too_new = events.iter().position(|(time, _)| *time > NEW);
    kept.extend(events[too_old..too_new.unwrap_or(events.len())].iter().cloned());
    let mut info = serde_json::Map::new();
    if too_old > 0 {
        info.insert("tooOldLogEventEndIndex".to_owned(), too_old.into());
    }
    info.extend(too_new.map(|start| ("tooNewLogEventStartIndex".to_owned(), start.into())));
    if info.is_empty() { ok() } else { answer(200, &json!({ "rejectedLogEventsInfo": info })) }
}

const OLD: i64 = 1_000_000;
const NEW: i64 = 50_000_000;
const NOW: i64 = 2_000_000;

fn ok() -> Reply {
    answer(200, &json!({}))
}

fn error(status: u16, code: &str) -> Reply {
    answer(status, &json!({ "__type": code, "message": "as the plan says" }))
}

fn answer(status: u16, body: &Value) -> Reply {
    let headers = &[("content-type", "application/x-amz-json-1.1")];
    Reply::Answer { status, headers, body: body.to_string().into_bytes() }
}

fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn logs(url: &str, more: &[(&str, &str)]) -> Logs {
    let mut pairs = vec![
        ("CLOUDWATCH_LOG_GROUP", "cruddur"),
        ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", url),
        ("AWS_ACCESS_KEY_ID", "any"),
        ("AWS_SECRET_ACCESS_KEY", "any"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "10"),
    ];
    pairs.extend(more);
    let config = Config::from_env(&Env::from_pairs(pairs)).unwrap();
    let names = Names { service: "gateway".to_owned(), instance: "one".to_owned(), ..Names::default() };
    Logs::start(&config, &names).unwrap()
}

fn only(logs: &Logs) -> Report {
    let (_, mut reports) = logs.report();
    assert!(reports.iter().all(Report::is_balanced), "{reports:?}");
    reports.remove(0)
}

const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn group_and_stream_are_made_when_they_are_missing() {
    let account = CloudWatch::default();
    let receiver = account.start(anywhere(), |_, _| None);
    let first = logs(&receiver.url(), &[("CLOUDWATCH_LOG_RETENTION_DAYS", "14")]);
    first.write(NOW, "a line");
    first.write(NOW, "");
    let flushed = first.flush(PATIENCE);
    assert!(flushed.dropped == 1 && flushed.waiting == 0, "the empty one: {flushed:?}");
    assert!(flushed.destinations.iter().all(delivery::Flushed::is_complete));
    first.write(NOW + 1, "another");
    assert!(first.flush(PATIENCE).is_complete());

    // A second process: the group is somebody else's by now.
    let names = Names { service: "users".to_owned(), instance: "a:b*".to_owned(), ..Names::default() };
    let url = receiver.url();
    let variables = [
        ("CLOUDWATCH_LOG_GROUP", "cruddur"),
        ("CLOUDWATCH_LOG_STREAM", "{service}/{instance}"),
        ("CLOUDWATCH_LOG_RETENTION_DAYS", "30"),
        ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "any"),
        ("AWS_SECRET_ACCESS_KEY", "any"),
    ];
    let config = Config::from_env(&Env::from_pairs(variables)).unwrap();
    let second = Logs::start(&config, &names).unwrap();
    second.write(NOW, "a third");
    assert!(second.flush(PATIENCE).is_complete());

    let account = account.0.lock().unwrap();
    assert_eq!(account.retention["cruddur"], 14);
    let streams: Vec<_> =
        account.groups["cruddur"].iter().map(|(name, kept)| (name.as_str(), kept.len())).collect();
    assert_eq!(streams, [("gateway/one", 2), ("users/a-b-", 1)]);
    assert_eq!(
        account.calls.join(" "),
        "PutLogEvents CreateLogStream CreateLogGroup PutRetentionPolicy CreateLogStream PutLogEvents PutLogEvents \
         PutLogEvents CreateLogStream PutLogEvents"
    );
}

#[test]
fn what_a_200_takes_back_is_counted() {
    let account = CloudWatch::default();
    let receiver = account.start(anywhere(), |_, _| None);
    let logs = logs(&receiver.url(), &[]);
    for time in [NOW, OLD - 1, NEW + 1, OLD - 2, NOW + 1] {
        logs.write(time, &format!("at {time}"));
    }
    let flushed = logs.flush(PATIENCE);
    assert!(!flushed.is_complete(), "three were not kept");
    let report = only(&logs);
    assert_eq!((report.delivered, report.refused[&Reason::PartialSuccess]), (2, 3));
    assert_eq!(
        report.last_problem.as_deref(),
        Some("partial_success: 2 older than 14 days, 1 more than two hours ahead")
    );
    assert_eq!(account.messages(), ["at 2000000", "at 2000001"]);
}

#[test]
fn what_may_pass_waits_and_what_will_not_is_refused() {
    let check = |status: u16, code: &'static str, expect: Option<Reason>| {
        let account = CloudWatch::default();
        let receiver = account.start(anywhere(), move |number, _| (number == 0).then(|| error(status, code)));
        let logs = logs(&receiver.url(), &[]);
        logs.write(NOW, "a line");
        logs.flush(PATIENCE);
        let report = only(&logs);
        match expect {
            None => assert_eq!((report.delivered, report.retried), (1, 1), "{code}: {report:?}"),
            Some(reason) => assert_eq!(report.refused.get(&reason), Some(&1), "{code}: {report:?}"),
        }
    };
    check(400, "ThrottlingException", None);
    check(503, "ServiceUnavailableException", None);
    check(500, "InternalFailure", None);
    check(400, "OperationAbortedException", None);
    check(400, "ExpiredTokenException", None);
    check(400, "InvalidParameterException", Some(Reason::BadRequest));
    check(400, "UnrecognizedClientException", Some(Reason::Unauthorized));
    check(400, "AccessDeniedException", Some(Reason::Unauthorized));
    check(403, "InvalidSignatureException", Some(Reason::Unauthorized));
    check(404, "UnknownOperationException", Some(Reason::WrongAddress));
}

#[test]
fn what_is_made_may_not_be_found_for_a_moment() {
    let account = CloudWatch::default();
    let receiver = account.start(anywhere(), |number, call| {
        (call == "PutLogEvents" && number < 8).then(|| error(400, "ResourceNotFoundException"))
    });
    let logs = logs(&receiver.url(), &[]);
    logs.write(NOW, "a line");
    assert!(logs.flush(PATIENCE).is_complete());
    assert_eq!(account.messages(), ["a line"]);
}

/// 20,000 lines to a receiver that throttles every tenth call, refuses some for the moment, breaks a connection, and dies in between:
/// as `tests/bench/cloudwatch` does at full size.
#[test]
fn events_accepted_are_events_read_back() {
    const LINES: usize = 20_000;
    let account = CloudWatch::default();
    let faults = |number: usize, _: &str| match number % 100 {
        n if n % 10 == 3 => Some(error(400, "ThrottlingException")),
        n if n % 13 == 5 => Some(error(503, "ServiceUnavailableException")),
        77 => Some(Reply::Reset),
        _ => None,
    };
    let receiver = account.start(anywhere(), faults);
    let address: SocketAddr = receiver.url().strip_prefix("http://").unwrap().parse().unwrap();
    let logs = logs(&receiver.url(), &[]);
    let writer = {
        let logs = logs.clone();
        thread::spawn(move || {
            for n in 0..LINES {
                logs.write(NOW + n as i64, &format!("line {n} {}", "x".repeat(n % 300)));
                if n % 50 == 0 {
                    // A second and a half in all, for many batches.
                    thread::park_timeout(Duration::from_millis(3));
                }
            }
        })
    };
    // It dies as soon as it has something, and comes back after the queue has noticed.
    wait(|| only(&logs).delivered > 1_000);
    drop(receiver);
    wait(|| only(&logs).failures >= 2);
    let _again = account.start(address, faults);
    writer.join().unwrap();
    let flushed = logs.flush(PATIENCE);
    assert!(flushed.is_complete(), "{flushed:?}");

    let report = only(&logs);
    assert_eq!(report.delivered, LINES as u64);
    let read = account.messages();
    let distinct: BTreeSet<_> = read.iter().collect();
    assert_eq!(distinct.len(), LINES, "{} read", read.len());
    // Nothing was stored by a call that failed here, so nothing comes twice but what was in flight when it died.
    assert!(read.len() - distinct.len() <= MAX_BATCH_EVENTS);
    assert!(report.retried > 0);
}

#[test]
fn a_restart_sends_what_was_left() {
    let folder = std::env::temp_dir().join(format!("throughline-cloudwatch-{}", std::process::id()));
    let spool = folder.to_str().unwrap();
    let nobody = Receiver::nowhere();
    let before = logs(&format!("http://{nobody}"), &[("CLOUDWATCH_SPOOL_DIR", spool)]);
    for n in 0..500 {
        before.write(NOW + n, &format!("line {n}"));
    }
    let left = before.shutdown(Duration::from_millis(200));
    assert_eq!(left.destinations[0].pending, 500);
    let report = only(&before);
    assert_eq!((report.dropped_total(), report.spool.unwrap().kept), (0, 500));
    drop(before);

    let account = CloudWatch::default();
    let receiver = account.start(anywhere(), |_, _| None);
    let url = receiver.url();
    let start = || logs(&url, &[("CLOUDWATCH_SPOOL_DIR", spool)]);
    let mut after = start();
    // A process that is gone holds nothing; here a thread of the one before may still be waiting for its last answer.
    while only(&after).spool.unwrap().problem.is_some() {
        after = start();
    }
    after.write(NOW + 1_000, "new");
    assert!(after.flush(PATIENCE).is_complete());
    let report = only(&after);
    assert_eq!((report.delivered, report.spool.unwrap().replayed), (501, 500));
    assert_eq!(account.messages().len(), 501);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn configuration() {
    let check = |pairs: &[(&str, &str)], expect: &str| {
        let told = match Config::from_env(&Env::from_pairs(pairs.iter().copied())) {
            Err(error) => error.to_string(),
            Ok(config) => {
                let one = |it: &throughline_sinks::cloudwatch::Destination| {
                    let endpoint = it.endpoint.as_deref().unwrap_or("AWS");
                    format!("{} {endpoint} {} {}", it.name, it.region, it.group)
                };
                config.destinations.iter().map(one).collect::<Vec<_>>().join(", ")
            }
        };
        assert_eq!(told, expect);
    };
    let group = ("CLOUDWATCH_LOG_GROUP", "app");
    check(&[], "");
    check(&[("AWS_REGION", "eu-west-1")], "");
    check(&[group, ("AWS_REGION", "eu-west-1")], "cloudwatch AWS eu-west-1 app");
    check(
        &[group],
        "AWS_REGION: is not set, and CLOUDWATCH_LOG_GROUP names a group of a region; for example AWS_REGION=eu-central-1",
    );
    check(
        &[group, ("AWS_ENDPOINT_URL", "http://127.0.0.1:5000")],
        "cloudwatch http://127.0.0.1:5000/ us-east-1 app",
    );
    check(
        &[group, ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "https://logs.eu-north-1.amazonaws.com")],
        "cloudwatch https://logs.eu-north-1.amazonaws.com/ eu-north-1 app",
    );
    let console = ("CONSOLE_CLOUDWATCH_LOGS_ENDPOINT", "http://127.0.0.1:4380");
    check(&[console], "cloudwatch-console http://127.0.0.1:4380/ us-east-1 cruddur");
    check(
        &[console, group, ("AWS_REGION", "eu-west-1")],
        "cloudwatch AWS eu-west-1 app, cloudwatch-console http://127.0.0.1:4380/ us-east-1 app",
    );
    // One receiver under two names gets every line once.
    check(
        &[console, group, ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://localhost:4380")],
        "cloudwatch http://localhost:4380/ us-east-1 app",
    );
    check(
        &[("CLOUDWATCH_LOG_GROUP", "a b")],
        "CLOUDWATCH_LOG_GROUP: \"a b\" has characters beyond A-Z a-z 0-9 . - _ / #; for example CLOUDWATCH_LOG_GROUP=cruddur",
    );
    check(
        &[("CLOUDWATCH_LOG_STREAM", "{host}")],
        "CLOUDWATCH_LOG_STREAM: \"{host}\" names a placeholder that is none of {service}, {namespace}, {instance}, \
         {version} and {pid}; for example CLOUDWATCH_LOG_STREAM={service}/{instance}",
    );
    check(
        &[("CLOUDWATCH_LOG_RETENTION_DAYS", "8")],
        "CLOUDWATCH_LOG_RETENTION_DAYS: \"8\" is none of the periods that CloudWatch knows (1, 3, 5, 7, 14, 30, 60, 90 \
         and so on); for example CLOUDWATCH_LOG_RETENTION_DAYS=30",
    );
}

fn wait(until: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !until() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}");
        thread::yield_now();
    }
}
