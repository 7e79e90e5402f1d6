//! What `up` says while it works: spinners on a terminal, plain lines elsewhere. All of it on standard error.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);

pub(crate) struct Progress {
    started: Instant,
    /// `None` when standard error is no terminal.
    bars: Option<MultiProgress>,
}

/// One thing that takes a while.
pub(crate) struct Step<'a> {
    progress: &'a Progress,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { started: Instant::now(), bars }
    }

    /// Begins a step; a plain log gets a line at its end only, and for a `slow` one at its beginning too.
    pub(crate) fn step(&self, what: &str, slow: bool) -> Step<'_> {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("the template is ours"));
            bar.set_message(format!("{what} ..."));
            bar.enable_steady_tick(TICK);
            bar
        });
        if slow && bar.is_none() {
            self.line(&format!("{what} ..."));
        }
        Step { progress: self, bar }
    }

    pub(crate) fn line(&self, text: &str) {
        let line = format!("{:6.1} s  {text}", self.started.elapsed().as_secs_f64());
        match &self.bars {
            // Above the spinners; an error means that the terminal is gone.
            Some(bars) => drop(bars.println(line)),
            None => crate::complain(format_args!("{line}")),
        }
    }

    /// Takes the spinners of unfinished steps away.
    pub(crate) fn clear(&self) {
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
        }
    }
}

impl Step<'_> {
    pub(crate) fn done(self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.progress.line(what);
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
