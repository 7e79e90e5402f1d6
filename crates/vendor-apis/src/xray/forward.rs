//! Spans that came by OTLP, translated and sent on to any X-Ray daemon by UDP.

use std::net::{ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use ::xray::Options;
use ::xray::datagram;
use ::xray::limits::MAX_DATAGRAM_DOCUMENT_BYTES;
use ::xray::segment::fit;

use super::counters::Counters;
use super::span::Span;

/// Requests that wait to be sent on; one more is dropped and its spans are counted. OTLP senders are never held up.
const QUEUE: usize = 256;
/// A name is looked up again after this long, as a daemon that was replaced has another address.
const RESOLVE_AGAIN: Duration = Duration::from_secs(30);

/// The way on. Clones share the queue; the thread ends with the last of them, after sending what waits.
#[derive(Clone)]
pub struct Forwarder {
    queue: SyncSender<Vec<Span>>,
    counters: Arc<Counters>,
}

struct Target {
    host: String,
    port: u16,
    socket: Option<UdpSocket>,
    resolved: Instant,
}

impl Forwarder {
    /// Sends to `host:port`. A daemon that is not there yet is no error: UDP cannot tell.
    pub fn start(host: &str, port: u16, counters: Arc<Counters>) -> std::io::Result<Self> {
        let (queue, spans) = sync_channel(QUEUE);
        let target = Target { host: host.to_owned(), port, socket: None, resolved: Instant::now() };
        let counts = counters.clone();
        thread::Builder::new().name("xray-forward".to_owned()).spawn(move || run(&spans, target, &counts))?;
        Ok(Self { queue, counters })
    }

    pub fn send(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        self.counters.forward.spans.fetch_add(count, Relaxed);
        if self.queue.try_send(spans).is_err() {
            self.counters.forward.dropped.fetch_add(count, Relaxed);
        }
    }
}

fn run(spans: &Receiver<Vec<Span>>, mut target: Target, counters: &Counters) {
    let options = Options::default();
    while let Ok(spans) = spans.recv() {
        for span in &spans {
            for document in span.to_documents(&options) {
                for text in fit(document, MAX_DATAGRAM_DOCUMENT_BYTES) {
                    let counter = match target.send(&text) {
                        Ok(()) => &counters.forward.sent,
                        Err(error) => {
                            tracing::debug!(%error, "a segment was not sent on");
                            &counters.forward.failed
                        }
                    };
                    counter.fetch_add(1, Relaxed);
                }
            }
        }
    }
}

impl Target {
    fn send(&mut self, document: &str) -> std::io::Result<()> {
        let bytes = datagram::write(document);
        if self.resolved.elapsed() > RESOLVE_AGAIN {
            self.socket = None;
        }
        if self.socket.is_none() {
            self.socket = Some(self.connect()?);
            self.resolved = Instant::now();
        }
        let Some(socket) = &self.socket else { return Ok(()) };
        // A connected socket reports with one send that the one before met a closed port; this one has not been sent.
        let sent = socket.send(&bytes);
        match sent {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                socket.send(&bytes).map(drop)
            }
            other => other.map(drop),
        }
    }

    fn connect(&self) -> std::io::Result<UdpSocket> {
        let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            match UdpSocket::bind(any).and_then(|socket| socket.connect(address).map(|()| socket)) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
