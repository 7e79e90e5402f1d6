//! Log lines: one JSON object a line, with the ids of the trace that the line belongs to.
//!
//! A line through `tracing_subscriber::fmt().json()` costs 25,000 instructions, this one about a tenth: one buffer
//! per thread, the date formatted once a second, strings escaped as they are copied.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use opentelemetry::Context as OtelContext;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceId};
use sinks::cloudwatch::{Logs, is_about_us};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::layer::{Context, Layer};

use crate::current;
use crate::errors;
use crate::propagation::traceparent::write_hex;
use crate::{Config, LogFormat, LogOutput};

/// sqlx tells what the server says under this target; query plans arrive that way, with literals in them.
pub(crate) const NOTICE_TARGET: &str = "sqlx::postgres::notice";

/// Where every event ends: it becomes a log line, and goes no further.
///
/// Below lies tracing-opentelemetry's layer, which would make a span event of it (paid for twice), and of every
/// ERROR line a failed span, also where the error was handled. So events are taken in `event_enabled`, which comes
/// before any `on_event`, and answered with "not enabled".
pub(crate) struct Events {
    service: String,
    format: LogFormat,
    /// A terminal shows them; a file or a pipe would keep their bytes.
    colours: bool,
    output: LogOutput,
    /// CloudWatch Logs: the JSON line, whatever the output's look.
    logs: Option<Logs>,
}

impl Events {
    pub(crate) fn new(config: &Config, logs: Option<Logs>) -> Self {
        Self {
            service: config.service_name.clone(),
            format: config.log.format,
            colours: matches!(config.log.output, LogOutput::Stdout) && std::io::stdout().is_terminal(),
            output: config.log.output.clone(),
            logs,
        }
    }
}

impl<S: Subscriber> Layer<S> for Events {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        // Records of the `log` crate (actix writes those) come under one target; this finds their own.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let target = metadata.target();
        // The SDK speaks while its context cell is borrowed (reading it then panics), and it calls data lost that
        // our queue still holds: what became of a batch is told by delivery.
        if target.starts_with("opentelemetry") {
            return false;
        }
        if target == NOTICE_TARGET {
            crate::postgres::plan::notice(event);
            return false;
        }
        let line = Line { event, metadata, service: &self.service, ids: Ids::current() };
        errors::line(event, metadata, line.ids.trace, line.ids.span);
        BUFFER.with(|buffer| match buffer.try_borrow_mut() {
            Ok(mut buffer) => self.write(&line, &mut buffer),
            // A value that panicked while it was written: the panic is told, in the middle of that line.
            Err(_) => self.write(&line, &mut String::new()),
        });
        false
    }
}

impl Events {
    fn write(&self, line: &Line<'_>, buffer: &mut String) {
        buffer.clear();
        if self.format == LogFormat::Json || self.logs.is_some() {
            let now = line.json(buffer);
            if let Some(logs) = &self.logs
                && !is_about_us(line.metadata.target(), buffer)
            {
                logs.write(now.as_millis() as i64, buffer.trim_end());
            }
        }
        if self.format == LogFormat::Pretty {
            buffer.clear();
            line.pretty(buffer, self.colours);
        }
        match &self.output {
            LogOutput::Lines(write) => write(buffer),
            // Nobody is left to be told that standard output is closed.
            LogOutput::Stdout => drop(std::io::stdout().lock().write_all(buffer.as_bytes())),
        }
    }
}

thread_local! {
    static BUFFER: RefCell<String> = RefCell::new(String::with_capacity(1_024));
    static CLOCK: RefCell<Clock> = const { RefCell::new(Clock { second: u64::MAX, text: String::new() }) };
}

/// The ids of the current trace, copied out.
struct Ids {
    trace: Option<TraceId>,
    /// None in an unsampled request: the id at hand is the caller's span, which knows nothing of this line.
    span: Option<SpanId>,
}

impl Ids {
    fn current() -> Self {
        let of = |span: &SpanContext| Self {
            trace: span.is_valid().then(|| span.trace_id()),
            span: (span.is_valid() && span.is_sampled() && !span.is_remote()).then(|| span.span_id()),
        };
        OtelContext::map_current(|cx| of(cx.span().span_context()))
    }
}

