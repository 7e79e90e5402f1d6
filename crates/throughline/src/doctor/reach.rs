//! The way to a server, step by step, so that the first step that fails is named: its name, its port, its certificate, its clock.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use env::Secret;
use ureq::tls::{RootCerts, TlsConfig};

use super::report::{Examination, Trouble};

/// For one step. Who is farther away than this has a problem too.
const TIMEOUT: Duration = Duration::from_secs(5);
/// AWS refuses signatures that are farther off, and X-Ray shows such traces in the wrong place.
const CLOCK: Duration = Duration::from_mins(5);
const BODY_LIMIT: u64 = 1024 * 1024;

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    date: Option<SystemTime>,
}

#[derive(Clone)]
pub(super) struct Asker(ureq::Agent);

pub(super) type Headers<'a> = &'a [(String, Secret)];

impl Asker {
    pub(super) fn new() -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        // As the sinks send: neither a proxy of the environment nor a redirect has a say.
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .proxy(None)
            .tls_config(tls);
        Self(config.build().into())
    }

    pub(super) fn get(&self, url: &str, headers: Headers<'_>) -> Result<Answer, Trouble> {
        let mut request = self.0.get(url);
        for (name, value) in headers {
            request = request.header(name, value.expose());
        }
        read(url, headers, request.call())
    }

    pub(super) fn post(&self, url: &str, headers: Headers<'_>, json: &str) -> Result<Answer, Trouble> {
        let mut request = self.0.post(url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value.expose());
        }
        read(url, headers, request.send(json))
    }
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The status and the beginning of what it says.
    pub(super) fn told(&self) -> String {
        let body: String = self.body.trim().chars().take(200).collect();
        if body.is_empty() { self.status.to_string() } else { format!("{}: {body}", self.status) }
    }
}

/// Name and port. Gives the address that answered.
pub(super) fn reach(examination: &mut Examination, url: &str) -> Option<()> {
    let host_and_port = host_and_port(url);
    let addresses = resolve(&host_and_port);
    let first = addresses.as_ref().ok().and_then(|it| it.first().copied());
    examination.note("name", addresses.clone().map(|it| format!("{host_and_port} is {}", it[0].ip())))?;
    let connected = connect(&addresses.ok()?);
    examination.note("port", connected.map(|()| first.map_or_else(String::new, |it| it.to_string())))
}

/// The answer's clock against ours.
pub(super) fn clock(answer: &Answer) -> Option<Result<String, Trouble>> {
    let theirs = answer.date?;
    let now = SystemTime::now();
    let (off, word) = match now.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    Some(if off <= CLOCK {
        Ok(format!("within {} s of the server's", off.as_secs().max(1)))
    } else {
        Err(Trouble::new(
            format!("this machine's clock is {} min {word} the server's", off.as_secs() / 60),
            "set the clock (`timedatectl set-ntp true`); AWS refuses signatures that are 5 min off, and traces land at the wrong time",
        ))
    })
}

fn resolve(host_and_port: &str) -> Result<Vec<SocketAddr>, Trouble> {
    let unknown = |why: String| {
        Trouble::new(
            format!("the name of {host_and_port} is not known: {why}"),
            "check the variable's spelling, or this machine's DNS (/etc/resolv.conf)",
        )
    };
    let mut addresses: Vec<_> =
        host_and_port.to_socket_addrs().map_err(|error| unknown(error.to_string()))?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    if addresses.is_empty() { Err(unknown("it has no address".to_owned())) } else { Ok(addresses) }
}

fn connect(addresses: &[SocketAddr]) -> Result<(), Trouble> {
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(address, TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) => last = Some((address, error)),
        }
    }
    let (address, error) = last.expect("there is an address");
    Err(match error.kind() {
        ErrorKind::ConnectionRefused => Trouble::new(
            format!("nobody listens at {address}"),
            "start what should listen there, or correct host and port",
        ),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Trouble::new(
            format!("{address} does not answer within {} s", TIMEOUT.as_secs()),
            "let the firewall or security group pass this port, or correct host and port",
        ),
        _ => Trouble::new(format!("{address}: {error}"), "correct host and port, or the network between"),
    })
}

fn read(
    url: &str,
    headers: Headers<'_>,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Answer, Trouble> {
    let mut answer = answer.map_err(|error| explain(url, &error))?;
    let date = answer.headers().get("date").and_then(|it| it.to_str().ok());
    let date = date.and_then(|it| httpdate::parse_http_date(it).ok());
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(BODY_LIMIT).read_to_vec().unwrap_or_default();
    // Some receivers quote the key that they refuse.
    let secrets = headers.iter().map(|(_, value)| value.expose()).filter(|it| !it.is_empty());
    let body = secrets.fold(String::from_utf8_lossy(&body).into_owned(), |text, it| text.replace(it, "***"));
    Ok(Answer { status, body, date })
}

fn explain(url: &str, error: &ureq::Error) -> Trouble {
    let text = error.to_string();
    let lower = text.to_lowercase();
    let secure = url.starts_with("https:");
    if lower.contains("expired") && lower.contains("certificate") {
        return Trouble::new(
            format!("the server's certificate is out of date: {text}"),
            "renew it; if it is somebody else's, look at this machine's clock",
        );
    }
    if lower.contains("certificate") || lower.contains("unknownissuer") {
        return Trouble::new(
            format!("the server's certificate is not trusted: {text}"),
            "add its authority to this machine's certificates, or correct the host name",
        );
    }
    if secure
        && (matches!(error, ureq::Error::Io(_))
            || lower.contains("tls")
            || lower.contains("corrupt")
            || lower.contains("handshake"))
    {
        return Trouble::new(
            format!("no TLS is spoken there: {text}"),
            "write http:// instead of https://, or the TLS port",
        );
    }
    if !secure && (lower.contains("protocol") || lower.contains("http")) {
        return Trouble::new(
            format!("no plain HTTP is spoken there: {text}"),
            "write https:// instead of http://, or the HTTP port (4318 is OTLP's, 4317 is gRPC)",
        );
    }
    Trouble::new(text, "the connection opens and then fails: look at the server, or at a proxy between")
}

/// As `std` resolves it; the URL was checked when the configuration was read.
fn host_and_port(url: &str) -> String {
    let uri: ureq::http::Uri = url.parse().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(if url.starts_with("https:") { 443 } else { 80 });
    format!("{}:{port}", uri.host().unwrap_or_default())
}
