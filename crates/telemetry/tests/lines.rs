//! Log lines outside requests; those inside are looked at by the interleaving test.

use serde_json::json;

use crate::fixture::told;

#[test]
fn a_line_is_one_json_object_whatever_is_in_it() {
    told();
    let error = std::io::Error::other("the \"disk\"\nis full");
    tracing::warn!(
        line_test = 1,
        text = "a \"quoted\"\nline\u{1}\u{7f} é",
        number = -7,
        big = u64::MAX,
        share = 0.5,
        endless = f64::INFINITY,
        yes = true,
        debugged = ?Some("x"),
        trace_id = "forged",
        error = &error as &dyn std::error::Error,
        "a {}",
        "message"
    );
    let mut line = told().lines(|line| line["line_test"] == 1).remove(0);
    let timestamp = line["timestamp"].take();
    assert!(chrono::DateTime::parse_from_rfc3339(timestamp.as_str().unwrap()).is_ok(), "{timestamp}");
    assert_eq!(
        line,
        json!({
            "timestamp": null,
            "level": "WARN",
            "service": "test",
            "target": "telemetry::lines",
            "message": "a message",
            "line_test": 1,
            "text": "a \"quoted\"\nline\u{1}\u{7f} é",
            "number": -7,
            "big": u64::MAX,
            "share": 0.5,
            "endless": "inf",
            "yes": true,
            "debugged": "Some(\"x\")",
            "field.trace_id": "forged",
            "error": "the \"disk\"\nis full",
        })
    );
}

#[test]
fn plans_and_the_sdk_s_own_talk_are_no_log_lines() {
    told();
    tracing::info!(target: "sqlx::postgres::notice", "duration: 1 ms plan: secret");
    tracing::error!(target: "opentelemetry_sdk", "telemetry data will be lost");
    tracing::debug!(line_test = 2, "too fine");
    tracing::info!(line_test = 3, "kept");
    let said = told().lines(|line| {
        let target = line["target"].as_str().unwrap();
        target.starts_with("opentelemetry") || target.starts_with("sqlx::postgres::notice")
    });
    assert_eq!(said.len(), 0);
    assert_eq!(told().lines(|line| line["line_test"] == 2).len(), 0);
    assert_eq!(told().lines(|line| line["line_test"] == 3).len(), 1);
}
