//! `throughline load`: requests as a crowd makes them. They arrive when they arrive, whether or not the system has answered the
//! ones before (an open model), so a system that stalls is charged for everyone who waited meanwhile.
//!
//! `rlt` runs the workers and reports; it calls each as soon as it is free, and each waits here for its arrival. Latency counts
//! from the arrival, not from the sending: where no worker was free, the wait is in it ("coordinated omission" leaves it out).

mod client;
mod people;
mod report;
mod schedule;

use std::io::IsTerminal as _;
use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Parser as _};
use rlt::cli::BenchCli;
use rlt::{IterInfo, IterReport, StatelessBenchSuite, Status};
use tokio::time::{Instant, sleep_until};

use self::client::{Client, Reply};
use self::people::People;
use self::report::Report;
use self::schedule::Arrival;

const DEFAULT_URL: &str = "http://127.0.0.1:3000";
/// A worker that begins so long after the arrival was not free: the load generator is the bottleneck.
const LATE: Duration = Duration::from_millis(20);
/// A day at 1,000 a second: the schedule is kept in memory, 16 bytes an arrival.
const MAX_REQUESTS: f64 = 86_400_000.0;

#[derive(Args)]
pub(crate) struct Options {
    /// Where the system is: the frontend-proxy, or the gateway
    #[arg(default_value = DEFAULT_URL)]
    url: String,
    /// Requests a second, on average; they come at random (a Poisson process)
    #[arg(short, long, default_value_t = 20.0)]
    rate: f64,
    /// How long: 30s, 5m, 1h
    #[arg(short, long, default_value = "30s", value_parser = duration)]
    duration: Duration,
    /// Accounts that sign in and write; made when they do not exist
    #[arg(short, long, default_value = "10")]
    users: NonZeroUsize,
    /// The same seed makes the same requests at the same times
    #[arg(short, long, default_value_t = 1)]
    seed: u64,
    /// Requests in flight at most
    #[arg(short, long, default_value = "256")]
    concurrency: NonZeroU32,
    /// Print the report only
    #[arg(short, long)]
    quiet: bool,
    /// The report as JSON, for programs
    #[arg(long)]
    json: bool,
    /// How many of the slowest are listed with their traces
    #[arg(long, default_value_t = 10)]
    slowest: usize,
}

/// What the workers share.
struct Run {
    client: Client,
    people: People,
    arrivals: Vec<Arrival>,
    begun: OnceLock<Instant>,
    late: AtomicU64,
    report: Report,
}

#[derive(Clone)]
struct Suite(Arc<Run>);

pub(crate) fn run(options: &Options) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(load(options)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::complain(format_args!("throughline load: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn load(options: &Options) -> anyhow::Result<()> {
    ensure!(options.rate.is_finite() && options.rate > 0.0, "--rate is a number above 0, for example 20");
    let expected = options.rate * options.duration.as_secs_f64();
    ensure!((1.0..=MAX_REQUESTS).contains(&expected), "--rate times --duration is {expected:.0} requests");
    let client = Client::new(&options.url)?;
    let people = People::gather(&client, options.users.get(), options.seed).await.with_context(|| {
        format!("{} cannot be used; is the system running? `throughline up` starts one", options.url)
    })?;
    let arrivals = schedule::arrivals(options.seed, options.rate, options.duration, people.len());
    ensure!(!arrivals.is_empty(), "nobody comes in so short a time");
    let requests = arrivals.len();
    let run = Arc::new(Run {
        client,
        people,
        arrivals,
        begun: OnceLock::new(),
        late: AtomicU64::new(0),
        report: Report::new(options.slowest),
    });
    // Its screen for people; where standard output is a file or a pipe, a line a second.
    let has_screen = !options.quiet && !options.json && std::io::stdout().is_terminal();
    let progress = (!options.quiet && !has_screen).then(|| tokio::spawn(progress(Arc::clone(&run))));
    // Of rlt's report we print our own reading, which knows actions and traces: its text goes nowhere.
    let cli = BenchCli::try_parse_from([
        "load",
        if has_screen { "--collector=tui" } else { "--collector=silent" },
        "--output-file=/dev/null",
        &format!(
            "--concurrency={}",
            options.concurrency.min(NonZeroU32::new(requests as u32).unwrap_or(NonZeroU32::MIN))
        ),
        &format!("--iterations={requests}"),
    ])?;
    rlt::cli::run(cli, Suite(Arc::clone(&run))).await?;
    if let Some(progress) = progress {
        progress.abort();
    }
    let elapsed = run.begun.get().map_or(Duration::ZERO, Instant::elapsed);
    let (text, json) = run.report.summary(elapsed, requests, run.late.load(Relaxed));
    println(&if options.json { format!("{json}\n") } else { text });
    Ok(())
}

#[async_trait::async_trait]
impl StatelessBenchSuite for Suite {
    async fn bench(&mut self, info: &IterInfo) -> anyhow::Result<IterReport> {
        let run = &*self.0;
        let arrival = &run.arrivals[info.runner_seq as usize];
        let at = *run.begun.get_or_init(Instant::now) + arrival.at;
        sleep_until(at).await;
        if at.elapsed() > LATE {
            run.late.fetch_add(1, Relaxed);
        }
        let reply = run.people.act(&run.client, arrival).await;
        let took = at.elapsed();
        run.report.record(arrival.action, &reply, took);
        Ok(IterReport { duration: took, status: status(&reply), bytes: reply.bytes, items: 1 })
    }
}

fn status(reply: &Reply) -> Status {
    match reply.status {
        0 => Status::error(0),
        status @ 400..500 => Status::client_error(status.into()),
        status @ 500.. => Status::server_error(status.into()),
        status => Status::success(status.into()),
    }
}

/// A line a second, on standard error.
async fn progress(run: Arc<Run>) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.tick().await;
    loop {
        every.tick().await;
        crate::complain(format_args!("{}", run.report.line(run.arrivals.len())));
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let seconds = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err("is none of 500ms, 30s, 5m and 1h".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "is none of 500ms, 30s, 5m and 1h".to_owned())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

/// A closed pipe is nobody's problem.
fn println(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
