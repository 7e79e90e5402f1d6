//! Documents to the daemon by UDP, one a datagram; and the queue of X-Ray's OTLP endpoint.
//!
//! UDP is best effort: nobody acknowledges a document, and one that a full buffer on the way drops is counted as delivered.
//! What can be known is used: where nobody listens the system tells so (ECONNREFUSED), and the whole batch waits and is sent
//! again. That does no harm, since X-Ray keeps one document per id.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ::xray::datagram;
use ::xray::limits::{DATAGRAM_HEADER, MAX_DATAGRAM_DOCUMENT_BYTES};
use ::xray::segment::fit;
use ::xray::span::{Resource, Span};
use ::xray::{Options, translate};
use delivery::{Answer, Attempt, HttpSender, Limits, Queue, Sender};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use crate::otlp;
use crate::xray::config::{Config, DaemonAddress, SignedEndpoint};
use crate::xray::encode::each_span;
use crate::xray::sigv4::Signer;

/// A name may come to mean another machine: a daemon that was moved is found within a minute.
const RESOLVE_AGAIN: Duration = Duration::from_mins(1);
/// A socket's buffer that is full for so long is a failure.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// After so many datagrams the sender rests: about 4,000 a second at most, when X-Ray takes 2,600 in a region. Linux gives a
/// receiver 208 KiB unless it asks for more, which 90 documents of a kilobyte fill; more at once would lose what comes while the
/// receiver's thread does not run.
const BURST: u32 = 4;
const REST: Duration = Duration::from_millis(1);
/// What fits the largest datagram of macOS, unless `net.inet.udp.maxdgram` is raised.
const SMALL_DOCUMENT_BYTES: usize = 9_216 - DATAGRAM_HEADER.len();

pub(crate) fn queues(config: &Config) -> io::Result<Vec<Queue>> {
    let daemon = config.daemon.iter().map(|daemon| daemon_queue(daemon, &config.options));
    let endpoint = config.endpoint.iter().map(endpoint_queue);
    daemon.chain(endpoint).collect()
}

fn daemon_queue(daemon: &DaemonAddress, options: &Options) -> io::Result<Queue> {
    let (address, options) = (daemon.udp.clone(), options.clone());
    // A second socket would only fill the same buffer.
    let limits = Limits { in_flight: 1, ..Limits::default() };
    Queue::start("xray", limits, move || DaemonSender::new(address.clone(), options.clone()))
}

/// Its requests are within what X-Ray takes (5 MB before compression, 10,000 spans): the queue makes none larger than one MiB
/// and 8,192 spans, but for a batch that is by itself.
fn endpoint_queue(signed: &SignedEndpoint) -> io::Result<Queue> {
    let (endpoint, signed) = (otlp::endpoint(&signed.destination), signed.clone());
    Queue::start(&signed.destination.name.clone(), otlp::limits(), move || {
        HttpSender::authorized(
            Arc::clone(&endpoint),
            Signer::new(&signed.region, signed.credentials.as_ref()),
        )
    })
}

struct DaemonSender {
    address: String,
    options: Options,
    connection: Option<Connection>,
}

struct Connection {
    socket: UdpSocket,
    peer: SocketAddr,
    /// Where else the name leads: `localhost` is `::1` as well, and a daemon listens on one of them.
    others: VecDeque<SocketAddr>,
    since: Instant,
    /// Something failed: the name may mean another machine by now, and our own address may be another.
    doubted: bool,
    /// How large a document may be.
    room: usize,
    sent: u32,
}

/// What became of an attempt.
#[derive(Default)]
struct Outcome {
    /// Spans that no document can be made of, or none small enough.
    rejected: u64,
    rejection: &'static str,
    /// The last datagram that did not leave, or that nobody took.
    failure: Option<io::Error>,
}

impl Sender for DaemonSender {
    fn send(&mut self, attempt: &Attempt) -> Answer {
        let mut connection = match self.connect() {
            Ok(connection) => connection,
            Err(error) => return self.retry(&error),
        };
        let mut outcome = Outcome::default();
        for payload in attempt.payloads() {
            let Ok(request) = ExportTraceServiceRequest::decode(&payload.body[..]) else {
                outcome.reject(payload.items, "no ExportTraceServiceRequest");
                continue;
            };
            each_span(&request, |span, resource| match span {
                Some(span) => connection.send(span, resource, &self.options, &mut outcome),
                None => outcome.reject(1, "a span without ids"),
            });
        }
        // On the same machine the system has told by now that nobody took the last datagram.
        if let Ok(Some(error)) = connection.socket.take_error() {
            outcome.failure = Some(error);
            connection.turn();
        }
        let answer = match &outcome.failure {
            Some(error) => self.retry(error),
            None => outcome.delivered(),
        };
        connection.doubted = outcome.failure.is_some();
        self.connection = Some(connection);
        answer
    }
}

impl DaemonSender {
    fn new(address: String, options: Options) -> Self {
        Self { address, options, connection: None }
    }

