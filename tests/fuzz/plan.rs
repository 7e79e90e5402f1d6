//! Any messages at all, as if Postgres had sent them: none panics, and the spans that they become hold what
//! `throughline_pg_plan::PlanSpan` promises. The first line is the statement, each further message begins after a NUL.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use throughline_pg_plan::{MAX_SPANS, Statement};

const ENDED: Duration = Duration::from_millis(100);

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let (sql, messages) = text.split_once('\n').unwrap_or((&text, ""));
    let mut statement = Statement::new(sql);
    for (at, message) in messages.split('\0').enumerate() {
        // What cannot be read changes nothing.
        let _ = statement.add(Duration::from_millis(at as u64), message);
    }
    let spans = statement.spans(ENDED);
    assert!(spans.len() <= MAX_SPANS);
    let mut free: Vec<Duration> = spans.iter().map(|span| span.start).collect();
    for (at, span) in spans.iter().enumerate() {
        assert!(span.start <= span.end && span.end <= ENDED, "{span:?}");
        let Some(parent) = span.parent else { continue };
        assert!(parent < at, "{span:?}");
        assert!(spans[parent].start <= span.start && span.end <= spans[parent].end, "{span:?}");
        assert!(free[parent] <= span.start, "overlaps its sibling: {span:?}");
        free[parent] = span.end;
    }
});
