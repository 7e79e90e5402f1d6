//! What ends `up`: Ctrl-C, SIGTERM, a terminal that goes away, or for `--ephemeral` a closed pipe.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

pub(crate) struct Stop {
    signals: [Signal; 3],
    pipe: Option<oneshot::Receiver<()>>,
}

impl Stop {
    pub(crate) fn listen(watch_pipe: bool) -> io::Result<Self> {
        let signals = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ];
        Ok(Self { signals, pipe: if watch_pipe { end_of_piped_stdin() } else { None } })
    }

    /// Ready each time that somebody asks; the second time means at once.
    pub(crate) async fn asked(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            () = closed(&mut self.pipe) => {}
        }
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
