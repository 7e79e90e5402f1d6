//! What log lines of several makers say of themselves.

use vendor_apis::cloudwatch::Line;

const TRACE: &str = "68b329da9893e34099c7d8ad5cb9c940";

#[test]
fn lines_of_several_makers() {
    let xray = "1-68b329da-9893e34099c7d8ad5cb9c940";
    let span = "00f067aa0ba902b7";
    for (line, level, service, has_trace, has_span) in [
        (
            format!(
                r#"{{"timestamp":"2026-11-21T11:00:00.5Z","level":"ERROR","service":"gateway","trace_id":"{TRACE}","span_id":"{span}"}}"#
            ),
            Some("error"),
            Some("gateway"),
            true,
            true,
        ),
        (
            format!(
                r#"{{"levelname":"WARNING","otelTraceID":"{TRACE}","otelSpanID":"{span}","otelServiceName":"py"}}"#
            ),
            Some("warn"),
            Some("py"),
            true,
            true,
        ),
        (format!(r#"{{"severity":"CRITICAL","XRAY-TraceId":"{xray}"}}"#), Some("fatal"), None, true, false),
        (format!(r#"{{"level":"notice","xray_trace_id":"{xray}@{span}"}}"#), Some("info"), None, true, false),
        (
            format!("2026-11-21 11:00:00,123 [ERROR] pool timed out trace_id={TRACE} span_id={span}"),
            Some("error"),
            None,
            true,
            true,
        ),
        (format!("INFO AWS-XRAY-TRACE-ID: {xray} GET /"), Some("info"), None, true, false),
        (format!("Root={xray};Parent={span};Sampled=1 WARN slow"), Some("warn"), None, true, false),
        ("an error of mine, and no INFORMATION".to_owned(), Some("info"), None, false, false),
        ("no level here, error is a word".to_owned(), None, None, false, false),
        (r#"{"level":30,"trace_id":7,"span_id":null}"#.to_owned(), None, None, false, false),
        (
            r#"{"level":"loud","trace_id":"00000000000000000000000000000000"}"#.to_owned(),
            None,
            None,
            false,
            false,
        ),
        ("{ not JSON ERROR".to_owned(), Some("error"), None, false, false),
        (String::new(), None, None, false, false),
        ("größe ÜÖÄ trace_id".to_owned(), None, None, false, false),
    ] {
        let read = Line::read(&line);
        assert_eq!(
            (read.level, read.service.as_deref(), read.trace_id.is_some(), read.span_id.is_some()),
            (level, service, has_trace, has_span),
            "{line}"
        );
        assert!(read.trace_id.is_none_or(|id| id.to_w3c() == TRACE), "{line}");
    }
    let time = Line::read(r#"{"timestamp":"1970-01-01T00:00:01.000002Z"}"#).time;
    assert_eq!(time, Some(1_000_002_000));
}
