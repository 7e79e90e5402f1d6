//! The SQL for ClickHouse, as far as it can be judged without ClickHouse; `tests/clients/query_chdb.py` runs it.

use std::cell::RefCell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use query::clickhouse::{self, Error, Rows, TableName};
use query::{Box, Options, Spec, Window};
use serde_json::{Value, json};

/// Every SELECT that the query asks, and what differs in a box of it, each answered by one row of nothing; or why it asks none.
fn asked(spec: &Value) -> Result<Vec<String>, String> {
    asked_with_box(spec, "duration_ms")
}

fn asked_with_box(spec: &Value, column: &str) -> Result<Vec<String>, String> {
    let spec = Spec::parse(spec).unwrap();
    let asked = RefCell::new(Vec::new());
    let ask = async |sql: String| -> Result<Rows, String> {
        asked.borrow_mut().push(sql);
        Ok(vec![vec![json!(""), json!(""), json!(1), json!([]), json!(null), json!(null)]])
    };
    let table = TableName::new("o`tel", "otel_traces");
    let options = Options::new(Window { start: 0, end: 60, granularity: 60 });
    let selection = Box { column: column.to_owned(), min: 0.0, max: 1.0, start: 0.0, end: 60.0 };
    let answer = async {
        clickhouse::run(&table, &spec, &options, &ask).await?;
        clickhouse::compare(&table, &spec, &options, &selection, &ask).await
    };
    // Nothing here waits.
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(_)) => Ok(asked.take()),
        Poll::Ready(Err(Error::Spec(error))) => Err(error.to_string()),
        other => panic!("{other:?}"),
    }
}

/// Takes the literals out: what is left is code.
fn code(sql: &str) -> String {
    let mut code = String::new();
    let mut letters = sql.chars();
    let mut is_quoted = None;
    while let Some(letter) = letters.next() {
        match (is_quoted, letter) {
            (Some(_), '\\') => drop(letters.next()),
            (Some(quote), letter) if quote == letter => is_quoted = None,
            (Some(_), _) => {}
            (None, '\'' | '`') => is_quoted = Some(letter),
            (None, letter) => code.push(letter),
        }
    }
    assert_eq!(is_quoted, None, "a literal does not end: {sql}");
    code
}

#[test]
fn texts_of_strangers_stay_texts() {
    let plain = |evil: &str| {
        json!({
            "breakdowns": [format!("column{evil}")],
            "calculations": [{"op": "COUNT"}, {"op": "MAX", "column": format!("other{evil}")}],
            "calculated_fields": [{"name": format!("field{evil}"), "expression": format!("CONCAT($name, {})", json!(format!("x{evil}")))}],
            "filters": [
                {"column": format!("field{evil}"), "op": "=", "value": format!("value{evil}")},
                {"column": "name", "op": "contains", "value": format!("part{evil}")},
                {"column": "name", "op": "in", "value": [format!("one{evil}"), "two"]},
            ],
        })
    };
    let asked = |evil: &str| asked_with_box(&plain(evil), &format!("box{evil}")).unwrap();
    let harmless: Vec<_> = asked("").iter().map(|sql| code(sql)).collect();
    assert!(!harmless.is_empty());
    for evil in
        ["'", "\\", "\\'", "'; DROP TABLE otel_traces; --", "`", "?", "\\\\' OR 1", "{x:String}", "\n--", "ä"]
    {
        let found: Vec<_> = asked(evil).iter().map(|sql| code(sql)).collect();
        assert_eq!(found, harmless, "{evil}");
    }
}

#[test]
fn what_does_not_run_there_is_refused_with_its_place() {
    let cases = [
        (json!({"breakdowns": ["name", "root.name"]}), "breakdowns[1]: "),
        (json!({"calculations": [{"op": "MAX", "column": "meta.network_ms"}]}), "calculations[0].column: "),
        (
            json!({"calculated_fields": [{"name": "day", "expression": "FORMAT_TIME(\"%A\", EVENT_TIMESTAMP())"}]}),
            "calculated_fields[0].expression: ",
        ),
        (
            json!({"calculations": [{"op": "COUNT"}], "formulas": [{"name": "f", "expression": "$COUNT + EVENT_TIMESTAMP()"}]}),
            "formulas[0].expression: ",
        ),
    ];
    let problem = asked_with_box(&json!({}), "meta.network_ms").unwrap_err();
    assert!(problem.starts_with("box.column: "), "{problem}");
    for (spec, place) in cases {
        let problem = asked(&spec).unwrap_err();
        assert!(problem.starts_with(place), "{problem}");
    }
}

#[test]
fn nesting_makes_the_sql_no_longer_than_it_is() {
    let expression = (0..60).fold("$rows".to_owned(), |inner, _| format!("LOG10({inner})"));
    let sql = asked(
        &json!({"calculated_fields": [{"name": "deep", "expression": expression}], "breakdowns": ["deep"]}),
    );
    assert!(sql.unwrap().iter().all(|sql| sql.len() < 10_000));
}

#[test]
fn attributes_are_what_they_read_as() {
    for (text, value) in [
        ("5", json!(5)),
        ("-0.25", json!(-0.25)),
        ("1e3", json!(1000)),
        ("true", json!(true)),
        ("", json!("")),
        ("007", json!("007")),
        ("1.", json!("1.")),
        ("0x10", json!("0x10")),
        ("nan", json!("nan")),
        ("1-2", json!("1-2")),
    ] {
        assert_eq!(json!(clickhouse::read(text)), value, "{text}");
    }
}
