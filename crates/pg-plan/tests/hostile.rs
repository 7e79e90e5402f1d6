//! Messages that no healthy server sends.

use throughline_pg_plan::{Error, MAX_MESSAGE, MAX_RECORDS, MAX_SPANS, Statement, Value, keys};

use crate::support::{checked, message, millis, one, tree};

fn check(text: &str, expect: Result<&str, Error>) {
    let mut statement = Statement::new("");
    let got = statement.add(millis(10.0), text).map(|()| tree(&checked(statement, millis(10.0))));
    assert_eq!(got.as_deref().map(str::trim).map_err(|e| *e), expect, "{}", &text[..text.len().min(200)]);
}

#[test]
fn what_is_no_plan_is_refused() {
    for text in [
        "",
        "duration:",
        "duration: ",
        "duration: 1 ms",
        "duration: 1 ms  ",
        "duration: 1 s  plan:\n{}",
        "duration: NaN ms  plan:\n{}",
        "duration: inf ms  plan:\n{}",
        "duration: -1 ms  plan:\n{}",
        "duration: 1 ms  fetch: x",
        "Dauer: 1 ms  Plan:\n{}",
        "table \"t\" does not exist, skipping",
        "process 1",
        "process 99999999999 acquired ShareLock on transaction 1 after 1 ms",
    ] {
        check(text, Err(Error::Unknown));
    }
    for json in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"Plan\": null}",
        "{\"Plan\": []}",
        "{\"Plan\": {\"Plans\": {}}}",
        "{\"Plan\": {\"Actual Loops\": \"1\"}}",
        "{\"Plan\": {\"Actual Total Time\": 1e999}}",
        "{\"Plan\": {\"Node\\u0020Type\": \"Result\"}}",
        "{\"Plan\": {}} trailing",
        "{\"Plan\": {}, \"Triggers\": 1}",
        "{\"Plan\": {}, \"Query Identifier\": 1.5}",
    ] {
        check(&format!("duration: 1 ms  plan:\n{json}"), Err(Error::Plan));
    }
    let deep = "{\"Plans\": [".repeat(200) + &"]}".repeat(200);
    check(&message(1.0, &deep), Err(Error::Plan));
    let long = " ".repeat(MAX_MESSAGE);
    check(&message(1.0, &format!("{{{long}}}")), Err(Error::TooLong(message(1.0, "{}").len() + MAX_MESSAGE)));
}

#[test]
fn numbers_that_cannot_be_are_held_to_what_can() {
    let plan = |text: &str, expect: &str| check(&message(1.0, text), Ok(expect));
    plan("{}", "execute  1.000 ms, self 1\n    unknown node  0.000 ms, self 0 of 0");
    plan(
        r#"{"Node Type": "Result", "Actual Total Time": 1e308, "Actual Loops": 1e308, "Actual Rows": 1e308}"#,
        "execute  1.000 ms, self 0\n    Result  1.000 ms, self 1, measured 1000000000, \
         rows 1000000000000000 of 0 (1000000000000000x), loops 1000000000000000",
    );
    plan(
        r#"{"Node Type": "Result", "Actual Total Time": -5, "Actual Loops": 1, "Actual Rows": -3, "Plan Rows": -1e300}"#,
        "execute  1.000 ms, self 1\n    Result  0.000 ms, self 0, rows 0 of 0 (1x), loops 1",
    );
    plan(
        r#"{"Node Type": "Gather", "Workers Launched": -7, "Actual Loops": 1, "Actual Total Time": 1,
            "Plans": [{"Node Type": "Result", "Actual Loops": 1e9, "Actual Total Time": 1}]}"#,
        "execute  1.000 ms, self 0\n    Gather  1.000 ms, self 0 of 0, loops 1\n      \
         Result  1.000 ms, self 1, measured 1000000000 of 0, loops 1000000000",
    );
}

#[test]
fn names_are_one_line_of_bounded_length() {
    let name = "a\\nb\\u0000".repeat(999);
    for plan in [
        format!(r#"{{"Node Type": "Seq Scan", "Relation Name": "{name}"}}"#),
        format!(r#"{{"Node Type": "Result", "Subplan Name": "{name}"}}"#),
        format!(r#"{{"Node Type": "Custom Scan", "Custom Plan Provider": "{name}"}}"#),
        format!(r#"{{"Node Type": "SetOp", "Command": "{name}"}}"#),
    ] {
        for span in one(1.0, &plan) {
            assert!(span.name.len() < 400 && !span.name.contains(char::is_control), "{:?}", span.name);
        }
    }
}

#[test]
fn circles_of_subplans_end() {
    // Each reads the other, and itself.
    let scan = |cte: &str| {
        format!(
            r#"{{"Node Type": "CTE Scan", "CTE Name": "{cte}", "Actual Loops": 1, "Actual Total Time": 9}}"#
        )
    };
    let cte = |name: &str| {
        format!(
            r#"{{"Node Type": "Result", "Parent Relationship": "InitPlan", "Subplan Name": "CTE {name}",
                "Actual Loops": 1, "Actual Total Time": 5, "Plans": [{}, {}]}}"#,
            scan("a"),
            scan("b")
        )
    };
    let plan = format!(
        r#"{{"Node Type": "Limit", "Actual Loops": 1, "Actual Total Time": 10, "Plans": [{}, {}]}}"#,
        cte("a"),
        cte("b")
    );
    assert_eq!(one(10.0, &plan).len(), 8);
}

#[test]
fn more_than_can_be_shown_is_counted() {
    // A trigger for each row.
    let mut statement = Statement::new("update");
    for row in 0..1000 {
        let text = format!(
            "duration: 1 ms  plan:\n{{\"Query Text\": \"select {row}\", \"Plan\": {{\"Node Type\": \"Result\"}}}}"
        );
        statement.add(millis(f64::from(row) + 1.0), &text).unwrap();
    }
    let own =
        "duration: 1000 ms  plan:\n{\"Query Text\": \"update\", \"Plan\": {\"Node Type\": \"ModifyTable\",
        \"Actual Loops\": 1, \"Actual Total Time\": 1000}}";
    statement.add(millis(1000.0), own).unwrap();
    let spans = checked(statement, millis(1001.0));
    assert_eq!(spans.len(), MAX_SPANS);
    assert_eq!(spans[0].name, "execute");
    assert_eq!(spans[0].get(keys::FORGOTTEN), Some(&Value::Int(1001 - MAX_RECORDS as i64)));
    let merged: i64 = spans
        .iter()
        .map(|span| match span.get(keys::MERGED) {
            Some(Value::Int(n)) => *n,
            _ => 0,
        })
        .sum();
    // The statement and its node, and 255 nested ones with one node each.
    assert_eq!(merged, 2 + 2 * (MAX_RECORDS as i64 - 1) - MAX_SPANS as i64);
}
