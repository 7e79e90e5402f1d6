//! Servers that answer wrongly, each in its own way, and what the doctor says of them.

#![allow(clippy::unwrap_used, reason = "a test may end where it fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;

use console::wire::Trace;
use env::Env;
use serde_json::{Value, json};

use super::otlp::honeycomb_key;
use super::reach::Asker;
use super::report::{Finding, Outcome, as_table};
use super::{examine, trace};

/// What a server says to a request for a path: status, headers, body.
type Says = (u16, &'static str, String);

/// A server that lives as long as the tests.
fn server(says: impl Fn(&str) -> Says + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let says = Arc::new(says);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let says = Arc::clone(&says);
            thread::spawn(move || serve(&stream?, &*says));
        }
    });
    format!("http://{address}")
}

fn serve(stream: &std::net::TcpStream, says: &dyn Fn(&str) -> Says) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut head = String::new();
        while reader.read_line(&mut head)? > 2 {}
        let lower = head.to_lowercase();
        let field = |name: &str| {
            lower.lines().find_map(|line| line.strip_prefix(name)).map(|it| it.trim().to_owned())
        };
        let length = field("content-length:").and_then(|it| it.parse().ok()).unwrap_or(0);
        reader.read_exact(&mut vec![0; length])?;
        let target = field("x-amz-target:").map(|it| it.rsplit('.').next().unwrap_or_default().to_owned());
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let (status, headers, body) = says(target.as_deref().unwrap_or(&path));
        let length = body.len();
        write!(writer, "HTTP/1.1 {status} As planned\r\ncontent-length: {length}\r\n{headers}\r\n{body}")?;
    }
}

fn always(status: u16, body: &'static str) -> String {
    server(move |_| (status, "", body.to_owned()))
}

/// An address where nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The failures, as `destination check: cause | fix`.
fn failures(variables: &[(&str, &str)]) -> Vec<String> {
    // No console: nothing but what is asked for.
    let nobody = format!("http://{}", nobody());
    let mut env = Env::from_pairs(variables.iter().copied());
    if env.get("CONSOLE_URL").is_none() {
        env = env.with("CONSOLE_URL", nobody);
    }
    let failed = |it: Finding| match it.outcome {
        Outcome::Fail(trouble) if it.check != "console" => {
            Some(format!("{} {}: {} | {}", it.destination, it.check, trouble.cause, trouble.fix))
        }
        _ => None,
    };
    examine(&env).into_iter().filter_map(failed).collect()
}

/// One failure, which holds each of these.
fn check(variables: &[(&str, &str)], expect: &[&str]) {
    let failures = failures(variables);
    let [failure] = &failures[..] else { panic!("one failure for {variables:?}, not {failures:#?}") };
    for part in expect {
        assert!(failure.contains(part), "{part:?} is not in {failure:?}");
    }
}

#[test]
fn otlp_receivers() {
    let otlp = |url: &str, expect: &[&str]| check(&[("OTEL_EXPORTER_OTLP_ENDPOINT", url)], expect);
    otlp(
        &format!("http://{}", nobody()),
        &["otlp port: nobody listens at 127.0.0.1", "start what should listen"],
    );
    otlp(
        "http://no-such-host.invalid:4318",
        &["otlp name: the name of no-such-host.invalid:4318 is not known", "spelling"],
    );
    otlp(&always(401, "no"), &["otlp span: 401: no", "OTEL_EXPORTER_OTLP_HEADERS"]);
    otlp(&always(404, ""), &["otlp span: 404", "without a path"]);
    otlp(&always(415, ""), &["is it the gRPC port?"]);
    otlp(&always(503, "full"), &["otlp span: 503: full", "behind a Collector"]);
    otlp(
        &always(200, r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}"#),
        &["the span was rejected: \"too old\""],
    );
    otlp(
        &always(200, "{}").replace("http:", "https:"),
        &["otlp span: no TLS is spoken there", "http:// instead of https://"],
    );
    // Something that is no HTTP.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gruff = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        listener.incoming().for_each(|it| drop(it.unwrap().write_all(b"\0\0\x06\x04 what\r\n\r\n")));
    });
    otlp(&gruff, &["otlp span:"]);
    otlp("nonsense", &["spans variables: OTEL_EXPORTER_OTLP_ENDPOINT", "for example"]);
    assert_eq!(failures(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &always(200, "{}"))]), [""; 0]);
}

