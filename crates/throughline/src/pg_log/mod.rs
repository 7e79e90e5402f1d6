//! `throughline pg-log`: a Postgres server's own log as spans, for what no client hears of. `docs/pg-log.md` tells how.
//!
//! [`tail`] gives whole lines over rotations, `pg_plan::log` makes spans of them, `telemetry` sends those.

mod state;
mod tail;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use env::{ConfigError, Env};
use pg_plan::log::{Counts, Log, LogSpan};

use self::state::State;
use self::tail::{Line, Tail};

/// How often the end of the file is looked at.
const POLL: Duration = Duration::from_millis(100);
/// How often the place is written down while lines come, and how long at a time it waits for their spans to leave. A
/// reader that was killed tells again what it told since.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How often the counters are told while lines come.
const SUMMARY_EVERY: Duration = Duration::from_mins(1);
/// Spans that may be on their way before more of the log is read, a quarter of what telemetry's queue takes: the log
/// itself is the queue of a receiver that is away.
const MAX_UNSENT: usize = 4_096;

#[derive(Args)]
pub(crate) struct Options {
    /// The folder of the log's *.json files: `log` in the data directory, unless `log_directory` says otherwise (PG_LOG_DIR)
    #[arg(long, value_name = "FOLDER")]
    dir: Option<String>,
    /// Where to remember how far was read, for the next start; without it each start begins at the end (PG_LOG_STATE)
    #[arg(long, value_name = "FILE")]
    state: Option<String>,
    /// Where nothing is remembered, begin with the oldest line instead of the next one (PG_LOG_FROM_START)
    #[arg(long)]
    from_start: bool,
    /// Delete files that were read but for the newest N: for a log that nobody else reads (PG_LOG_KEEP)
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
}

pub(crate) struct Config {
    dir: PathBuf,
    state: Option<PathBuf>,
    from_start: bool,
    keep: Option<usize>,
}

impl Options {
    /// A flag wins over its twin in the environment.
    pub(crate) fn apply(self, mut env: Env) -> Env {
        let flags = [
            ("PG_LOG_DIR", self.dir),
            ("PG_LOG_STATE", self.state),
            ("PG_LOG_FROM_START", self.from_start.then(|| "true".to_owned())),
            ("PG_LOG_KEEP", self.keep.map(|keep| keep.to_string())),
        ];
        for (name, value) in flags {
            if let Some(value) = value {
                env = env.with(name, value);
            }
        }
        env
    }
}

impl Config {
    pub(crate) fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let keep: usize = env.parse_or("PG_LOG_KEEP", usize::MAX, "2")?;
        Ok(Self {
            dir: env.require("PG_LOG_DIR", "/var/lib/postgresql/15/main/log")?,
            state: env.get("PG_LOG_STATE").map(PathBuf::from),
            from_start: env.parse_or("PG_LOG_FROM_START", false, "true")?,
            keep: (keep < usize::MAX).then_some(keep),
        })
    }
}

/// Follows the log until `stop` says so or is gone.
pub(crate) fn run(config: &Config, stop: &Receiver<()>) -> anyhow::Result<()> {
    let mut reader = Reader::open(config)?;
    tracing::info!(folder = %config.dir.display(), at = %reader.tail.place(), "reading the server's log");
    let (mut spans, mut unsent) = (Vec::new(), 0);
    let (mut saved, mut summary) = (Instant::now(), Instant::now());
    let mut told = Counts::default();
    loop {
        // What came before a stop is read, but for what would have to wait.
        let stopped = !matches!(stop.recv_timeout(reader.pause()), Err(RecvTimeoutError::Timeout));
        while unsent < MAX_UNSENT {
            let more = reader.read(&mut spans)?;
            unsent += spans.iter().map(|span| 1 + span.below.len()).sum::<usize>();
            spans.drain(..).for_each(telemetry::pg_log::tell);
            if !more {
                break;
            }
        }
        if stopped {
            reader.log.flush(&mut spans);
            spans.drain(..).for_each(telemetry::pg_log::tell);
        }
        let due = stopped || unsent >= MAX_UNSENT || saved.elapsed() >= SAVE_EVERY;
        if due && (reader.unsaved || unsent > 0) && telemetry::pg_log::sent(SAVE_EVERY) {
            reader.save()?;
            (saved, unsent) = (Instant::now(), 0);
        }
        if stopped {
            summarise(&reader.log.counts(), &told);
            return Ok(());
        }
        if summary.elapsed() >= SUMMARY_EVERY || reader.log.counts().missing > told.missing {
            summarise(&reader.log.counts(), &told);
            (told, summary) = (reader.log.counts(), Instant::now());
        }
    }
}

/// Lines in, spans out.
struct Reader {
    tail: Tail,
    log: Log,
    state: Option<PathBuf>,
    /// Lines were read since the place was written down.
    unsaved: bool,
    /// The last look found nothing.
    quiet: bool,
}

impl Reader {
    fn open(config: &Config) -> anyhow::Result<Self> {
        let State { place, log } = match &config.state {
            Some(path) => State::read(path)?,
            None => State::default(),
        };
        let tail = Tail::open(&config.dir, place, config.from_start, config.keep)?;
        Ok(Self { tail, log, state: config.state.clone(), unsaved: false, quiet: true })
    }

    /// Reads a piece; false at the end of what is there.
    fn read(&mut self, spans: &mut Vec<LogSpan>) -> anyhow::Result<bool> {
        let mut lines = 0;
        let more = self.tail.read(|line| {
            lines += 1;
            match line {
                Line::Whole(line) => self.log.line(line, spans),
                Line::TooLong => self.log.too_long(),
            }
        });
        let more = more.context("reading the server's log")?;
        self.unsaved |= lines > 0;
        self.quiet = lines == 0 && !more;
        if self.quiet {
            self.log.flush(spans);
        }
        Ok(more)
    }

    fn pause(&self) -> Duration {
        if self.quiet { POLL } else { POLL / 10 }
    }

    fn save(&mut self) -> anyhow::Result<()> {
        self.unsaved = false;
        match &self.state {
            Some(path) => State::write(path, &self.tail.place(), &self.log),
            None => Ok(()),
        }
    }
}

fn summarise(counts: &Counts, before: &Counts) {
    if counts == before {
        return;
    }
    if counts.missing > before.missing || counts.unreadable > before.unreadable {
        tracing::warn!(
            missing = counts.missing,
            unreadable = counts.unreadable,
            "the server's log has gaps: lines that it wrote and that could not be read"
        );
    }
    tracing::info!(
        lines = counts.lines,
        told = counts.told,
        in_band = counts.in_band,
        unsampled = counts.unsampled,
        ignored = counts.ignored,
        repeated = counts.repeated,
        unreadable = counts.unreadable,
        missing = counts.missing,
        spans = counts.spans,
        "the server's log"
    );
}
