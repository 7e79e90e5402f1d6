//! No value of a statement reaches a span: not from conditions, not from parameters, not from the texts of functions.

use proptest::prelude::*;
use throughline_pg_plan::{Error, Statement};

use crate::support::{SERVERS, message, millis, one};

/// Values that the captured statements worked with, in rows, parameters and texts.
const CANARIES: [&str; 5] = ["canary-7f3a9", "4242421", "22222222-2222", "2026-11-21", "feed-svc"];

#[test]
fn captured_values_stay_in_postgres() {
    for (server, cases) in SERVERS.iter() {
        let said: String = cases.iter().flat_map(|case| &case.messages).map(|m| m.text.as_str()).collect();
        for canary in &CANARIES[..4] {
            assert!(said.contains(canary), "{server} printed {canary}");
        }
        // Since Postgres 16 auto_explain prints parameters on top.
        assert_eq!(said.contains("Query Parameters"), *server != "postgres-15");
        for case in cases {
            let told = format!("{:?}", case.spans());
            for canary in CANARIES {
                assert!(!told.contains(canary), "{server}, {}: {canary} in {told}", case.name);
            }
        }
    }
}

#[test]
fn an_error_quotes_nothing() {
    for (text, expect) in [
        ("duration: 1 ms  plan:\n{\"Plan\": \"canary\"}", Error::Plan),
        ("duration: 1 ms  plan:\n{\"Plan\": {\"Actual Loops\": \"canary\"}}", Error::Plan),
        ("duration: 1 ms  plan:\nQuery Text: canary", Error::Plan),
        ("relation \"canary\" already exists, skipping", Error::Unknown),
    ] {
        let error = Statement::new("").add(millis(1.0), text).unwrap_err();
        assert_eq!(error, expect);
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

/// As Postgres quotes a value in an expression (`quote_literal`).
fn literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if value.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

fn dollar(value: &str) -> String {
    format!("$q${}$q$", value.replace('$', ""))
}

proptest! {
    #[test]
    fn any_value_in_any_condition(before in "[\\PC'\\\\\n]{0,12}", after in "[\\PC'\\\\\n]{0,12}", tail in "[a-z0-9() ]{0,9}") {
        let value = format!("{before}canary{after}");
        for written in [literal(&value), dollar(&value), format!("/* {} */ 1", value.replace(['*', '/'], ""))] {
            let condition = format!("((a = {written}::text) AND (b <> {written})) {tail}");
            let plan = serde_json::json!({
                "Node Type": "Seq Scan", "Filter": condition, "Sort Key": [condition, condition], "Index Cond": condition,
                "Output": [condition], "Some Later Key": condition,
            });
            let spans = one(1.0, &plan.to_string());
            prop_assert!(!format!("{spans:?}").contains("canary"), "{condition}");

            let mut statement = Statement::new("select 1");
            let nested = serde_json::json!({"Query Text": format!("select {written}"), "Plan": {"Node Type": "Result"}});
            statement.add(millis(1.0), &format!("duration: 1 ms  plan:\n{nested}")).unwrap();
            statement.add(millis(1.0), &message(1.0, "{\"Node Type\": \"Result\"}")).unwrap();
            prop_assert!(!format!("{:?}", statement.spans(millis(2.0))).contains("canary"), "{written}");
        }
    }
}
