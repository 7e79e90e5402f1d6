//! `kill -9` in the middle of ingest: what was answered with 200 is there when the console comes back.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use console::{Application, Config};
use env::Env;
use prost::Message;
use serde_json::Value;

use crate::support::{Answer, TempDir, export, request, span, text, trace_path};

const KILLS: usize = 20;
/// Enough that a kill finds requests in the queue, in the transaction and between commit and answer.
const SENDERS: usize = 4;
const SPANS_PER_TRACE: u64 = 10;
/// The folder of the child's store.
const FOLDER: &str = "CONSOLE_TEST_FOLDER";

/// A console in a process of its own.
struct Process {
    child: Child,
    web: u16,
    otlp: u16,
    /// The child ends when it closes: by itself, should this test die.
    _stdin: ChildStdin,
}

/// Run in a process of its own by the test below, which kills it.
#[test]
fn console_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let env = Env::from_pairs([
        ("LISTEN", "127.0.0.1:0"),
        ("CONSOLE_OTLP_HTTP", "127.0.0.1:0"),
        ("CONSOLE_OTLP_GRPC", "127.0.0.1:0"),
        ("CONSOLE_XRAY_DAEMON", "127.0.0.1:0"),
        ("CONSOLE_DATA_DIR", folder.to_str().unwrap()),
    ]);
    actix_web::rt::System::new().block_on(async {
        let application = Application::build(Config::from_env(&env).unwrap()).await.unwrap();
        let ports = application.ports();
        // The test harness has begun a line of its own.
        writeln!(std::io::stdout(), "\nPORTS {} {}", ports.web, ports.otlp_http).unwrap();
        application.run().await.unwrap();
    });
}

#[test]
fn every_acknowledged_span_survives_twenty_kills() {
    let dir = TempDir::new();
    let mut acknowledged = BTreeSet::new();
    let mut next_trace = 1;
    for kill in 0..KILLS {
        let console = Process::start(dir.path());
        console.holds(&acknowledged);
        // Later each time, so that the kills find the write-ahead log in all lengths.
        let (before, known) = (5 + kill * 7, acknowledged.len());
        let (answered, answers) = mpsc::channel();
        let senders: Vec<_> = (0..SENDERS as u128)
            .map(|sender| {
                let (answered, otlp) = (answered.clone(), console.otlp);
                thread::spawn(move || send_until_killed(otlp, next_trace + sender, &answered))
            })
            .collect();
        drop(answered);
        acknowledged.extend(answers.iter().take(before));
        console.kill();
        // Those that were answered before the kill, but not heard of until after it.
        acknowledged.extend(answers);
        let sent = senders.into_iter().map(|sender| sender.join().unwrap()).max().unwrap();
        assert!(acknowledged.len() >= known + before, "killed while it was busy");
        next_trace += sent * SENDERS as u128;
    }
    let console = Process::start(dir.path());
    console.holds(&acknowledged);
    // What was not acknowledged is there whole or not at all.
    for trace in (1..next_trace).filter(|trace| !acknowledged.contains(trace)) {
        let answer = console.get(&trace_path(trace));
        assert!(answer.status == 404 || answer.json()["span_count"] == SPANS_PER_TRACE, "{}", answer.text());
    }
    console.kill();
    let database = rusqlite::Connection::open(dir.path().join("traces.db")).unwrap();
    let verdict: String = database.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

/// Traces `first`, `first + SENDERS`, .. over one connection until it breaks. Tells of each that is answered with 200;
/// gives how many were sent.
fn send_until_killed(otlp: u16, first: u128, answered: &mpsc::Sender<u128>) -> u128 {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", otlp)) else { return 0 };
    stream.set_nodelay(true).unwrap();
    for sent in 0.. {
        let trace = first + sent * SENDERS as u128;
        let spans = (1..=SPANS_PER_TRACE).map(|id| {
            let mut span = span(trace, id, id - 1, "work", id, 1);
            span.attributes = vec![text("ballast", &"x".repeat(200))];
            span
        });
        let body = export("crash", spans.collect()).encode_to_vec();
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut answer = [0; 1024];
        let read = stream
            .write_all(&[head.as_bytes(), &body].concat())
            .and_then(|()| stream.read(&mut answer))
            .unwrap_or(0);
        if !answer[..read].starts_with(b"HTTP/1.1 200 ") {
            // A 503 is no failure of this test, but it would mean that the console was not busy with writing.
            assert!(!answer[..read].starts_with(b"HTTP/1.1"), "{}", String::from_utf8_lossy(&answer[..read]));
            return sent + 1;
        }
        answered.send(trace).unwrap();
    }
    unreachable!("the console is killed")
}

impl Process {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::console_that_is_killed", "--nocapture"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.starts_with("PORTS ")).expect("the console starts");
        let mut ports = line.split(' ').skip(1).map(|port| port.parse().unwrap());
        let (web, otlp) = (ports.next().unwrap(), ports.next().unwrap());
        Self { _stdin: child.stdin.take().unwrap(), child, web, otlp }
    }

    fn get(&self, path: &str) -> Answer {
        request(self.web, "GET", path, &[], b"")
    }

    /// By the list, page by page, since it is a row of its own that a crash could tear from the spans; and by the count
    /// of all spans.
    fn holds(&self, traces: &BTreeSet<u128>) {
        let mut missing = traces.clone();
        let (mut spans, mut before) = (0, String::new());
        loop {
            let page = self.get(&format!("/api/traces?limit=1000&before={before}")).json();
            for trace in page["traces"].as_array().unwrap() {
                let id = u128::from_str_radix(trace["trace_id"].as_str().unwrap(), 16).unwrap();
                assert_eq!(trace["span_count"], SPANS_PER_TRACE, "{id}");
                spans += SPANS_PER_TRACE;
                missing.remove(&id);
            }
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut before),
                None => break,
            }
        }
        assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
        assert_eq!(self.get("/api/stats").json()["spans"], Value::from(spans));
        // The newest is read whole.
        if let Some(newest) = traces.last() {
            let trace = self.get(&trace_path(*newest)).json();
            assert_eq!(trace["spans"].as_array().unwrap().len() as u64, SPANS_PER_TRACE);
        }
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
