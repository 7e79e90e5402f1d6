//! Servers that answer wrongly, each in its own way, and what the doctor says of them.

#![allow(clippy::unwrap_used, reason = "a test may end where it fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;

use env::Env;
use serde_json::{Value, json};

use super::otlp::honeycomb_key;
use super::reach::Asker;
use super::report::{Finding, Outcome};
use super::{as_text, deploy, examine};

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
    let no_console = variables.iter().all(|(name, _)| *name != "CONSOLE_URL");
    let findings = examine(&env).into_iter().filter(|it| !(no_console && it.check == "console"));
    findings.filter_map(failed).collect()
}

fn failed(it: Finding) -> Option<String> {
    match it.outcome {
        Outcome::Fail(trouble) => {
            Some(format!("{} {}: {} | {}", it.destination, it.check, trouble.cause, trouble.fix))
        }
        _ => None,
    }
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

/// A server with a certificate that nobody's authority has signed; it is for tests, and its key guards nothing.
fn self_signed() -> String {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    const PEM: &[u8] = include_bytes!("testdata/self-signed.pem");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_pem_slice(PEM).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_slice(PEM).unwrap())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
        }
    });
    format!("https://{address}")
}

#[test]
fn certificates() {
    check(
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &self_signed())],
        &["otlp span: the server's certificate is not trusted", "add its authority"],
    );
}

#[test]
fn consoles() {
    let console = |url: &str, expect: &[&str]| check(&[("CONSOLE_URL", url)], expect);
    console(&format!("http://{}", nobody()), &["console console:", "refused"]);
    console(&always(401, ""), &["it asks for its token", "CONSOLE_TOKEN"]);
    console(&always(404, "what?"), &["/api/stats answers 404: what?", "no console is there"]);
    console(&always(200, "<html>"), &["/api/stats answers 200: <html>"]);
}

