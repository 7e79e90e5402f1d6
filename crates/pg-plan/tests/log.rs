//! A real server's log in, spans as text out; and lines that no server writes.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use throughline_pg_plan::log::{Counts, Log, LogSpan};
use throughline_pg_plan::{Value, keys};

use crate::support::tree;

/// `fixtures/README.md` tells how it was captured.
const LOG: &str = include_str!("fixtures/log-15.jsonl");
const LOG_17: &str = include_str!("fixtures/log-17.jsonl");

fn read(lines: impl IntoIterator<Item = impl AsRef<str>>) -> (Vec<LogSpan>, Counts) {
    let (mut log, mut spans) = (Log::default(), Vec::new());
    for line in lines {
        log.line(line.as_ref(), &mut spans);
    }
    log.flush(&mut spans);
    let counts = log.counts();
    let Counts { lines, told, in_band, unsampled, ignored, repeated, unreadable, .. } = counts;
    assert_eq!(lines, told + in_band + unsampled + ignored + repeated + unreadable, "{counts:?}");
    assert_eq!(counts.spans, spans.len() as u64);
    for span in &spans {
        assert!(span.start <= span.end, "{span:?}");
        assert!(span.below.iter().all(|node| node.end <= span.length()), "{span:?}");
    }
    (spans, counts)
}

/// The trace's last digit, or a root; the wait's holder by the digit of its trace; `now` is the first line's time.
fn show(spans: &[LogSpan]) -> String {
    let began = spans.iter().map(|span| span.start).min().unwrap_or_default();
    let digit = |traceparent: &str| traceparent[34..35].to_owned();
    let mut text = String::new();
    for span in spans {
        let parent =
            span.parent.as_deref().map_or("root".to_owned(), |parent| format!("in {}", digit(parent)));
        let (at, took) = (span.start.saturating_sub(began).as_secs_f64(), span.length().as_secs_f64() * 1e3);
        let kind = if span.server { "server" } else { "internal" };
        let _ = write!(text, "{parent} {kind} {}  {took:.3} ms at {at:.3} s", span.name);
        if let Some(error) = &span.error {
            let _ = write!(text, "  ERROR {error}");
        }
        if let Some(holder) = &span.holder {
            let _ = write!(text, "  held by {}", digit(holder));
        }
        text.push('\n');
        for (key, value) in &span.attributes {
            // They differ from run to run, as everything here, and say nothing.
            if ![keys::PID, keys::LOCK_HOLDER_PID, keys::QUERY_ID].contains(key) {
                let _ = writeln!(text, "    {key} = {value:?}");
            }
        }
        text.push_str(&tree(&span.below));
    }
    text
}

#[test]
fn what_a_server_logged() {
    for (server, log) in [("log-15", LOG), ("log-17", LOG_17)] {
        let (spans, counts) = read(log.lines());
        insta::assert_snapshot!(server, format!("{counts:#?}\n{}", show(&spans)));
    }
}

#[test]
fn no_value_of_a_statement_reaches_a_span() {
    // In texts, in DETAIL, in messages, in CONTEXT, in plans.
    for canary in
        ["canary-timeout", "canary-twice", "canary-number", "canary-raised", "canary-plan", "4242421"]
    {
        assert!(LOG.contains(canary), "the server wrote {canary}");
    }
    let (spans, more) = (read(LOG.lines()).0, read(LOG_17.lines()).0);
    let told = format!("{spans:?}{more:?}");
    for canary in ["canary", "4242421", "4242422"] {
        assert!(!told.contains(canary), "{canary} in {told}");
    }
}

#[test]
fn every_line_is_told_once_and_its_absence_is_counted() {
    let (all, counts) = read(LOG.lines());
    assert_eq!((counts.missing, counts.repeated, counts.unreadable), (0, 0, 0));

    let (again, counts) = read(LOG.lines().chain(LOG.lines()));
    assert_eq!((again, counts.repeated), (all, counts.lines / 2));

    // The first line of a session that began while we read, and one in the middle of another.
    let of = |number: u64| {
        move |line: &&str| line.contains(&format!("\"line_num\":{number},")) && line.contains("00004-")
    };
    let (first, middle) = (LOG.lines().find(of(1)).unwrap(), LOG.lines().find(of(3)).unwrap());
    let (_, counts) = read(LOG.lines().filter(|line| *line != first && *line != middle));
    assert_eq!(counts.missing, 2);
}

