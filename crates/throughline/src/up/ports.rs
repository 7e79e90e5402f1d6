//! Which ports the roles take, and who is in the way.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context as _;
use rand::RngExt as _;

/// Below Linux's range for outgoing connections (32768 and up), so that none of those takes a port between our look
/// and the role's bind.
const FREE: std::ops::Range<u16> = 20_000..32_000;
/// How many ports are tried before the machine is called full.
const TRIES: usize = 200;
/// How often the table of sockets is read for the one that is in the way.
const TABLE_READS: usize = 5;

#[derive(Clone, Debug)]
pub(crate) struct Ports {
    pub(crate) web: u16,
    pub(crate) gateway: u16,
    pub(crate) activities: u16,
    pub(crate) users: u16,
    pub(crate) console: u16,
    pub(crate) otlp_grpc: u16,
    pub(crate) otlp_http: u16,
    /// UDP and TCP.
    pub(crate) xray_daemon: u16,
    pub(crate) postgres: u16,
}

impl Ports {
    /// The ports of the README, each moved by `offset`.
    pub(crate) fn usual(offset: u16) -> anyhow::Result<Self> {
        let port = |port: u16| {
            port.checked_add(offset)
                .with_context(|| format!("--port-offset {offset}: {port} + {offset} is no port"))
        };
        Ok(Self {
            web: port(3000)?,
            gateway: port(4567)?,
            activities: port(4568)?,
            users: port(4569)?,
            console: port(4380)?,
            otlp_grpc: port(4317)?,
            otlp_http: port(4318)?,
            xray_daemon: port(2000)?,
            postgres: port(5433)?,
        })
    }

    /// Ports that nobody else has.
    pub(crate) fn free() -> anyhow::Result<Self> {
        // All are held until all are found, so that none is given twice.
        let mut held: Vec<TcpListener> = Vec::new();
        let mut rng = rand::rng();
        let mut port = || {
            let listener = (0..TRIES)
                .find_map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, rng.random_range(FREE))).ok())
                .context("found no free port")?;
            let port = listener.local_addr()?.port();
            held.push(listener);
            anyhow::Ok(port)
        };
        Ok(Self {
            web: port()?,
            gateway: port()?,
            activities: port()?,
            users: port()?,
            console: port()?,
            otlp_grpc: port()?,
            otlp_http: port()?,
            xray_daemon: port()?,
            postgres: port()?,
        })
    }

    /// One line about the first port that somebody else has.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let Self { web, gateway, activities, users, console, otlp_grpc, otlp_http, xray_daemon, postgres } =
            *self;
        for (what, port) in [
            ("the web app", web),
            ("gateway", gateway),
            ("activities", activities),
            ("users", users),
            ("console", console),
            ("OTLP over gRPC", otlp_grpc),
            ("OTLP over HTTP", otlp_http),
            ("X-Ray daemon", xray_daemon),
            ("Postgres", postgres),
        ] {
            if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                anyhow::bail!(
                    "port {port} ({what}) is taken by {}: stop that, or move all ports with --port-offset 100 ({error})",
                    owner(port).unwrap_or_else(|| format!(
                        "another process (`lsof -nP -iTCP:{port} -sTCP:LISTEN` names it)"
                    )),
                );
            }
        }
        Ok(())
    }
}

/// Who listens on a port of this machine, as far as Linux tells: the socket's inode, then the process that has it open.
fn owner(port: u16) -> Option<String> {
    // The table is read in pages while sockets come and go: a row can be missed.
    let inode = (0..TABLE_READS).find_map(|_| {
        let tables =
            ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
        tables
            .iter()
            .flat_map(|table| table.lines())
            .find_map(|line| listening_inode(line, port))
            .map(str::to_owned)
    })?;
    let socket = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        // Processes have numbers; `self` would be ourselves.
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let has_it =
            |file: fs::DirEntry| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == socket.as_str());
        if files.flatten().any(has_it) {
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            return Some(format!("{} (process {pid})", name.trim()));
        }
    }
    None
}

/// A line of /proc/net/tcp: `sl local_address rem_address st ... inode`, the port in hexadecimal, state 0A = LISTEN.
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?.rsplit_once(':')?.1;
    let state = fields.nth(1)?;
    (state == "0A" && u16::from_str_radix(local, 16) == Ok(port)).then(|| fields.nth(5)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_owner() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        let ports = Ports { users: port, ..Ports::free().unwrap() };
        let line = ports.check().unwrap_err().to_string();
        assert!(line.starts_with(&format!("port {port} (users) is taken by ")), "{line}");
        if cfg!(target_os = "linux") {
            assert!(line.contains(&format!("(process {})", std::process::id())), "{line}");
        }
    }

    #[test]
    fn an_offset_has_to_leave_ports() {
        assert_eq!(Ports::usual(100).unwrap().web, 3100);
        assert_eq!(
            Ports::usual(65_000).unwrap_err().to_string(),
            "--port-offset 65000: 3000 + 65000 is no port"
        );
    }
}