/// Both are waited for at the same time.
#[test]
fn what_was_accepted_and_is_not_there() {
    let forgetful = server(|path| match path {
        "/v1/traces" => (200, "", "{}".to_owned()),
        "/api/1/item/" => (200, "", r#"{"err":0}"#.to_owned()),
        _ if path.starts_with("/api/errors") => (200, "", r#"{"groups":[]}"#.to_owned()),
        _ => (404, "", String::new()),
    });
    let address = forgetful.trim_start_matches("http://").to_owned();
    let stats = json!({ "otlp_http": address }).to_string();
    let console = server(move |path| match path {
        "/api/stats" => (200, "", stats.clone()),
        "/api/1/item/" => (200, "", r#"{"err":0}"#.to_owned()),
        _ if path.starts_with("/api/errors") => (200, "", r#"{"groups":[]}"#.to_owned()),
        _ => (404, "", String::new()),
    });
    let failures = failures(&[("CONSOLE_URL", &console)]);
    let lost = |name: &str| {
        let begin = format!("{name} read back: it was accepted, and {console}/api/");
        failures.iter().any(|it| it.starts_with(&begin) && it.contains("does not have it after"))
    };
    assert!(lost("console") && lost("console-rollbar"), "{failures:#?}");
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

#[test]
fn deploy_notices() {
    let with = |url: &str| {
        let env = Env::from_pairs([("ROLLBAR_ACCESS_TOKEN", "secret-token"), ("ROLLBAR_ENDPOINT", url)]);
        deploy(&env.with("CONSOLE_URL", format!("http://{}", nobody())))
    };
    let told = with(&always(200, r#"{"err":0,"data":{"deploy_id":1}}"#));
    assert!(
        matches!(&told[..], [Finding { check: "deploy", outcome: Outcome::Pass { .. }, .. }]),
        "{told:?}"
    );
    let refused: Vec<_> =
        with(&always(403, r#"{"err":1,"message":"scope"}"#)).into_iter().filter_map(failed).collect();
    assert!(
        matches!(&refused[..], [it] if it.starts_with("rollbar deploy: ") && it.contains("403")),
        "{refused:?}"
    );
    let nowhere = deploy(&Env::default().with("CONSOLE_URL", format!("http://{}", nobody())));
    let nowhere: Vec<_> = nowhere.into_iter().filter_map(failed).collect();
    assert!(nowhere[0].contains("no Rollbar is configured"), "{nowhere:?}");
}

#[cfg(feature = "aws")]
#[test]
fn xrays_otlp_endpoint() {
    let with = |url: &str, expect: &[&str]| {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_SECRET_ACCESS_KEY", "secret-key"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_XRAY_EXPORTER", "otlp"),
            ("AWS_XRAY_OTLP_ENDPOINT", url),
        ];
        check(&variables, expect);
    };
    with(
        &always(403, r#"{"Message":"User: a is not authorized to perform: xray:PutSpans on b"}"#),
        &["xray-otlp span: the credentials may not do this", "allow xray:PutSpans to"],
    );
    with(
        &always(
            400,
            r#"{"message":"The OTLP API is supported with CloudWatch Logs as a Trace Segment Destination."}"#,
        ),
        &["aws xray update-trace-segment-destination --destination CloudWatchLogs"],
    );
    with(
        &always(403, r#"{"message":"Signature expired: 20260101T000000Z is now earlier than"}"#),
        &["clock is more than 5 min off", "timedatectl"],
    );
    with(&format!("http://{}", nobody()), &["xray-otlp port: nobody listens at"]);
    check(&[("AWS_XRAY_EXPORTER", "otlp")], &["spans variables: AWS_REGION", "eu-central-1"]);
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
    let down = format!("postgres://a:secret@{}/b", nobody());
    check(&[("DATABASE_URL", &down)], &["postgres session:", "refused", "start Postgres"]);
}

#[tokio::test]
async fn a_database_that_is_there() {
    let database = test_support::TestDb::new().await;
    let (url, name) = (database.url().to_owned(), database.name().to_owned());
    let checks = move || {
        assert_eq!(failures(&[("DATABASE_URL", &url)]), [""; 0]);
        let (user, rest) = url.trim_start_matches("postgres://").split_once('@').unwrap();
        let (role, password) = user.split_once(':').unwrap();
        let wrong = format!("postgres://{role}:wrong-{password}@{rest}");
        check(&[("DATABASE_URL", &wrong)], &["password authentication failed", "correct user and password"]);
        let missing = url.replace(&name, "no_such_database");
        check(&[("DATABASE_URL", &missing)], &["does not exist", "throughline migrate"]);
        let encrypted = format!("{url}?sslmode=require");
        check(&[("DATABASE_URL", &encrypted)], &["postgres session:", "sslmode"]);
    };
    // The doctor blocks: it is a command.
    tokio::task::spawn_blocking(checks).await.unwrap();
}

/// Where AWS's clients look for credentials depends on the machine; what they say of it does not.
#[test]
fn credentials_that_are_missing() {
    let cause = |told: &str| super::aws::explain(told, "", || super::Trouble::new("other", "")).cause;
    let chain =
        "dispatch failure: other: the credential provider was not enabled: no credentials found in chain";
    assert_eq!(cause(chain), "no AWS credentials are found");
    assert_eq!(cause("no AWS credentials: the chain is empty"), "no AWS credentials are found");
    let imds = "an error occurred while loading credentials: IMDS is disabled";
    assert_eq!(cause(imds), format!("no AWS credentials can be loaded: {imds}"));
    assert_eq!(cause("something else"), "other");
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
fn a_table_for_people_and_json() {
    let finding =
        |destination: &str, check, outcome| Finding { destination: destination.to_owned(), check, outcome };
    let findings = [
        finding("otlp", "name", Outcome::Pass { detail: "a is b".to_owned() }),
        finding("otlp", "port", Outcome::Fail(super::Trouble::new("nobody\nlistens", "start it"))),
        finding("rollbar", "read back", Outcome::Skipped { detail: "no way".to_owned() }),
    ];
    insta::assert_snapshot!(as_text(false, &findings), @r"
    pass  otlp     name       a is b
    FAIL           port       nobody listens
                              fix: start it
    -     rollbar  read back  no way
    ");
    let parsed: Value = serde_json::from_str(&as_text(true, &findings)).unwrap();
    let expect = json!({ "ok": false, "findings": [
        { "destination": "otlp", "check": "name", "outcome": "pass", "detail": "a is b" },
        { "destination": "otlp", "check": "port", "outcome": "fail", "cause": "nobody listens", "fix": "start it" },
        { "destination": "rollbar", "check": "read back", "outcome": "skipped", "detail": "no way" },
    ] });
    assert_eq!(parsed, expect);
    let well: Value = serde_json::from_str(&as_text(true, &findings[..1])).unwrap();
    assert_eq!(well["ok"], json!(true));
}