/// What one reader knew is enough for the next, at any line.
#[test]
fn a_reader_goes_on_where_another_stopped() {
    let (all, expect) = read(LOG.lines());
    for stop in 0..LOG.lines().count() {
        let (mut spans, mut lines) = (Vec::new(), LOG.lines());
        let mut first = Log::default();
        lines.by_ref().take(stop).for_each(|line| first.line(line, &mut spans));
        first.flush(&mut spans);
        let mut second: Log = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
        lines.for_each(|line| second.line(line, &mut spans));
        second.flush(&mut spans);
        assert_eq!(second.counts().missing + second.counts().repeated, 0, "after {stop} lines");
        assert_eq!(first.counts().told + second.counts().told, expect.told, "after {stop} lines");
        let waits = |spans: &[LogSpan]| {
            spans.iter().filter(|span| span.name.starts_with("wait")).cloned().collect::<Vec<_>>()
        };
        assert_eq!(waits(&spans), waits(&all), "after {stop} lines");
    }
}

fn line(session: u64, number: u64, more: &Json) -> String {
    let mut line = json!({
        "timestamp": "2026-01-01 12:00:44.059 UTC", "pid": session, "session_id": format!("695661eb.{session:x}"),
        "line_num": number, "error_severity": "LOG", "message": "", "application_name": "psql",
    });
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line.to_string()
}

#[test]
fn housework_of_other_versions() {
    let told = |message: &str| {
        let (spans, _) = read([line(1, 1, &json!({ "message": message }))]);
        spans.first().map_or(String::new(), |span| format!("{} {:?}", span.name, span.length()))
    };
    let usage = "\nsystem usage: CPU: user: 0.00 s, system: 0.00 s, elapsed: 1.25 s";
    for (what, expect) in [
        ("automatic aggressive vacuum of table \"a.b.c\": index scans: 0", "autovacuum b.c 1.25s"),
        ("automatic vacuum to prevent wraparound of table \"a.b.c\": index scans: 0", "autovacuum b.c 1.25s"),
        (
            "automatic aggressive vacuum to prevent wraparound of table \"a.b.c\": index scans: 0",
            "autovacuum b.c 1.25s",
        ),
        ("automatic analyze of table \"a.b.c\"", "autoanalyze b.c 1.25s"),
        ("automatic cleaning of table \"a.b.c\"", ""),
    ] {
        assert_eq!(told(&format!("{what}{usage}")), expect);
    }
    assert_eq!(
        told(
            "restartpoint complete: wrote 3 buffers (0.0%), wrote 1 SLRU buffers; 0 WAL file(s) added, 0 removed, 0 recycled; write=0.002 s, sync=0.001 s, total=0.005 s; sync files=2"
        ),
        "restartpoint 5ms"
    );
    assert_eq!(told("checkpoint complete: nothing of what we know"), "");
    // A client's words, by RAISE LOG.
    let raised = json!({ "message": "checkpoint complete: total=1.000 s", "user": "somebody" });
    assert_eq!(read([line(1, 1, &raised)]).1.ignored, 1);
}

/// The holder's session was heard in another transaction than the one that is waited for: it has gone on.
#[test]
fn a_holder_is_named_only_by_the_transaction_that_holds() {
    const HOLDER: &str = "00-0000000000000000000000000000000a-000000000000000a-01";
    let wait = json!({
        "message": "process 2 still waiting for ShareLock on transaction 838 after 1000.1 ms",
        "detail": "Process holding the lock: 1. Wait queue: 2.",
    });
    let acquired = json!({ "message": "process 2 acquired ShareLock on transaction 838 after 1500.1 ms" });
    for (txid, expect) in [(838, Some(HOLDER)), (837, None), (0, None)] {
        let heard = json!({ "message": "duration: 0.1 ms  bind a: select", "application_name": HOLDER, "txid": txid });
        let (spans, _) = read([line(1, 1, &heard), line(2, 1, &wait), line(2, 2, &acquired)]);
        assert_eq!(spans.len(), 1);
        assert_eq!(spans[0].holder.as_deref(), expect, "{txid}");
        assert_eq!(spans[0].get(keys::LOCK_HOLDER_PID), Some(&Value::Int(1)));
        assert_eq!(spans[0].length(), Duration::from_micros(1_500_100));
    }
}

