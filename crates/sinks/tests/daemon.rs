//! A UDP socket that keeps what it gets, in place of the X-Ray daemon.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ::xray::Document;
use ::xray::datagram;
use ::xray::segment::read;

pub(crate) struct Daemon {
    address: SocketAddr,
    datagrams: Arc<Mutex<Vec<Vec<u8>>>>,
    closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap())
    }

    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        let address = socket.local_addr().unwrap();
        let (datagrams, closed) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicBool>::default());
        let (kept, is_closed) = (Arc::clone(&datagrams), Arc::clone(&closed));
        let thread = thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok((length, _)) = socket.recv_from(&mut buffer) {
                if is_closed.load(Ordering::SeqCst) {
                    return;
                }
                kept.lock().unwrap().push(buffer[..length].to_vec());
            }
        });
        Self { address, datagrams, closed, thread: Some(thread) }
    }

    /// An address where nobody listens.
    pub(crate) fn nowhere() -> SocketAddr {
        UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Each datagram as the document that it has to be.
    pub(crate) fn documents(&self) -> Vec<Document> {
        let datagrams = self.datagrams.lock().unwrap();
        datagrams.iter().map(|it| read(&datagram::read(it).unwrap()).unwrap()).collect()
    }

    /// The kernel has taken what was sent; this waits until the thread has too.
    pub(crate) fn documents_when(&self, count: usize) -> Vec<Document> {
        let end = Instant::now() + Duration::from_secs(20);
        while self.datagrams.lock().unwrap().len() < count && Instant::now() < end {
            thread::yield_now();
        }
        self.documents()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[], self.address).unwrap();
        // The port is free when this returns.
        self.thread.take().unwrap().join().unwrap();
    }
}
