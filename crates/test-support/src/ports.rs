use std::net::{Ipv4Addr, TcpListener};

/// A free TCP port of 127.0.0.1, for programs that must be told one.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
        .port()
}
