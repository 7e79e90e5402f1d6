//! Real servers: the corpus, and what Postgres 15, 17 and 18 said to the statements of the services.

use std::fmt::Write as _;

use throughline_pg_plan::Statement;

use crate::support::{SERVERS, checked, millis, tree};

#[test]
fn what_three_servers_said() {
    for (server, cases) in SERVERS.iter() {
        let mut text = String::new();
        for case in cases {
            let _ = writeln!(text, "{} ({} ms)\n{}", case.name, case.ended_ms, tree(&case.spans()));
        }
        insta::assert_snapshot!(*server, text);
    }
}

/// Lines of a server's log (jsonlog), whose times are cut to milliseconds.
#[test]
fn the_corpus() {
    let mut text = String::new();
    let mut messages = Vec::new();
    for line in include_str!("fixtures/corpus.jsonl").lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        // "2026-01-01 02:01:39.299 UTC"
        let at = line["timestamp"].as_str().unwrap()[17..23].parse::<f64>().unwrap() * 1e3;
        messages.push((at, line["message"].as_str().unwrap().to_owned()));
        // Only statements inside functions have a context.
        if line["context"].is_string() && line["ps"] != "DO" {
            continue;
        }
        let json = messages.last().unwrap().1.split_once('\n').unwrap().1;
        let plan: serde_json::Value = serde_json::from_str(json).unwrap();
        let sql = if line["ps"] == "DO" { "do" } else { plan["Query Text"].as_str().unwrap() };
        let mut statement = Statement::new(sql);
        for (message_at, message) in messages.drain(..) {
            statement.add(millis(200.0 + message_at - at), &message).unwrap();
        }
        let sql = sql.split(" /*").next().unwrap();
        let _ = writeln!(text, "{sql}\n{}", tree(&checked(statement, millis(200.0))));
    }
    insta::assert_snapshot!("corpus", text);
}