/// Its duration comes after its COMMIT, which may take long; its plan when its cursor is closed.
#[test]
fn the_second_half_of_a_statement_is_not_a_second_statement() {
    let plan = json!({ "message": "duration: 1 ms  plan:\n{\"Query Text\": \"select 1\", \"Plan\": {\"Node Type\": \"Result\"}}" });
    let duration = json!({ "message": "duration: 2 ms  statement: select 1" });
    for (first, second) in [(&plan, &duration), (&duration, &plan)] {
        let (mut log, mut spans) = (Log::default(), Vec::new());
        for (number, message) in [first, second, first, second].into_iter().enumerate() {
            log.line(&line(1, number as u64 + 1, message), &mut spans);
            log.flush(&mut spans);
        }
        assert_eq!((spans.len(), log.counts().ignored), (2, 2));
        for number in 5..7 {
            log.line(&line(1, number, first), &mut spans);
        }
        log.flush(&mut spans);
        assert_eq!(spans.len(), 4);
    }
}

#[test]
fn what_is_held_is_bounded_and_told() {
    let text = "x".repeat(1 << 20);
    let statement = json!({ "message": format!("duration: 2 ms  bind a: {}", &text[..1_000_000]) });
    let (mut log, mut spans) = (Log::default(), Vec::new());
    for session in 0..12 {
        log.line(&line(session, 1, &statement), &mut spans);
        // Each waits for its duration; five of them are more than is held.
        assert!(session as usize + 1 - spans.len() < 5);
    }
    log.flush(&mut spans);
    assert_eq!((spans.len(), log.counts().spans), (12, 12));
}

#[test]
fn memory_is_bounded() {
    let (_, counts) = read((0..5_000).map(|session| line(session, 7, &json!({}))));
    assert_eq!((counts.forgotten, counts.missing), (5_000 - 1_024, 0));
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "[\\PC\n]{0,40}".prop_map(Json::from),
        "(duration: |process [0-9]{1,3} |checkpoint complete: |automatic (vacuum|analyze) of table )[\\PC\n]{0,40}"
            .prop_map(Json::from),
        "duration: [0-9.e+-]{1,9} ms  (plan:\n\\{|bind |execute |statement: )[\\PC\n]{0,30}".prop_map(Json::from),
        "process [0-9]{1,12} (acquired|still waiting for) [A-Za-z]{1,9}Lock on (transaction|tuple) [0-9]{1,25} after [0-9.e-]{1,9} ms"
            .prop_map(Json::from),
        "(Process|Processes) (holding the lock: )?[0-9]{1,12}[\\PC\n]{0,40}".prop_map(Json::from),
        "[0-9]{1,5}-[0-9]{1,3}-[0-9]{1,3} [0-9]{1,3}:[0-9]{1,3}:[0-9.]{1,9} (UTC|CET|[+-][0-9:]{1,6})".prop_map(Json::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Json::from))
}

proptest! {
    #[test]
    fn no_line_panics(text in "\\PC{0,200}") {
        read([text]);
    }

    #[test]
    fn no_record_panics(changes in prop::collection::vec((0usize..20, any_json()), 0..6), at in 0usize..60) {
        const FIELDS: [&str; 20] = [
            "timestamp", "user", "dbname", "pid", "remote_host", "remote_port", "session_id", "line_num", "session_start",
            "txid", "error_severity", "state_code", "message", "message", "detail", "context", "statement",
            "application_name", "query_id", "vxid",
        ];
        let real = LOG.lines().nth(at).unwrap();
        let mut changed: Json = serde_json::from_str(real).unwrap();
        for (field, value) in changes {
            changed[FIELDS[field]] = value;
        }
        read([real, &changed.to_string(), real]);
    }
}
