use std::time::Duration;

use serde_json::Value;
use service::server::{Ready, Settings};
use tokio::io::AsyncWriteExt;

use crate::support::{Running, echo, read, settings, start};

async fn check(server: &Running, request: &str, expect: (u16, &str)) {
    let answer = server.raw(request).await;
    assert_eq!(
        (answer.status, answer.kind().as_str()),
        expect,
        "{request:?}\n{}\n{}",
        answer.head,
        answer.body
    );
    if answer.status >= 400 && !expect.1.is_empty() {
        assert!(
            answer.head.contains("content-type: application/problem+json"),
            "{request:?}\n{}",
            answer.head
        );
    }
}

#[actix_web::test]
async fn only_known_hosts_are_answered() {
    let allowed_hosts = "gateway,.example.org".parse().unwrap();
    let server = start(&Settings { allowed_hosts, ..settings() }, Ready::new(), echo);
    for path in ["/health", "/numbers/1", "/nothing"] {
        for (host, known) in [
            ("localhost", true),
            ("localhost:4567", true),
            ("127.0.0.1", true),
            ("[::1]:80", true),
            ("gateway:4567", true),
            ("app.example.org", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("localhost@evil.example", false),
            ("169.254.169.254", false),
        ] {
            let answer = server
                .raw(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
                .await;
            assert_eq!(answer.status != 403 && answer.status != 400, known, "{host} {path}: {}", answer.head);
        }
    }
    check(&server, "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", (400, "")).await;
    check(&server, "GET /health HTTP/1.0\r\n\r\n", (403, "unknown-host")).await;
    check(&server, "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", (400, "")).await;
}

#[actix_web::test]
async fn bad_requests_get_a_problem_each() {
    let server = start(&Settings { max_body: 100, ..settings() }, Ready::new(), echo);
    let post = |headers: &str, body: &str| {
        format!("POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n\r\n{body}")
    };
    let json = "Content-Type: application/json";
    let large = "x".repeat(101);
    let table = [
        (post(&format!("{json}\r\nContent-Length: 2"), "{}"), (200, "")),
        (post(&format!("{json}\r\nContent-Length: 1"), "{"), (400, "bad-request")),
        (post("Content-Type: text/plain\r\nContent-Length: 2", "{}"), (415, "unsupported-media-type")),
        (post(&format!("{json}\r\nContent-Length: 101"), &large), (413, "too-large")),
        (post(&format!("{json}\r\nContent-Length: 99999999999"), ""), (413, "too-large")),
        (
            post(&format!("{json}\r\nTransfer-Encoding: chunked"), &format!("65\r\n{large}\r\n0\r\n\r\n")),
            (413, "too-large"),
        ),
        (
            post(&format!("{json}\r\nContent-Encoding: gzip\r\nContent-Length: 2"), "{}"),
            (415, "unsupported-media-type"),
        ),
        (
            "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
            (404, "not-found"),
        ),
        (
            "GET /numbers/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
            (404, "not-found"),
        ),
        (
            "GET /search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
            (400, "bad-request"),
        ),
        (
            "DELETE /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
            (405, "method-not-allowed"),
        ),
    ];
    for (request, expect) in &table {
        check(&server, request, *expect).await;
    }
    let answer = server.raw("PUT /numbers/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(answer.head.contains("allow: GET"), "{}", answer.head);
}

#[actix_web::test]
async fn a_problem_names_its_trace() {
    let server = start(&settings(), Ready::new(), echo);
    let answer = server
        .raw(
            "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
        )
        .await;
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    insta::assert_json_snapshot!(problem, @r#"
    {
      "detail": "there is nothing at this path",
      "status": 404,
      "title": "Not Found",
      "trace_id": "0af7651916cd43dd8448eb211c80319c",
      "type": "urn:throughline:problem:not-found"
    }
    "#);
}

#[actix_web::test]
async fn a_body_that_dribbles_is_cut_off() {
    let server =
        start(&Settings { body_deadline: Duration::from_millis(100), ..settings() }, Ready::new(), echo);
    for framing in ["Content-Length: 50\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"] {
        let mut stream = server.connect().await;
        let head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        stream.write_all(format!("{head}{framing}").as_bytes()).await.unwrap();
        // The rest never comes, and the client does not close: the server has to.
        let answer = read(&mut stream).await;
        assert_eq!((answer.status, answer.kind().as_str()), (408, "too-slow"), "{framing:?}");
    }
    // Nor does it wait for the rest of a body that nobody asked for.
    for (path, host, expect) in [("/nothing", "localhost", 404), ("/echo", "evil.example", 403)] {
        let mut stream = server.connect().await;
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(read(&mut stream).await.status, expect, "{path} {host}");
    }
}

#[actix_web::test]
async fn ready_says_which_check_failed() {
    let ready = Ready::new()
        .check("fine", || async { Ok(()) })
        .check("database", || async { Err("unreachable".to_owned()) });
    let server = start(&settings(), ready, echo);
    let answer = server.raw("GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(body["status"], "not ready");
    assert_eq!(body["checks"], serde_json::json!({"database": "unreachable", "fine": "ok"}));
    assert!(body.get("telemetry").is_some());
    let answer = server.raw("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"ok"}"#));
}
