//! One bare handler, traced in every way that is compared, and the receiver that counts what arrives.
//!
//! `tracing-cost VARIANT` serves on a free port (printed as the first line) until standard input closes, then flushes
//! and prints what the receiver got: requests are counted by the driver, `../cost`.

mod receiver;
mod variants;

use std::io::Read as _;

fn main() -> std::io::Result<()> {
    let variant = std::env::args().nth(1).unwrap_or_else(|| "bare".to_owned());
    if variant == "receiver" {
        return receiver::run();
    }
    let endpoint = std::env::args().nth(2).unwrap_or_default();
    actix_web::rt::System::new().block_on(variants::serve(&variant, &endpoint))
}

/// Resolves when standard input closes; on a thread of its own, so that no variant's runtime is involved.
pub(crate) fn stdin_closed() -> std::sync::mpsc::Receiver<()> {
    let (closed, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = closed.send(());
    });
    wait
}