    /// The connection there is, or one to what the name means now.
    fn connect(&mut self) -> io::Result<Connection> {
        let before = match self.connection.take() {
            Some(known) if !known.doubted && known.since.elapsed() < RESOLVE_AGAIN => return Ok(known),
            before => before,
        };
        let mut addresses: Vec<_> = self.address.to_socket_addrs()?.collect();
        // The address that was used last comes first, else IPv4: a daemon's default is 127.0.0.1.
        addresses.sort_by_key(|it| (before.as_ref().is_none_or(|before| before.peer != *it), it.is_ipv6()));
        let mut others = VecDeque::from(addresses);
        let peer = others.pop_front().ok_or_else(|| io::Error::other("the name has no address"))?;
        match before {
            Some(before) if before.peer == peer && !before.doubted => {
                Ok(Connection { others, since: Instant::now(), ..before })
            }
            _ => Ok(Connection {
                socket: open(peer)?,
                peer,
                others,
                since: Instant::now(),
                doubted: false,
                room: MAX_DATAGRAM_DOCUMENT_BYTES,
                sent: 0,
            }),
        }
    }

    fn retry(&self, error: &io::Error) -> Answer {
        Answer::Retry { after: None, problem: format!("the X-Ray daemon at {}: {error}", self.address) }
    }
}

impl Connection {
    /// Sends a span's documents; a failure of one is no reason to keep back the next.
    fn send(&mut self, span: &Span, resource: &Resource, options: &Options, outcome: &mut Outcome) {
        for document in translate(span, resource, options) {
            for text in fit(document, self.room) {
                match self.send_text(&text, outcome) {
                    Ok(()) => {}
                    Err(error) if is_too_large(&error) && self.room > SMALL_DOCUMENT_BYTES => {
                        // Once per connection: from here on documents are made smaller.
                        self.room = SMALL_DOCUMENT_BYTES;
                        return self.send(span, resource, options, outcome);
                    }
                    Err(error) if is_too_large(&error) => {
                        outcome.reject(1, "larger than a datagram may be here");
                    }
                    Err(error) => outcome.failure = Some(error),
                }
            }
        }
    }

    fn send_text(&mut self, text: &str, outcome: &mut Outcome) -> io::Result<()> {
        let datagram = datagram::write(text);
        self.sent = self.sent.wrapping_add(1);
        if self.sent.is_multiple_of(BURST) {
            thread::sleep(REST);
        }
        match self.socket.send(&datagram) {
            // The word is about an earlier datagram, and this one has not left.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                outcome.failure = Some(error);
                self.turn();
                self.socket.send(&datagram)?;
            }
            sent => drop(sent?),
        }
        Ok(())
    }

    /// To the name's next address, if it has several.
    fn turn(&mut self) {
        let Some(next) = self.others.pop_front() else { return };
        self.others.push_back(self.peer);
        if let Ok(socket) = open(next) {
            (self.socket, self.peer) = (socket, next);
        }
    }
}

impl Outcome {
    fn reject(&mut self, spans: u64, why: &'static str) {
        self.rejected += spans;
        self.rejection = why;
    }

    fn delivered(&self) -> Answer {
        let message = (self.rejected > 0).then(|| self.rejection.to_owned());
        Answer::Delivered { rejected: self.rejected, message }
    }
}

fn open(peer: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr =
        if peer.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    // Connected, since otherwise the system tells nothing of a port where nobody listens.
    socket.connect(peer)?;
    socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
    Ok(socket)
}

/// EMSGSIZE, which `ErrorKind` has no stable name for: 90 on Linux, 40 on macOS and the BSDs.
fn is_too_large(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(90 | 40))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ::xray::span::{Kind, Scope, Status, Value};
    use ::xray::{SpanId, TraceId};

    use super::*;

    fn connection(to: SocketAddr) -> Connection {
        DaemonSender::new(to.to_string(), Options::default()).connect().unwrap()
    }

    #[test]
    fn of_two_addresses_the_one_is_found_where_somebody_listens() {
        let nowhere = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut connection = connection(nowhere);
        connection.others.push_back(daemon.local_addr().unwrap());
        let mut outcome = Outcome::default();
        for document in ["{1}", "{2}", "{3}"] {
            connection.send_text(document, &mut outcome).unwrap();
        }
        let mut buffer = [0; 100];
        for document in ["{2}", "{3}"] {
            let length = daemon.recv(&mut buffer).unwrap();
            assert_eq!(datagram::read(&buffer[..length]).unwrap(), document);
        }
        // The first one went to nobody: the whole batch is sent again.
        assert!(outcome.failure.is_some());
        assert_eq!(connection.peer, daemon.local_addr().unwrap());
    }

    #[test]
    fn where_datagrams_must_be_small_documents_are() {
        let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut connection = connection(daemon.local_addr().unwrap());
        // Linux says of 66,000 bytes what macOS says of 10,000.
        connection.room = 100_000;
        let load = "x".repeat(66_000);
        let span = Span {
            trace_id: TraceId::new(1, [1; 12]),
            id: SpanId::from_bytes([2; 8]).unwrap(),
            parent: None,
            name: "large",
            kind: Kind::Server,
            start: 1,
            end: Some(2),
            status: Status::Unset,
            attributes: vec![("load", Value::from(load.as_str()))],
            events: Vec::new(),
            links: Vec::new(),
            scope: Scope::default(),
        };
        let mut outcome = Outcome::default();
        connection.send(&span, &Resource::default(), &Options::default(), &mut outcome);
        assert_eq!((outcome.rejected, outcome.failure.is_none()), (0, true));
        assert_eq!(connection.room, SMALL_DOCUMENT_BYTES);
        let length = daemon.recv(&mut vec![0; 65_536]).unwrap();
        assert!((1..=9_216).contains(&length), "{length}");
    }
}