struct Line<'a> {
    event: &'a Event<'a>,
    metadata: &'a Metadata<'a>,
    service: &'a str,
    ids: Ids,
}

impl Line<'_> {
    /// Gives the line's time, since 1970.
    fn json(&self, out: &mut String) -> Duration {
        let metadata = self.metadata;
        out.push_str("{\"timestamp\":\"");
        let now = timestamp(out);
        out.push_str("\",\"level\":\"");
        out.push_str(metadata.level().as_str());
        out.push_str("\",\"service\":");
        string(out, self.service);
        out.push_str(",\"target\":");
        string(out, metadata.target());
        if let Some(trace) = self.ids.trace {
            let mut digits = [0; 32];
            let trace = hex(&trace.to_bytes(), &mut digits);
            out.extend([",\"trace_id\":\"", trace, "\""]);
            if let Some(span) = self.ids.span {
                out.extend([",\"span_id\":\"", hex(&span.to_bytes(), &mut [0; 32]), "\""]);
            }
            // X-Ray's spelling of the same id.
            let (epoch, random) = trace.split_at(8);
            out.extend([",\"xray_trace_id\":\"1-", epoch, "-", random, "\""]);
        }
        current::with_server(|request| {
            let Some(request) = request else { return };
            out.extend([",\"request_id\":\"", hex(&request.request_id.to_bytes(), &mut [0; 32]), "\""]);
            if let Some(route) = request.route() {
                out.push_str(",\"route\":");
                string(out, route);
            }
            if let Some(user) = &*request.user.borrow() {
                out.push_str(",\"user_id\":");
                string(out, &user.id);
            }
        });
        self.event.record(&mut JsonFields(out));
        out.push_str("}\n");
        now
    }

    fn pretty(&self, out: &mut String, colours: bool) {
        let metadata = self.metadata;
        timestamp(out);
        let colour = match *metadata.level() {
            Level::ERROR => "\x1b[31m",
            Level::WARN => "\x1b[33m",
            Level::INFO => "\x1b[32m",
            _ => "\x1b[34m",
        };
        let (colour, dim, plain) = if colours { (colour, "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
        let _ = write!(out, " {colour}{:>5}{plain} {dim}{}{plain}", metadata.level(), self.service);
        self.event.record(&mut PrettyFields(out));
        if let Some(trace) = self.ids.trace {
            let _ = write!(out, " {dim}trace={trace}{plain}");
        }
        out.push('\n');
    }
}

/// Fields under their own names. Those that we write ourselves cannot be overwritten by an event's.
struct JsonFields<'a>(&'a mut String);

impl JsonFields<'_> {
    fn key(&mut self, field: &Field) {
        const OURS: [&str; 10] = [
            "timestamp",
            "level",
            "service",
            "target",
            "trace_id",
            "span_id",
            "xray_trace_id",
            "request_id",
            "route",
            "user_id",
        ];
        let out = &mut *self.0;
        out.push(',');
        out.push('"');
        if OURS.contains(&field.name()) {
            out.push_str("field.");
        }
        escape(out, field.name());
        out.push_str("\":");
    }
}

impl Visit for JsonFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if is_of_log_crate(field) {
            return;
        }
        self.key(field);
        self.0.push('"');
        let _ = write!(Escaped(self.0), "{value:?}");
        self.0.push('"');
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if is_of_log_crate(field) {
            return;
        }
        self.key(field);
        string(self.0, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.key(field);
        self.0.push_str(itoa::Buffer::new().format(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if is_of_log_crate(field) {
            return;
        }
        self.key(field);
        self.0.push_str(itoa::Buffer::new().format(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.key(field);
        self.0.push_str(if value { "true" } else { "false" });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.key(field);
        // JSON has no word for infinity or not-a-number.
        let _ = if value.is_finite() { write!(self.0, "{value}") } else { write!(self.0, "\"{value}\"") };
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.key(field);
        self.0.push('"');
        let _ = write!(Escaped(self.0), "{value}");
        let mut source = value.source();
        while let Some(cause) = source {
            let _ = write!(Escaped(self.0), ": {cause}");
            source = cause.source();
        }
        self.0.push('"');
    }
}

/// Where a `log` record came from: its target is the line's, file and line are nobody's.
fn is_of_log_crate(field: &Field) -> bool {
    field.name().starts_with("log.")
}

struct PrettyFields<'a>(&'a mut String);

impl Visit for PrettyFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if is_of_log_crate(field) {
            return;
        }
        // A line is a line: what strangers sent must not draw others, or colours. Debug escapes by itself.
        let _ = match field.name() {
            "message" => write!(OneLine(self.0), " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// Lets no control character through.
struct OneLine<'a>(&'a mut String);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() { self.0.extend(c.escape_default()) } else { self.0.push(c) }
        }
        Ok(())
    }
}

