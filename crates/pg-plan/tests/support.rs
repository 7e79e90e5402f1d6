use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;
use throughline_pg_plan::{MAX_SPANS, PlanSpan, Statement, Value, keys};

/// One statement and what a real server said while it ran. `fixtures/README.md` tells how it was captured.
#[derive(Deserialize)]
pub(crate) struct Case {
    #[serde(rename = "case")]
    pub(crate) name: String,
    pub(crate) sql: String,
    pub(crate) ended_ms: f64,
    pub(crate) messages: Vec<Message>,
}

#[derive(Deserialize)]
pub(crate) struct Message {
    pub(crate) at_ms: f64,
    pub(crate) text: String,
}

pub(crate) static SERVERS: LazyLock<[(&str, Vec<Case>); 3]> = LazyLock::new(|| {
    [
        ("postgres-15", cases(include_str!("fixtures/postgres-15.jsonl"))),
        ("postgres-17", cases(include_str!("fixtures/postgres-17.jsonl"))),
        ("postgres-18", cases(include_str!("fixtures/postgres-18.jsonl"))),
    ]
});

fn cases(lines: &str) -> Vec<Case> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn millis(ms: f64) -> Duration {
    Duration::from_nanos((ms * 1e6) as u64)
}

impl Case {
    pub(crate) fn spans(&self) -> Vec<PlanSpan> {
        let mut statement = Statement::new(&self.sql);
        for message in &self.messages {
            statement.add(millis(message.at_ms), &message.text).unwrap();
        }
        checked(statement, millis(self.ended_ms))
    }
}

/// The spans of one plan, alone, in a client span of one second.
pub(crate) fn one(millis_: f64, plan: &str) -> Vec<PlanSpan> {
    let mut statement = Statement::new("");
    statement.add(millis(900.0), &message(millis_, plan)).unwrap();
    checked(statement, millis(1000.0))
}

pub(crate) fn message(millis: f64, plan: &str) -> String {
    format!("duration: {millis} ms  plan:\n{{\"Query Text\": \"\", \"Plan\": {plan}}}")
}

/// What holds for every list of spans.
pub(crate) fn checked(statement: Statement, ended: Duration) -> Vec<PlanSpan> {
    let spans = statement.spans(ended);
    assert!(spans.len() <= MAX_SPANS);
    let mut free = vec![Duration::ZERO; spans.len() + 1];
    let mut inside = vec![Duration::ZERO; spans.len()];
    for (at, span) in spans.iter().enumerate() {
        let (begins, ends, slot) = match span.parent {
            Some(parent) => {
                assert!(parent < at, "{} comes before its parent", span.name);
                inside[parent] += span.length();
                (spans[parent].start, spans[parent].end, parent)
            }
            None => (Duration::ZERO, ended, spans.len()),
        };
        assert!(
            begins <= span.start && span.start <= span.end && span.end <= ends,
            "{span:?} leaves its parent"
        );
        assert!(free[slot] <= span.start, "{} overlaps its sibling", span.name);
        assert_eq!(span.synthetic, span.parent.is_some());
        free[slot] = span.end;
    }
    for (span, inside) in spans.iter().zip(inside) {
        if let Some(Value::Float(own)) = span.get(keys::SELF_TIME) {
            let expect = span.length().checked_sub(inside).expect("self time is never negative");
            assert!((own - expect.as_secs_f64() * 1e3).abs() < 1e-6, "{} has {own} of itself", span.name);
        }
    }
    spans
}

/// One line a span: `Seq Scan on posts  1.2 ms, self 1.2, rows 15 of 10 (1.5x), 3 loops; filter (a = ?)`.
pub(crate) fn tree(spans: &[PlanSpan]) -> String {
    let mut depths: Vec<usize> = Vec::new();
    let mut out = String::new();
    for span in spans {
        let depth = span.parent.map_or(0, |parent| depths[parent] + 1);
        depths.push(depth);
        let length = span.length().as_secs_f64() * 1e3;
        let _ = write!(out, "{}{}  {length:.3} ms", "  ".repeat(depth + 1), span.name);
        for (key, before, after) in SHOWN {
            if let Some(value) = span.get(key) {
                let value = match value {
                    Value::Bool(_) => String::new(),
                    Value::Int(n) => n.to_string(),
                    Value::Float(n) => ((n * 1e3).round() / 1e3).to_string(),
                    Value::Text(text) => text.clone(),
                };
                let _ = write!(out, "{before}{value}{after}");
            }
        }
        out.push('\n');
    }
    out
}

const SHOWN: &[(&str, &str, &str)] = &[
    (keys::SELF_TIME, ", self ", ""),
    (keys::MEASURED, ", measured ", ""),
    (keys::ROWS_ACTUAL, ", rows ", ""),
    (keys::ROWS_ESTIMATED, " of ", ""),
    (keys::MISESTIMATE, " (", "x)"),
    (keys::LOOPS, ", loops ", ""),
    (keys::PROCESSES, ", in ", " processes"),
    (keys::CALLS, ", ", " calls"),
    (keys::TRIGGER_CALLS, ", ", " calls"),
    (keys::NEVER_EXECUTED, ", never executed", ""),
    (keys::MERGED, ", ", " merged"),
    (keys::LOCK_OUTCOME, ", ", ""),
    (keys::JIT_TIME, ", jit ", ""),
    (keys::INDEX_COND, "; ", ""),
    (keys::HASH_COND, "; ", ""),
    (keys::FILTER, "; filter ", ""),
    (keys::SORT_KEY, "; by ", ""),
    (keys::DB_QUERY_TEXT, "; ", ""),
];
