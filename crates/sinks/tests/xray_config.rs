//! Environment in, addresses out, as text.

use env::Env;
use throughline_sinks::spans::Config;

fn addresses(pairs: &[(&str, &str)]) -> String {
    let config = Config::from_env(&Env::from_pairs(pairs.iter().copied())).unwrap_or_else(|e| panic!("{e}"));
    let daemon = config.xray.daemon.map(|d| format!("udp {} tcp {}", d.udp, d.tcp));
    let signed = config.xray.endpoint.map(|e| {
        assert!(e.destination.headers.is_empty());
        let keys = e.credentials.map(|it| format!(" by {}", it.access_key_id)).unwrap_or_default();
        format!("{} for {}{keys}", e.destination.url, e.region)
    });
    [daemon, signed].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn problem(pairs: &[(&str, &str)]) -> String {
    Config::from_env(&Env::from_pairs(pairs.iter().copied())).unwrap_err().to_string()
}

const ADDRESS: &str = "AWS_XRAY_DAEMON_ADDRESS";
const EXPORTER: &str = "AWS_XRAY_EXPORTER";

/// The cases of the X-Ray SDK for Python (`test_daemon_config`), and a few more.
#[test]
fn addresses_as_the_sdks_read_them() {
    let check = |value: &str, expect: &str| assert_eq!(addresses(&[(ADDRESS, value)]), expect, "{value}");
    check("", "");
    check("192.168.0.1:3000", "udp 192.168.0.1:3000 tcp 192.168.0.1:3000");
    check("tcp:192.168.0.1:3000 udp:127.0.0.2:8080", "udp 127.0.0.2:8080 tcp 192.168.0.1:3000");
    check("udp:127.0.0.2:8080 tcp:192.168.0.1:3000", "udp 127.0.0.2:8080 tcp 192.168.0.1:3000");
    check(" xray-daemon:2000\n", "udp xray-daemon:2000 tcp xray-daemon:2000");
    check("[::1]:2000", "udp [::1]:2000 tcp [::1]:2000");

    let refuse = |value: &str| {
        let expect = format!(
            "{ADDRESS}: {value:?} is neither host:port nor tcp:host:port udp:host:port; \
             for example {ADDRESS}=127.0.0.1:2000"
        );
        assert_eq!(problem(&[(ADDRESS, value)]), expect);
    };
    refuse("192.168.0.1");
    refuse("tcp:192.168.0.1:3000");
    refuse("127.0.0.2:8080 192.168.0.1:3000");
    refuse("udp:127.0.0.2:8080 192.168.0.1:3000");
    refuse("tcp:a:1 tcp:b:2");
    refuse("tcp:a:1  udp:b:2");
    refuse("tcp:a:1 udp:b:2 udp:c:3");
    refuse("a:0");
    refuse("a:65536");
    refuse("a:b");
    refuse(":2000");
    refuse("http://a:2000");
    refuse("a@b:2000");
    refuse("::1:2000");
    refuse("[::g]:2000");
}

#[test]
fn who_is_chosen() {
    let daemon = (ADDRESS, "a:1");
    assert_eq!(addresses(&[(EXPORTER, "daemon")]), "udp 127.0.0.1:2000 tcp 127.0.0.1:2000");
    assert_eq!(addresses(&[(EXPORTER, "daemon"), daemon]), "udp a:1 tcp a:1");
    assert_eq!(addresses(&[(EXPORTER, "none"), daemon]), "");
    assert_eq!(addresses(&[("OTEL_TRACES_EXPORTER", "none"), daemon]), "");
    assert_eq!(addresses(&[("OTEL_TRACES_EXPORTER", "otlp"), daemon]), "udp a:1 tcp a:1");
    assert_eq!(
        problem(&[(EXPORTER, "udp")]),
        r#"AWS_XRAY_EXPORTER: "udp" is none of daemon, otlp and none; for example AWS_XRAY_EXPORTER=daemon"#
    );
}

#[test]
fn a_star_stands_at_the_end() {
    assert_eq!(
        problem(&[("XRAY_ANNOTATIONS", "app.*,a*b")]),
        r#"XRAY_ANNOTATIONS: "app.*,a*b" has a * that is not at the end; for example XRAY_ANNOTATIONS=app.*,enduser.id"#
    );
}

#[cfg(feature = "aws")]
#[test]
fn the_signed_endpoint_is_one_of_a_region() {
    const ENDPOINT: &str = "AWS_XRAY_OTLP_ENDPOINT";
    let otlp = (EXPORTER, "otlp");
    let region = ("AWS_REGION", "eu-central-1");
    let frankfurt = "https://xray.eu-central-1.amazonaws.com/v1/traces for eu-central-1";
    assert_eq!(addresses(&[otlp, region]), frankfurt);
    assert_eq!(addresses(&[otlp, ("AWS_DEFAULT_REGION", "eu-central-1")]), frankfurt);
    assert_eq!(addresses(&[region]), "");
    // The region that the address names is the one that checks the signature.
    let address = (ENDPOINT, "https://xray.eu-central-1.amazonaws.com/v1/traces");
    assert_eq!(addresses(&[address, ("AWS_REGION", "us-east-1")]), frankfurt);
    assert_eq!(addresses(&[address, (EXPORTER, "daemon")]), "udp 127.0.0.1:2000 tcp 127.0.0.1:2000");
    assert_eq!(addresses(&[address, ("OTEL_TRACES_EXPORTER", "none")]), "");
    assert_eq!(
        addresses(&[otlp, ("AWS_REGION", "cn-north-1")]),
        "https://xray.cn-north-1.amazonaws.com.cn/v1/traces for cn-north-1"
    );
    let keys = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let both = [(EXPORTER, "daemon,otlp"), (ADDRESS, "a:1"), region, keys[0], keys[1]];
    assert_eq!(addresses(&both), format!("udp a:1 tcp a:1, {frankfurt} by AKID"));
    // Half of a key is none; AWS's own rules look elsewhere then.
    assert_eq!(addresses(&[otlp, region, keys[0]]), frankfurt);

    let no_region = "AWS_REGION: is not set, and X-Ray's OTLP endpoint is one of a region; for example AWS_REGION=eu-central-1";
    assert_eq!(problem(&[otlp]), no_region);
    assert_eq!(problem(&[(ENDPOINT, "http://127.0.0.1:4318/v1/traces")]), no_region);
    assert!(problem(&[(ENDPOINT, "xray")]).starts_with("AWS_XRAY_OTLP_ENDPOINT: \"xray\" "));
}
