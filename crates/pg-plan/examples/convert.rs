//! Converts every captured plan as often as it is told, for `tests/bench/plans` to count instructions.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and stops when something is off"
)]

use std::time::Duration;

use throughline_pg_plan::Statement;

/// A primary-key read and a feed, as Postgres 15 told them.
const CAPTURED: &str = include_str!("../tests/fixtures/postgres-15.jsonl");

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (name, times) = (arguments.next().unwrap(), arguments.next().unwrap().parse::<u32>().unwrap());
    let case: serde_json::Value = CAPTURED
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|case| case["case"] == name.as_str())
        .unwrap_or_else(|| panic!("no statement {name}"));
    let sql = case["sql"].as_str().unwrap();
    let messages = case["messages"].as_array().unwrap();
    let mut spans = 0;
    for _ in 0..times {
        let mut statement = Statement::new(sql);
        for message in messages {
            let _ = statement.add(Duration::from_millis(1), message["text"].as_str().unwrap());
        }
        spans += statement.spans(Duration::from_millis(2)).len();
    }
    println!("{spans} spans");
}
