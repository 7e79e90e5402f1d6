//! What ends `up`: Ctrl-C, SIGTERM, a terminal that goes away, or for `--ephemeral` a closed pipe.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

pub(crate) struct Stop {
    signals: [Signal; 3],
    pipe: Option<oneshot::Receiver<()>>,
    /// The first to ask was the pipe's end. Whoever closes the pipe often sends a signal too, and means one thing.
    by_pipe: bool,
}

impl Stop {
    pub(crate) fn listen(watch_pipe: bool) -> io::Result<Self> {
        let signals = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ];
        Ok(Self { signals, pipe: if watch_pipe { end_of_piped_stdin() } else { None }, by_pipe: false })
    }

    /// Ready when somebody asks.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            () = signalled(&mut self.signals) => {}
            () = closed(&mut self.pipe) => self.by_pipe = true,
        }
    }

    /// Ready when somebody insists: by another signal, which means at once.
    pub(crate) async fn insisted(&mut self) {
        if self.by_pipe {
            signalled(&mut self.signals).await;
            self.by_pipe = false;
        }
        signalled(&mut self.signals).await;
    }
}

async fn signalled([interrupt, terminate, hangup]: &mut [Signal; 3]) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

async fn closed(pipe: &mut Option<oneshot::Receiver<()>>) {
    match pipe {
        Some(wait) => {
            let _ = wait.await;
            *pipe = None;
        }
        None => futures::future::pending().await,
    }
}

/// `None` when standard input is a terminal, a file or /dev/null: only a pipe's end says that the parent is gone.
fn end_of_piped_stdin() -> Option<oneshot::Receiver<()>> {
    let kind = fs::metadata("/dev/stdin").ok()?.file_type();
    if !kind.is_fifo() && !kind.is_socket() {
        return None;
    }
    let (closed, wait) = oneshot::channel();
    // A plain thread: a read of standard input can't be cancelled, and would hold up a runtime's end.
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = closed.send(());
    });
    Some(wait)
}
