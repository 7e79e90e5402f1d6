//! A receiver on a real socket that answers by a plan. It stands in for a vendor's cloud, which a test cannot reach.
//! (The tests of `sinks` use this file too.)

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the receiver does with its nth request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: &'static [(&'static str, &'static str)],
        body: Vec<u8>,
    },
    /// Closes the connection without an answer. The request has been read.
    Reset,
    /// Answers well, but from so far away.
    After(Duration),
    /// Never answers, until the receiver is dropped.
    Silence,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Receiver {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    closed: Arc<AtomicBool>,
}

impl Reply {
    pub(crate) fn ok() -> Self {
        Self::status(200)
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Answer { status, headers: &[], body: Vec::new() }
    }
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

impl Receiver {
    /// `plan` gets the number of the request, from 0, and the request.
    pub(crate) fn start(plan: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), plan)
    }

    pub(crate) fn start_at(
        address: SocketAddr,
        plan: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            closed: Arc::default(),
        };
        let (requests, closed, plan) =
            (Arc::clone(&receiver.requests), Arc::clone(&receiver.closed), Arc::new(plan));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                let (requests, plan) = (Arc::clone(&requests), Arc::clone(&plan));
                let closed = Arc::clone(&closed);
                // A connection that ends early is the sender's right.
                thread::spawn(move || serve(&stream?, &requests, &*plan, &closed));
            }
        });
        receiver
    }

    /// An address where nobody listens.
    pub(crate) fn nowhere() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        let _wake = TcpStream::connect(self.address);
    }
}

fn serve(
    stream: &TcpStream,
    requests: &Mutex<Vec<Request>>,
    plan: &dyn Fn(usize, &Request) -> Reply,
    closed: &AtomicBool,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let number = {
            let mut requests = requests.lock().unwrap();
            requests.push(request.clone());
            requests.len() - 1
        };
        let (status, headers, body) = match plan(number, &request) {
            Reply::Answer { status, headers, body } => (status, headers, body),
            Reply::Reset => return Ok(()),
            Reply::After(distance) => {
                // Not a test that waits: this is how far away the receiver is.
                thread::sleep(distance);
                (200, [].as_slice(), Vec::new())
            }
            Reply::Silence => {
                while !closed.load(Ordering::SeqCst) {
                    thread::park_timeout(Duration::from_millis(20));
                }
                return Ok(());
            }
        };
        let mut answer = Vec::new();
        write!(answer, "HTTP/1.1 {status} Planned\r\ncontent-length: {}\r\n", body.len())?;
        for (name, value) in headers {
            write!(answer, "{name}: {value}\r\n")?;
        }
        answer.extend([b"\r\n", &body[..]].concat());
        let mut stream = stream;
        stream.write_all(&answer)?;
    }
    Ok(())
}

fn read(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { path, headers, body: Vec::new() };
    let length = request.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}
