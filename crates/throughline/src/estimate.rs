//! `throughline estimate`: what a rate of requests comes to in a month, before the bill says so.
//!
//! The counts are arithmetic on numbers that can be measured here (`throughline trace`, `/api/stats`). Prices are the caller's to
//! give: lists change, and a discount is nobody's business but its owner's.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

/// 365.25 days in twelve parts.
const SECONDS_A_MONTH: f64 = 2_629_800.0;
const GB: f64 = 1e9;
/// PutLogEvents counts 26 bytes with each event (CloudWatch Logs API reference).
const LOG_EVENT_OVERHEAD: f64 = 26.0;

#[derive(Args)]
pub(crate) struct Options {
    /// Requests a second from browsers, on average over the month
    #[arg(short, long, default_value_t = 20.0)]
    rate: f64,
    /// Part of the requests that is sampled: 1 is all of them
    #[arg(short, long, default_value_t = 0.05)]
    sampled: f64,
    /// Spans of a sampled request. The home feed has 19 with its plan nodes, 11 without
    #[arg(long, default_value_t = 19.0)]
    spans_per_request: f64,
    /// Bytes of a span as OTLP in protobuf, before compression
    #[arg(long, default_value_t = 550.0)]
    bytes_per_span: f64,
    /// Log lines of a request, sampled or not
    #[arg(long, default_value_t = 1.0)]
    lines_per_request: f64,
    /// Bytes of a log line
    #[arg(long, default_value_t = 400.0)]
    bytes_per_line: f64,
    /// Part of the requests that fail and become Rollbar items, before the rate limit of a fingerprint
    #[arg(long, default_value_t = 0.001)]
    failing: f64,
    /// Price of a million Honeycomb events (a span is an event, and so is a span event)
    #[arg(long)]
    honeycomb_per_million: Option<f64>,
    /// Price of a million traces that X-Ray records
    #[arg(long)]
    xray_per_million: Option<f64>,
    /// Price of a gigabyte that CloudWatch Logs takes in
    #[arg(long)]
    logs_per_gb: Option<f64>,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// A month of it.
#[derive(Debug, PartialEq)]
struct Month {
    requests: f64,
    traces: f64,
    spans: f64,
    span_gb: f64,
    log_lines: f64,
    log_gb: f64,
    items: f64,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    if let Err(problem) = check(options) {
        crate::complain(format_args!("throughline estimate: {problem}"));
        return ExitCode::FAILURE;
    }
    let month = month(options);
    let text = if options.json { format!("{}\n", to_json(options, &month)) } else { table(options, &month) };
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn check(options: &Options) -> Result<(), String> {
    for (name, value) in [("--sampled", options.sampled), ("--failing", options.failing)] {
        if !(0.0..=1.0).contains(&value) {
            return Err(format!("{name}={value} is not between 0 and 1"));
        }
    }
    let counts = [
        ("--rate", options.rate),
        ("--spans-per-request", options.spans_per_request),
        ("--bytes-per-span", options.bytes_per_span),
        ("--lines-per-request", options.lines_per_request),
        ("--bytes-per-line", options.bytes_per_line),
    ];
    match counts.into_iter().find(|(_, value)| !value.is_finite() || *value < 0.0) {
        Some((name, value)) => Err(format!("{name}={value} is not a number of 0 or more")),
        None => Ok(()),
    }
}

fn month(options: &Options) -> Month {
    let requests = options.rate * SECONDS_A_MONTH;
    let traces = requests * options.sampled;
    let spans = traces * options.spans_per_request;
    let log_lines = requests * options.lines_per_request;
    Month {
        requests,
        traces,
        spans,
        span_gb: spans * options.bytes_per_span / GB,
        log_lines,
        log_gb: log_lines * (options.bytes_per_line + LOG_EVENT_OVERHEAD) / GB,
        items: requests * options.failing,
    }
}

/// What each vendor asks, where the price is known.
fn costs(options: &Options, month: &Month) -> [(&'static str, Option<f64>); 3] {
    [
        ("Honeycomb", options.honeycomb_per_million.map(|price| month.spans / 1e6 * price)),
        ("X-Ray", options.xray_per_million.map(|price| month.traces / 1e6 * price)),
        ("CloudWatch Logs", options.logs_per_gb.map(|price| month.log_gb * price)),
    ]
}

fn table(options: &Options, month: &Month) -> String {
    let mut text = format!(
        "a month of {} requests/s, {} % sampled\n\n",
        options.rate,
        (options.sampled * 1e4).round() / 100.0
    );
    let rows = [
        ("requests", count(month.requests), ""),
        ("traces", count(month.traces), "X-Ray counts these"),
        ("spans", count(month.spans), "Honeycomb counts these as events"),
        ("spans, GB", format!("{:.1}", month.span_gb), "OTLP, before compression"),
        ("log lines", count(month.log_lines), ""),
        (
            "logs, GB",
            format!("{:.1}", month.log_gb),
            "CloudWatch Logs counts these, 26 bytes an event with them",
        ),
        ("errors", count(month.items), "Rollbar items at most; a storm is limited per fingerprint"),
    ];
    for (name, value, note) in rows {
        let _ = writeln!(text, "{name:16} {value:>10}  {note}");
    }
    let known: Vec<_> =
        costs(options, month).into_iter().filter_map(|(name, cost)| Some((name, cost?))).collect();
    if known.is_empty() {
        text.push_str(
            "\nwith --honeycomb-per-million, --xray-per-million and --logs-per-gb it says what that costs\n",
        );
    } else {
        text.push('\n');
    }
    for (name, cost) in known {
        let _ = writeln!(text, "{name:16} {cost:>10.2}  in the currency of the price");
    }
    text
}

fn to_json(options: &Options, month: &Month) -> Value {
    let costs: serde_json::Map<_, _> =
        costs(options, month).into_iter().map(|(name, cost)| (name.to_owned(), json!(cost))).collect();
    json!({
        "requests": month.requests, "traces": month.traces, "spans": month.spans, "span_gb": month.span_gb,
        "log_lines": month.log_lines, "log_gb": month.log_gb, "rollbar_items": month.items, "costs": costs,
    })
}

fn count(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.2} G", v / 1e9),
        v if v >= 1e6 => format!("{:.1} M", v / 1e6),
        v if v >= 1e3 => format!("{:.1} k", v / 1e3),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn of(arguments: &[&str]) -> Options {
        Cli::parse_from([&["estimate"], arguments].concat()).options
    }

    #[test]
    fn a_month_is_counted() {
        let options = of(&["--rate=10", "--sampled=0.1", "--spans-per-request=20", "--bytes-per-span=500"]);
        let month = month(&options);
        assert_eq!((month.requests, month.traces, month.spans), (26_298_000.0, 2_629_800.0, 52_596_000.0));
        assert!((month.span_gb - 26.298).abs() < 1e-9 && (month.log_gb - 11.202_948).abs() < 1e-9);
    }

    #[test]
    fn prices_are_the_callers() {
        let options = of(&["--rate=10", "--sampled=1", "--xray-per-million=5"]);
        let [honeycomb, xray, _] = costs(&options, &month(&options));
        assert_eq!((honeycomb.1, xray.1.map(f64::round)), (None, Some(131.0)));
    }

    #[test]
    fn bad_numbers_are_told() {
        assert!(check(&of(&["--sampled=5"])).is_err() && check(&of(&["--rate=-1"])).is_err());
        assert!(check(&of(&[])).is_ok());
    }
}
