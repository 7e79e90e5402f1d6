//! Environment in, destinations out, as text.

use env::Env;
use throughline_sinks::otlp::Config;

/// One line per destination; headers by name only, as their values are secrets.
fn destinations(pairs: &[(&str, &str)]) -> Vec<String> {
    let config = Config::from_env(&Env::from_pairs(pairs.iter().copied())).unwrap_or_else(|e| panic!("{e}"));
    let mut lines: Vec<_> = config
        .destinations
        .iter()
        .map(|d| {
            let headers: Vec<_> = d.headers.iter().map(|(name, _)| name.as_str()).collect();
            let gzip = if d.gzip { " gzip" } else { "" };
            format!("{} {} [{}] {:?}{gzip}", d.name, d.url, headers.join(","), d.timeout)
        })
        .collect();
    if config.print {
        lines.push("stdout".to_owned());
    }
    assert_eq!(config.is_off(), lines.is_empty());
    lines
}

fn problem(pairs: &[(&str, &str)]) -> String {
    Config::from_env(&Env::from_pairs(pairs.iter().copied())).unwrap_err().to_string()
}

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
const CONSOLE: (&str, &str) = ("CONSOLE_OTLP_ENDPOINT", "http://127.0.0.1:4318");
const KEY: (&str, &str) = ("HONEYCOMB_API_KEY", "hcaik_secret");

#[test]
fn nothing_set_is_nowhere() {
    assert!(destinations(&[]).is_empty());
    assert!(destinations(&[ENDPOINT, CONSOLE, KEY, ("OTEL_TRACES_EXPORTER", "none")]).is_empty());
}

#[test]
fn each_variable_adds_a_destination() {
    assert_eq!(
        destinations(&[ENDPOINT, KEY, CONSOLE]),
        [
            "otlp http://collector:4318/v1/traces [] 10s",
            "honeycomb https://api.honeycomb.io/v1/traces [x-honeycomb-team] 10s",
            "console http://127.0.0.1:4318/v1/traces [] 10s",
        ]
    );
}

#[test]
fn the_general_endpoint_gets_a_path_and_the_signal_s_own_does_not() {
    let otlp = |name, value| destinations(&[(name, value)]).remove(0);
    let general = "OTEL_EXPORTER_OTLP_ENDPOINT";
    assert_eq!(otlp(general, "http://a:1/"), "otlp http://a:1/v1/traces [] 10s");
    assert_eq!(otlp(general, "http://a:1/prefix/"), "otlp http://a:1/prefix/v1/traces [] 10s");
    let signal = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    assert_eq!(otlp(signal, "http://a:1/mine"), "otlp http://a:1/mine [] 10s");
    assert_eq!(destinations(&[ENDPOINT, (signal, "http://b:1/")]), ["otlp http://b:1/ [] 10s"]);
}

#[test]
fn headers_compression_and_timeout_are_for_the_destination_that_they_name() {
    assert_eq!(
        destinations(&[
            ENDPOINT,
            CONSOLE,
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=two%20words , "),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ]),
        [
            "otlp http://collector:4318/v1/traces [a,b] 2.5s gzip",
            "console http://127.0.0.1:4318/v1/traces [] 10s",
        ]
    );
    assert_eq!(
        destinations(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "100"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
        ]),
        ["otlp http://collector:4318/v1/traces [b] 100ms"]
    );
}

/// The headers of the OTLP variables are for that receiver alone: a key must not travel to another vendor.
#[test]
fn honeycomb_gets_its_own_key_and_nobody_else_s() {
    let lines = destinations(&[ENDPOINT, KEY, ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20x")]);
    assert_eq!(lines[1], "honeycomb https://api.honeycomb.io/v1/traces [x-honeycomb-team] 10s");
    let eu = destinations(&[
        KEY,
        ("HONEYCOMB_API_ENDPOINT", "https://api.eu1.honeycomb.io"),
        ("HONEYCOMB_DATASET", "d"),
    ]);
    assert_eq!(
        eu,
        ["honeycomb https://api.eu1.honeycomb.io/v1/traces [x-honeycomb-team,x-honeycomb-dataset] 10s"]
    );
}

/// The bootcamp's own two variables beside the key name one receiver: it must not get, and bill, every span twice.
#[test]
fn one_receiver_named_twice_is_one_destination() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://api.honeycomb.io");
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "x-honeycomb-team=hcaik_secret");
    let one = ["otlp https://api.honeycomb.io/v1/traces [x-honeycomb-team] 10s"];
    assert_eq!(destinations(&[endpoint, headers, KEY]), one);
    assert_eq!(destinations(&[endpoint, KEY]), one);
    assert_eq!(
        destinations(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318/"), CONSOLE]),
        ["otlp http://localhost:4318/v1/traces [] 10s"]
    );
}

#[test]
fn the_exporter_variable_chooses() {
    assert_eq!(
        destinations(&[ENDPOINT, CONSOLE, ("OTEL_TRACES_EXPORTER", "console")]),
        ["console http://127.0.0.1:4318/v1/traces [] 10s", "stdout"]
    );
    assert_eq!(
        destinations(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "otlp, console")]),
        ["otlp http://collector:4318/v1/traces [] 10s", "stdout"]
    );
    // Asked for and not told where: the specification's default.
    assert_eq!(
        destinations(&[("OTEL_TRACES_EXPORTER", "otlp")]),
        ["otlp http://localhost:4318/v1/traces [] 10s"]
    );
    assert_eq!(destinations(&[KEY, ("OTEL_TRACES_EXPORTER", "otlp")]).len(), 1);
}

#[test]
fn a_bad_value_is_one_line() {
    let check = |name, value, expect: &str| assert_eq!(problem(&[(name, value)]), expect);
    check(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "collector:4318",
        r#"OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" is not an http or https address; for example OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"#,
    );
    check(
        "CONSOLE_OTLP_ENDPOINT",
        "4318",
        r#"CONSOLE_OTLP_ENDPOINT: "4318" is not usable: relative URL without a base; for example CONSOLE_OTLP_ENDPOINT=http://127.0.0.1:4318"#,
    );
    check(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "grpc",
        r#"OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not supported, only http/protobuf is; for example OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"#,
    );
    check(
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "zstd",
        r#"OTEL_EXPORTER_OTLP_COMPRESSION: "zstd" is neither gzip nor none; for example OTEL_EXPORTER_OTLP_COMPRESSION=gzip"#,
    );
    check(
        "OTEL_TRACES_EXPORTER",
        "zipkin",
        r#"OTEL_TRACES_EXPORTER: "zipkin" is none of otlp, console and none; for example OTEL_TRACES_EXPORTER=otlp"#,
    );
    check(
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "10s",
        r#"OTEL_EXPORTER_OTLP_TIMEOUT: "10s" is not usable: invalid digit found in string; for example OTEL_EXPORTER_OTLP_TIMEOUT=10000"#,
    );
}

#[test]
fn a_secret_is_not_quoted_back() {
    let cases = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=s3cret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=s3cret%0d%0ahost:evil"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=s3cret\u{e9}"),
        ("HONEYCOMB_API_KEY", "s3cret s3cret"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:s3cret@example.com"),
    ];
    for (name, value) in cases {
        let problem = problem(&[(name, value)]);
        assert!(problem.starts_with(name) && !problem.contains("s3cret"), "{problem}");
    }
}
