//! The wire between the service and its Postgres, with a switch.

use std::sync::Mutex;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Forwards to `target` while it is whole; cut, it breaks what runs and refuses what comes.
pub(crate) struct Line {
    port: u16,
    target: u16,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Line {
    pub(crate) async fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let line = Self { port, target, running: Mutex::new(None) };
        line.forward(listener);
        line
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) async fn cut(&self) {
        let running = self.running.lock().unwrap().take().expect("a line that is whole");
        running.abort();
        let _ = running.await;
    }

    pub(crate) async fn mend(&self) {
        self.forward(TcpListener::bind(("127.0.0.1", self.port)).await.unwrap());
    }

    fn forward(&self, listener: TcpListener) {
        let target = self.target;
        let forwarding = tokio::spawn(async move {
            // Dropped with the loop, and all connections with it.
            let mut connections = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                connections.spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        *self.running.lock().unwrap() = Some(forwarding);
    }
}
