//! The X-Ray daemon, whose UDP answers nothing, and X-Ray's OTLP endpoint, which wants signatures.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Duration;

use env::Env;
use sinks::xray::{Caller, DaemonAddress, SignedEndpoint, UpstreamConfig};

use super::aws;
use super::otlp::{Console, Probe};
use super::reach::{Asker, reach};
use super::report::{Examination, Finding, Trouble};

/// The system says within microseconds that nobody listens on this machine; from another one it takes a round trip.
const REFUSAL: Duration = Duration::from_millis(300);

pub(super) fn daemon(asker: &Asker, daemon: &DaemonAddress, console: Option<&Console>) -> Vec<Finding> {
    let mut examination = Examination::of("xray");
    let _ended = look(&mut examination, asker, daemon, console);
    examination.findings
}

fn look(
    examination: &mut Examination,
    asker: &Asker,
    daemon: &DaemonAddress,
    console: Option<&Console>,
) -> Option<()> {
    let probe = Probe::new();
    examination.note("segment", send(&daemon.udp, &probe.as_datagram()))?;
    let url = format!("http://{}", daemon.tcp);
    reach(examination, &url)?;
    let rules = asker.post(&format!("{url}/GetSamplingRules"), &[], "{}");
    examination.note(
        "rules",
        rules.and_then(|answer| {
            if answer.is_success() {
                return Ok("sampling rules are handed out".to_owned());
            }
            Err(aws::explain(
                &answer.told(),
                "xray:GetSamplingRules, xray:GetSamplingTargets and xray:PutTraceSegments",
                || {
                    Trouble::new(
                        format!("the daemon answers {}", answer.told()),
                        "look at the daemon's log; it calls AWS for this",
                    )
                },
            ))
        }),
    )?;
    if let Some(console) = console {
        examination.note("read back", console.reads_back(asker, &probe.trace_id))
    } else {
        examination.skip("read back", &format!("look in X-Ray for trace {}", probe.trace_id));
        Some(())
    }
}

fn send(address: &str, datagram: &str) -> Result<String, Trouble> {
    let sent = || {
        let socket = UdpSocket::bind(if address.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" })?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(REFUSAL))?;
        socket.send(datagram.as_bytes())?;
        match socket.recv(&mut [0; 16]) {
            // Silence is all that UDP says when it is well.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
            other => other.map(|_| ()),
        }
    };
    match sent() {
        Ok(()) => Ok(format!("sent to {address} by UDP, and nobody refused it")),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Err(Trouble::new(
            format!("no daemon listens at {address} (UDP)"),
            "start one (`throughline console`, or AWS's), or correct AWS_XRAY_DAEMON_ADDRESS",
        )),
        Err(error) => {
            Err(Trouble::new(format!("{address}: {error}"), "correct AWS_XRAY_DAEMON_ADDRESS (host:port)"))
        }
    }
}

pub(super) fn endpoint(signed: &SignedEndpoint, env: &Env) -> Vec<Finding> {
    let mut examination = Examination::of(signed.destination.name.as_str());
    let url = signed.destination.url.as_str();
    if reach(&mut examination, url).is_some() {
        let span = call(signed, env, &Probe::new().as_otlp().to_string());
        if examination.note("span", span).is_some() {
            examination.skip("read back", "X-Ray shows it after about a minute");
        }
    }
    examination.findings
}

fn call(signed: &SignedEndpoint, env: &Env, body: &str) -> Result<String, Trouble> {
    let base = signed.destination.url.trim_end_matches("/v1/traces");
    let env = env.clone().with("AWS_ENDPOINT_URL_XRAY", base).with("AWS_REGION", signed.region.as_str());
    let config = UpstreamConfig::from_env(&env)
        .map_err(|error| Trouble::new(error.to_string(), "correct the variable"))?;
    let path = &signed.destination.url[base.len()..];
    let (status, answer) = Caller::new(&config).call(path, body.as_bytes()).map_err(|problem| {
        aws::explain(&problem, "", || Trouble::new(problem.clone(), "look at the way to AWS"))
    })?;
    let told =
        format!("{status}: {}", String::from_utf8_lossy(&answer).chars().take(300).collect::<String>());
    if (200..300).contains(&status) {
        return Ok(format!("{status} accepted"));
    }
    if told.to_lowercase().contains("trace segment destination") || told.contains("Transaction Search") {
        return Err(Trouble::new(
            told,
            "switch Transaction Search on: `aws xray update-trace-segment-destination --destination CloudWatchLogs`",
        ));
    }
    Err(aws::explain(&told, "xray:PutTraceSegments and xray:PutSpans", || {
        Trouble::new(told.clone(), "see X-Ray's OTLP endpoints in AWS's documentation")
    }))
}
