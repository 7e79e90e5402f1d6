//! The daemon over a store that is none of the console's: what it does when the store is away, and that it needs no more
//! than the trait. What AWS's own clients see is tested at the console, where there is something to read back.

// clippy.toml allows it in tests, but not in what they share.
#![allow(clippy::unwrap_used)]

mod line;
mod pattern;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use vendor_apis::xray::store::{Cursor, Listed, Trace, Window};
use vendor_apis::xray::{Counters, Daemon, Outcome, Received, Store, Unavailable};
use xray::TraceId;

/// Keeps names, and is away for the first calls.
#[derive(Default)]
struct Memory {
    away: AtomicU32,
    names: Mutex<Vec<String>>,
}

impl Store for Memory {
    fn put(&self, documents: Vec<Received>) -> BoxFuture<'_, Result<Outcome, Unavailable>> {
        async move {
            if self.away.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
                return Err(Unavailable);
            }
            let stored = documents.len() as u64;
            self.names.lock().unwrap().extend(documents.into_iter().map(|it| it.document.name));
            Ok(Outcome { stored, ..Outcome::default() })
        }
        .boxed()
    }

    fn list(
        &self,
        _: Window,
        _: Option<Cursor>,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<Listed>, Unavailable>> {
        async { Err(Unavailable) }.boxed()
    }

    fn trace(&self, _: TraceId) -> BoxFuture<'_, Result<Option<Trace>, Unavailable>> {
        async { Err(Unavailable) }.boxed()
    }

    fn settings(&self) -> BoxFuture<'_, Result<Option<String>, Unavailable>> {
        async { Ok(None) }.boxed()
    }

    fn save_settings(&self, _: String) -> BoxFuture<'_, Result<(), Unavailable>> {
        async { Err(Unavailable) }.boxed()
    }
}

fn send(port: u16, name: &str) {
    let document = format!(
        "{{\"trace_id\":\"1-581cf771-a006649127e371903a2de979\",\"id\":\"70de5b6f19ff9a0a\",\"name\":\"{name}\",\"start_time\":1,\"end_time\":2}}"
    );
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&xray::datagram::write(&document), ("127.0.0.1", port)).unwrap();
}

/// Waits until every one of `count` datagrams is accounted for.
async fn settled(counters: &Counters, count: u64) -> (u64, u64) {
    let start = Instant::now();
    loop {
        let totals = counters.totals();
        if totals.received == count && totals.stored + totals.dropped == count {
            return (totals.stored, totals.dropped);
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{totals:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_store_that_is_away_costs_what_came_meanwhile_and_is_counted() {
    let store = Arc::new(Memory::default());
    let counters = Arc::new(Counters::default());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let daemon = Daemon::start(socket, store.clone(), counters.clone(), None).unwrap();

    // Away for a moment: the second try finds it.
    store.away.store(1, Relaxed);
    send(port, "kept");
    assert_eq!(settled(&counters, 1).await, (1, 0));
    // Away for longer: nobody can be asked to send it again.
    store.away.store(2, Relaxed);
    send(port, "lost");
    assert_eq!(settled(&counters, 2).await, (1, 1));
    assert_eq!(counters.to_json()["refused"]["store_unavailable"], 1);
    send(port, "after");
    assert_eq!(settled(&counters, 3).await, (2, 1));
    assert_eq!(*store.names.lock().unwrap(), ["kept", "after"]);

    // What has arrived is stored before it ends.
    for _ in 0..50 {
        send(port, "last");
    }
    daemon.stop().await;
    assert_eq!(store.names.lock().unwrap().len(), 52);
    drop(Arc::try_unwrap(store).ok().expect("nothing else holds the store"));
}
