//! The daemon's UDP side. A thread does nothing but receive, so that a busy moment elsewhere costs no datagram; what it
//! receives is read and stored in batches.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ::xray::datagram;
use socket2::SockRef;
use tokio::sync::mpsc;
use tokio::task;

use super::counters::{Counters, Via};
use super::store::{Received, Store};
use super::upstream::Upstream;

/// The real daemon's buffer of one datagram. Larger ones do not exist: UDP over IPv4 carries 65,507 bytes.
const DATAGRAM_BYTES: usize = 64 << 10;
/// Datagrams that wait for the store, and their bytes. What comes beyond either is dropped and counted. The store takes
/// some thousand a second, so this is many seconds of the 2,600 that X-Ray takes in a region.
const QUEUE: usize = 65_536;
const QUEUE_BYTES: usize = 64 << 20;
/// Documents stored together.
const BATCH: usize = 256;
/// What the system may hold for a thread that does not run just now. Linux gives 208 KiB unasked, some 90 documents, which four
/// processes fill in ten milliseconds of a busy machine; asked, it gives up to `net.core.rmem_max`, twice.
const SYSTEM_BUFFER_BYTES: usize = 4 << 20;
/// How often a silent thread looks whether it should end.
const PATIENCE: Duration = Duration::from_millis(200);

/// Receives until it is dropped or [`Daemon::stop`]ped.
pub struct Daemon {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    storing: task::JoinHandle<()>,
}

impl Daemon {
    /// Starts within a tokio runtime.
    pub fn start(
        socket: UdpSocket,
        store: Arc<dyn Store>,
        counters: Arc<Counters>,
        upstream: Option<Arc<dyn Upstream>>,
    ) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        counters.daemon_is_at(socket.local_addr()?.port());
        // A smaller one is worse, and no reason not to start.
        let _ = SockRef::from(&socket).set_recv_buffer_size(SYSTEM_BUFFER_BYTES);
        let ending = Arc::new(AtomicBool::new(false));
        let (queue, datagrams) = mpsc::channel(QUEUE);
        let waiting = Arc::new(AtomicUsize::new(0));
        let thread = thread::Builder::new().name("xray-udp".to_owned()).spawn({
            let (ending, waiting, counters) = (ending.clone(), waiting.clone(), counters.clone());
            move || receive(&socket, &ending, &queue, &waiting, &counters, upstream.as_deref())
        })?;
        let storing = task::spawn(store_all(datagrams, waiting, store, counters));
        Ok(Self { ending, thread: Some(thread), storing })
    }

    /// Stores what was received, then ends.
    pub async fn stop(mut self) {
        self.ending.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = task::spawn_blocking(move || thread.join()).await;
        }
        let _ = (&mut self.storing).await;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.ending.store(true, Relaxed);
    }
}

fn receive(
    socket: &UdpSocket,
    ending: &AtomicBool,
    queue: &mpsc::Sender<String>,
    waiting: &AtomicUsize,
    counters: &Counters,
    upstream: Option<&dyn Upstream>,
) {
    let mut buffer = vec![0; DATAGRAM_BYTES];
    let enqueue = |datagram: &[u8]| {
        counters.received(Via::Udp);
        match datagram::read(datagram) {
            Err(refusal) => counters.refused(refusal, datagram),
            Ok(body) => {
                // Unread, as by the real daemon: X-Ray may take what we do not.
                if let Some(upstream) = upstream {
                    upstream.document(&body);
                }
                let length = body.len();
                let has_room = waiting.load(Relaxed) + length <= QUEUE_BYTES;
                waiting.fetch_add(length, Relaxed);
                if !has_room || queue.try_send(body.into_owned()).is_err() {
                    waiting.fetch_sub(length, Relaxed);
                    counters.buffer_full();
                }
            }
        }
    };
    while !ending.load(Relaxed) {
        match socket.recv(&mut buffer) {
            Ok(length) => enqueue(&buffer[..length]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => {
                // Nothing that a sender can cause; the pause keeps a broken socket from filling the log.
                tracing::error!(%error, "receiving datagrams");
                thread::sleep(PATIENCE);
            }
        }
    }
    // What the system still holds for us, but not what keeps coming.
    if socket.set_nonblocking(true).is_ok() {
        for _ in 0..QUEUE {
            let Ok(length) = socket.recv(&mut buffer) else { break };
            enqueue(&buffer[..length]);
        }
    }
}

async fn store_all(
    mut datagrams: mpsc::Receiver<String>,
    waiting: Arc<AtomicUsize>,
    store: Arc<dyn Store>,
    counters: Arc<Counters>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while datagrams.recv_many(&mut batch, BATCH).await > 0 {
        let bodies = std::mem::take(&mut batch);
        waiting.fetch_sub(bodies.iter().map(String::len).sum(), Relaxed);
        let read = {
            let counters = counters.clone();
            // 256 documents of 64 KB take some tenths of a second: not on a thread that drives sockets.
            task::spawn_blocking(move || read_all(&bodies, &counters)).await
        };
        put(&*store, read.unwrap_or_default(), &counters).await;
    }
}

fn read_all(bodies: &[String], counters: &Counters) -> Vec<Received> {
    let read = bodies.iter().filter_map(|body| match Received::read(body) {
        Ok(received) => Some(received),
        Err(rejected) => {
            counters.rejected(&rejected);
            None
        }
    });
    read.collect()
}

/// Nobody can be told to send a datagram again, so it is tried twice and then counted as lost.
async fn put(store: &dyn Store, documents: Vec<Received>, counters: &Counters) {
    if documents.is_empty() {
        return;
    }
    let mut outcome = store.put(documents.clone()).await;
    if outcome.is_err() {
        tokio::time::sleep(PATIENCE).await;
        outcome = store.put(documents.clone()).await;
    }
    match outcome {
        Ok(outcome) => counters.put(outcome),
        Err(_) => counters.unavailable(documents.len()),
    }
}