/// Escapes what is written through it for the inside of a JSON string.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    escape(out, text);
    out.push('"');
}

/// An id's digits, on the stack: formatted, the three ids would cost more than the rest of the line.
fn hex<'a>(id: &[u8], digits: &'a mut [u8; 32]) -> &'a str {
    let digits = &mut digits[..2 * id.len()];
    write_hex(id, digits);
    std::str::from_utf8(digits).unwrap_or_default()
}

#[allow(
    clippy::needless_bitwise_bool,
    reason = "`&&` costs 500 instructions more a line: it is not vectorised"
)]
fn escape(out: &mut String, text: &str) {
    // Most texts are plain. Asked without a way out in the middle, the question takes 16 bytes at a time.
    if text.bytes().fold(true, |plain, b| plain & (b >= 0x20 && b != b'"' && b != b'\\' && b != 0x7f)) {
        return out.push_str(text);
    }
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 | 0x7f => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        plain = at + 1;
        if short.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(short);
        }
    }
    out.push_str(&text[plain..]);
}

/// `2026-11-21T07:43:08`, formatted once a second.
struct Clock {
    second: u64,
    text: String,
}

/// RFC 3339 in UTC with microseconds.
fn timestamp(out: &mut String) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    CLOCK.with_borrow_mut(|clock| {
        if clock.second != now.as_secs() {
            clock.second = now.as_secs();
            let date = DateTime::from_timestamp(now.as_secs() as i64, 0).unwrap_or_default();
            clock.text = date.format("%Y-%m-%dT%H:%M:%S").to_string();
        }
        out.push_str(&clock.text);
    });
    let micros = now.subsec_micros();
    let digits: [u8; 6] = std::array::from_fn(|i| b'0' + (micros / 10_u32.pow(5 - i as u32) % 10) as u8);
    out.push('.');
    out.extend(digits.map(char::from));
    out.push('Z');
    now
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    /// What `f` logs, without the time.
    fn logged(format: LogFormat, f: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(String::new()));
        let output = {
            let lines = Arc::clone(&lines);
            LogOutput::Lines(Arc::new(move |line: &str| lines.lock().unwrap().push_str(line)))
        };
        let events = Events { service: "test".to_owned(), format, colours: false, output, logs: None };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(events), f);
        let lines = lines.lock().unwrap();
        let timeless = lines.lines().map(|line| line.split_once('Z').map_or(line, |(_, rest)| rest));
        timeless.flat_map(|line| [line, "\n"]).collect()
    }

    #[test]
    fn for_people() {
        let text = logged(LogFormat::Pretty, || {
            tracing::info!(n = 1, who = "Ana \"\x1b[31m\"", "said {:?}", "hi");
            tracing::error!("two\nlines");
        });
        assert_eq!(
            text,
            "  INFO test said \"hi\" n=1 who=\"Ana \\\"\\u{1b}[31m\\\"\"\n ERROR test two\\nlines\n"
        );
    }

    #[test]
    fn for_machines() {
        let text = logged(LogFormat::Json, || tracing::info!(target: "here", n = 1, "said"));
        let expect = r#"","level":"INFO","service":"test","target":"here","message":"said","n":1}"#;
        assert_eq!(text, format!("{expect}\n"));
    }

    #[test]
    fn json_escapes() {
        let check = |text: &str, expect: &str| {
            let mut out = String::new();
            escape(&mut out, text);
            assert_eq!(out, expect);
        };
        check("", "");
        check("plain é", "plain é");
        check("say \"hi\"", "say \\\"hi\\\"");
        check("a\\b\n\r\t", "a\\\\b\\n\\r\\t");
        check("\u{1b}[31m\u{7f}", "\\u001b[31m\\u007f");
    }
}
