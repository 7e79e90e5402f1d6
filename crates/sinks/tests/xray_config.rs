//! Environment in, addresses out, as text.

use env::Env;
use throughline_sinks::spans::Config;

fn addresses(pairs: &[(&str, &str)]) -> String {
    let config = Config::from_env(&Env::from_pairs(pairs.iter().copied())).unwrap_or_else(|e| panic!("{e}"));
    let daemon =
        config.xray.daemon.map_or_else(|| "no daemon".to_owned(), |d| format!("udp {} tcp {}", d.udp, d.tcp));
    daemon
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
    check("", "no daemon");
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
    assert_eq!(addresses(&[(EXPORTER, "none"), daemon]), "no daemon");
    assert_eq!(addresses(&[("OTEL_TRACES_EXPORTER", "none"), daemon]), "no daemon");
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