#[test]
fn clocks() {
    let at = |date: &'static str| server(move |_| (200, date, "{}".to_owned()));
    let late = at("Date: Tue, 01 Jan 2019 10:00:00 GMT\r\n");
    check(
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &late)],
        &["otlp clock: this machine's clock is ", "ahead of the server's", "timedatectl"],
    );
    let early = at("Date: Fri, 01 Jan 2106 10:00:00 GMT\r\n");
    check(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &early)], &["behind the server's"]);
}

fn honeycomb(access: &Value) -> String {
    let auth = json!({
        "api_key_access": access, "team": { "slug": "cruddur" }, "environment": { "slug": "production" },
    });
    server(move |path| match path {
        "/1/auth" => (200, "", auth.to_string()),
        _ => (200, "", "{}".to_owned()),
    })
}

#[test]
fn honeycomb_keys() {
    let good = honeycomb(&json!({ "events": true, "createDatasets": true }));
    let with = |url: &str, more: &[(&str, &str)], expect: &[&str]| {
        let mut variables = vec![("HONEYCOMB_API_KEY", "hcaik_1"), ("HONEYCOMB_API_ENDPOINT", url)];
        variables.extend(more);
        check(&variables, expect);
    };
    with(
        &honeycomb(&json!({ "events": true, "createDatasets": false })),
        &[],
        &["honeycomb key: the key may not create datasets", "tick Can create datasets"],
    );
    with(&honeycomb(&json!({ "events": false })), &[], &["the key may not send events"]);
    with(
        &good,
        &[("HONEYCOMB_UI_URL", "https://ui.honeycomb.io/cruddur/environments/test")],
        &[
            "the key is of the environment \"production\", and HONEYCOMB_UI_URL names \"test\"",
            "take a key of test",
        ],
    );
    assert_eq!(failures(&[("HONEYCOMB_API_KEY", "hcaik_1"), ("HONEYCOMB_API_ENDPOINT", &good)]), [""; 0]);

    // Another region: the real one is not asked by a test.
    let here = always(401, r#"{"error":"unknown API key"}"#);
    let asker = Asker::new();
    let pairs = [("HONEYCOMB_API_KEY", "hcaik_1"), ("HONEYCOMB_API_ENDPOINT", here.as_str())];
    let config = sinks::otlp::Config::from_env(&Env::from_pairs(pairs)).unwrap();
    let ask =
        |regions: &[&str]| honeycomb_key(&asker, &here, &config.destinations[0], None, regions).unwrap_err();
    let elsewhere = ask(&[&here, &good]);
    assert_eq!(elsewhere.cause, format!("{here} does not know the key, {good} does"));
    assert_eq!(elsewhere.fix, format!("the key is of another region: HONEYCOMB_API_ENDPOINT={good}"));
    let nowhere = ask(&[&here]);
    assert!(nowhere.cause.contains("no region of Honeycomb knows the key"), "{nowhere:?}");
    assert!(!format!("{elsewhere:?}{nowhere:?}").contains("hcaik_1"), "a key is told to nobody");
}

#[test]
fn xray_daemons() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    check(
        &[("AWS_XRAY_DAEMON_ADDRESS", &nobody)],
        &["xray segment: no daemon listens at", "(UDP)", "AWS_XRAY_DAEMON_ADDRESS"],
    );
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp = socket.local_addr().unwrap();
    let daemon = |tcp: &str, expect: &[&str]| {
        let address = format!("tcp:{} udp:{udp}", tcp.trim_start_matches("http://"));
        check(&[("AWS_XRAY_DAEMON_ADDRESS", &address)], expect);
    };
    daemon(&nobody, &["xray port: nobody listens at"]);
    daemon(
        &always(403, r#"{"message":"The security token included in the request is invalid."}"#),
        &["xray rules: AWS does not know the access key"],
    );
    daemon(
        &always(
            403,
            r#"{"Message":"User: arn:aws:iam::1:user/a is not authorized to perform: xray:GetSamplingRules on"}"#,
        ),
        &["the credentials may not do this", "allow xray:GetSamplingRules to this user"],
    );
    daemon(&always(500, "boom"), &["the daemon answers 500: boom", "daemon's log"]);
    check(
        &[("AWS_XRAY_DAEMON_ADDRESS", "nonsense")],
        &["variables: AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000"],
    );
}

#[test]
fn rollbar_tokens() {
    let with = |url: &str, expect: &[&str]| {
        check(&[("ROLLBAR_ACCESS_TOKEN", "secret-token"), ("ROLLBAR_ENDPOINT", url)], expect);
    };
    with(
        &always(403, r#"{"err":1,"message":"insufficient privileges: post_server_item scope is required"}"#),
        &[
            "rollbar item: the token is of the wrong kind",
            "post_server_item scope is required",
            "Project Access Tokens",
        ],
    );
    with(
        &always(401, r#"{"err":1,"message":"invalid access token"}"#),
        &["the token is not known (401: invalid access token)"],
    );
    with(&always(422, r#"{"err":1,"message":"environment"}"#), &["THROUGHLINE_ENV"]);
    with(&always(429, r#"{"err":1,"message":"limit"}"#), &["rate limit"]);
    with(&always(200, "<html>"), &["that is no answer of Rollbar"]);
    with(&always(404, ""), &["correct ROLLBAR_ENDPOINT"]);
    let good = always(200, r#"{"err":0,"result":{"uuid":"1"}}"#);
    assert_eq!(failures(&[("ROLLBAR_ACCESS_TOKEN", "secret-token"), ("ROLLBAR_ENDPOINT", &good)]), [""; 0]);
}

#[cfg(feature = "aws")]
#[test]
fn cloudwatch_logs() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "secret-key"),
        ("CLOUDWATCH_LOG_GROUP", "app"),
    ];
    let with = |url: &str, expect: &[&str]| {
        let mut variables = keys.to_vec();
        variables.push(("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", url));
        check(&variables, expect);
    };
    let refusing = |status: u16, code: &str, message: &str| {
        let body = json!({ "__type": code, "message": message }).to_string();
        server(move |_| (status, "content-type: application/x-amz-json-1.1\r\n", body.clone()))
    };
    let denied = "User: arn:aws:iam::1:user/a is not authorized to perform: logs:PutLogEvents on resource: b";
    with(
        &refusing(400, "AccessDeniedException", denied),
        &["cloudwatch line: the credentials may not do this", "allow logs:PutLogEvents to"],
    );
    with(
        &refusing(400, "UnrecognizedClientException", "token invalid"),
        &["AWS does not know the access key", "AWS_ACCESS_KEY_ID"],
    );
    with(
        &refusing(403, "InvalidSignatureException", "Signature expired: 2026"),
        &["clock is more than 5 min off", "timedatectl"],
    );
    with(
        &refusing(403, "InvalidSignatureException", "does not match"),
        &["the secret does not belong to the access key"],
    );
    with(
        &refusing(400, "ExpiredTokenException", "expired"),
        &["the session token has expired", "AWS_SESSION_TOKEN"],
    );
    with(&refusing(404, "UnknownOperationException", ""), &["no CloudWatch Logs there"]);
    with(&format!("http://{}", nobody()), &["cloudwatch port: nobody listens at"]);
    check(
        &[("CLOUDWATCH_LOG_GROUP", "app")],
        &["cloudwatch variables: AWS_REGION: is not set", "AWS_REGION=eu-central-1"],
    );
    // It takes the line, and keeps none.
    let forgetful = server(|call| match call {
        "getlogevents" => (400, "", json!({ "__type": "AccessDeniedException" }).to_string()),
        _ => (200, "", "{}".to_owned()),
    });
    let mut variables = keys.to_vec();
    variables.push(("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", forgetful.as_str()));
    assert_eq!(failures(&variables), [""; 0], "who may only write is well");
}

#[test]
fn databases() {
    check(&[("DATABASE_URL", "mysql://x")], &["postgres variables: DATABASE_URL"]);
    check(
        &[("DATABASE_URL", &format!("postgres://a:secret@{}/b", nobody()))],
        &["postgres session:", "start Postgres"],
    );
}

#[test]
fn no_secret_is_told() {
    let mirror = server(|_| (403, "", "no access for secret-token, hcaik_1".to_owned()));
    let all = failures(&[("DATABASE_URL", &format!("postgres://a:secret-pass@{}/b", nobody()))]).join("\n");
    assert!(!all.contains("secret-pass"), "{all}");
    let told =
        failures(&[("ROLLBAR_ACCESS_TOKEN", "secret-token"), ("ROLLBAR_ENDPOINT", &mirror)]).join("\n");
    assert!(!told.contains("secret-token"), "{told}");
}

#[test]
fn a_table_for_people() {
    let finding =
        |destination: &str, check, outcome| Finding { destination: destination.to_owned(), check, outcome };
    let table = as_table(&[
        finding("otlp", "name", Outcome::Pass { detail: "a is b".to_owned() }),
        finding("otlp", "port", Outcome::Fail(super::Trouble::new("nobody\nlistens", "start it"))),
        finding("rollbar", "read back", Outcome::Skipped { detail: "no way".to_owned() }),
    ]);
    insta::assert_snapshot!(table, @r"
    pass  otlp     name       a is b
    FAIL           port       nobody listens
                              fix: start it
    -     rollbar  read back  no way
    ");
}

/// A trace of `(id, parent, service, kind, start ms, length ms)`; calls go to a port by the callee's name.
fn followed(spans: &[(&str, &str, &str, &str, i64, i64)], expect: &[&str]) {
    let spans: Vec<Value> = spans
        .iter()
        .map(|(id, parent, service, kind, start, length)| {
            let call = *kind == "client";
            let attributes = if call {
                json!({ "http.request.method": "GET", "http.response.status_code": 200, "server.address": "callee", "server.port": 1 })
            } else {
                json!({})
            };
            json!({
                "trace_id": "a".repeat(32), "span_id": id, "parent_span_id": (!parent.is_empty()).then_some(parent),
                "name": format!("{kind} {id}"), "kind": kind, "service": service, "start_unix_nano": start * 1_000_000,
                "duration_nano": length * 1_000_000, "status": "unset", "status_message": null, "attributes": attributes,
                "resource": {}, "scope": null, "events": [], "links": [], "source": "otlp",
            })
        })
        .collect();
    let trace: Trace = serde_json::from_value(json!({
        "trace_id": "a".repeat(32), "xray_trace_id": "", "start_unix_nano": 0, "duration_nano": 0,
        "span_count": spans.len(), "pruned_unix_nano": null, "spans": spans,
    }))
    .unwrap();
    let told: Vec<String> =
        trace::breaks(&trace).iter().map(|it| format!("{}: {}", it.hop, it.trouble.cause)).collect();
    assert_eq!(told, expect);
}

#[test]
fn the_first_broken_hop() {
    let whole = [
        ("1", "", "gateway", "server", 0, 100),
        ("2", "1", "gateway", "client", 10, 50),
        ("3", "2", "activities", "server", 20, 30),
    ];
    followed(&whole, &[]);
    followed(
        &[("1", "", "gateway", "server", 0, 100), ("3", "2", "activities", "server", 20, 30)],
        &[
            "? -> activities: \"server 3\" of activities has the parent 2, which nobody sent: traceparent arrived, the caller's span did not",
        ],
    );
    followed(
        &[whole[0], whole[1], whole[2], ("5", "4", "activities", "internal", 25, 1)],
        &["activities: \"internal 5\" of activities has the parent 4, which activities did not send"],
    );
    followed(
        &[whole[0], whole[1], ("3", "", "activities", "server", 20, 30)],
        &[
            "gateway -> activities: \"server 3\" of activities is a second root: the trace id arrived, the parent's span id did not",
        ],
    );
    followed(
        &[whole[0], whole[1], whole[2], ("6", "1", "gateway", "client", 70, 10)],
        &[
            "gateway -> activities: \"client 6\" of gateway reached activities, whose span is missing, while other calls to it have theirs",
        ],
    );
    followed(
        &[whole[0], whole[1], ("3", "2", "activities", "server", -500, 30)],
        &[
            "gateway -> activities: \"server 3\" of activities starts 510 ms before the call of gateway that caused it",
        ],
    );
    // The first on the way comes first.
    let told = [
        "? -> gateway: \"server 1\" of gateway has the parent 0, which nobody sent: traceparent arrived, the caller's span did not",
        "gateway -> activities: \"server 3\" of activities is a second root: the trace id arrived, the parent's span id did not",
    ];
    followed(
        &[
            ("9", "", "browser", "client", -10, 200),
            ("1", "0", "gateway", "server", 0, 100),
            ("2", "1", "gateway", "client", 10, 50),
            ("3", "", "activities", "server", 20, 30),
        ],
        &told,
    );
}
