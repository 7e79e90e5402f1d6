use service::server::{Ready, Settings};

use crate::support::{echo, settings, start};

const TRACEPARENT: &str = "traceparent: 00-6b01818ce2d927644bba900a3fbf6eec-00f067aa0ba902b7-01";

#[actix_web::test]
async fn an_error_and_a_panic_are_answered_with_their_trace() {
    let server = start(&Settings { debug_routes: true, ..settings() }, Ready::new(), echo);
    for path in ["/debug/error", "/debug/panic"] {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{TRACEPARENT}\r\n\r\n");
        let answer = server.raw(&request).await;
        assert_eq!((answer.status, answer.kind().as_str()), (500, "internal"), "{path}: {}", answer.body);
        assert!(answer.head.contains("content-type: application/problem+json"), "{}", answer.head);
        assert!(
            answer.head.contains("traceresponse: 00-6b01818ce2d927644bba900a3fbf6eec-"),
            "{}",
            answer.head
        );
        assert!(answer.body.contains(r#""trace_id":"6b01818ce2d927644bba900a3fbf6eec""#), "{}", answer.body);
        assert!(!answer.body.contains("forty-two") && !answer.body.contains("index"), "{}", answer.body);
    }
    // The worker lives on.
    let next = server.raw("GET /numbers/1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert_eq!(next.status, 200);
}

#[actix_web::test]
async fn in_production_there_is_nothing_to_break() {
    let check = |value: &str, expect: bool| {
        let env = env::Env::from_pairs([("THROUGHLINE_ENV", value)]);
        assert_eq!(Settings::from_env("127.0.0.1:0", &env).unwrap().debug_routes, expect, "{value}");
    };
    check("", true);
    check("development", true);
    check("production", false);
    let server = start(&settings(), Ready::new(), echo);
    for path in ["/debug/error", "/debug/panic"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        assert_eq!(server.raw(&request).await.status, 404);
    }
}
