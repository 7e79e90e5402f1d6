//! error, fault, throttle, and the exceptions behind them.

use super::attributes::Attributes;
use super::{derived_id, stack};
use crate::limits::{MAX_EXCEPTIONS, MAX_STACK_FRAMES};
use crate::segment::{Cause, Exception, Exceptions};
use crate::span::{Event, Kind, Span, Status, Value};

/// The event that carries an exception, by the semantic conventions.
pub(super) const EXCEPTION: &str = "exception";
/// What AWS's SDK instrumentation calls a failed attempt of a call.
const HTTP_FAILURE: &str = "HTTP request failure";
const HTTP_FAILURE_TYPE: &str = "aws.http.error.event";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) error: bool,
    pub(super) fault: bool,
    pub(super) throttle: bool,
}

/// An HTTP code of 400 to 599 decides, whatever the status says; otherwise the status does. Exceptions alone decide nothing.
pub(super) fn flags(span: &Span, attributes: &Attributes) -> Flags {
    let code = attributes.int("http.response.status_code").or_else(|| attributes.int("http.status_code"));
    match code {
        Some(429) => Flags { error: true, throttle: true, fault: false },
        Some(400..=499) => Flags { error: true, ..Flags::default() },
        Some(500..=599) => Flags { fault: true, ..Flags::default() },
        _ => Flags { fault: matches!(span.status, Status::Error(_)), ..Flags::default() },
    }
}

pub(super) fn cause(span: &Span, attributes: &mut Attributes, resource: &Attributes) -> Option<Cause> {
    let aws_api = attributes.text("rpc.system") == Some("aws-api");
    let tells = |event: &&Event| event.name == EXCEPTION || (aws_api && event.name == HTTP_FAILURE);
    let mut exceptions = Vec::new();
    if span.events.iter().any(|event| tells(&event)) {
        let language = resource.text("telemetry.sdk.language").unwrap_or_default();
        for event in span.events.iter().filter(tells) {
            if event.name == EXCEPTION {
                add_exception(span, event, language, &mut exceptions);
            } else {
                exceptions.extend(http_failure(span, event, exceptions.len()));
            }
        }
    } else if let Status::Error(description) = span.status {
        let text = attributes.take_text(&["http.status_text"]);
        let message = if description.is_empty() { text? } else { description };
        exceptions.push(Exception { message: Some(message.to_owned()), ..new(span, 0) });
    } else {
        return None;
    }
    if exceptions.len() > MAX_EXCEPTIONS {
        let skipped = exceptions.len() - MAX_EXCEPTIONS;
        exceptions.truncate(MAX_EXCEPTIONS);
        if let Some(last) = exceptions.last_mut() {
            (last.skipped, last.cause) = (skipped as u64, None);
        }
    }
    Some(Cause::Here(Exceptions { exceptions, ..Exceptions::default() }))
}

/// The exception of the event, then the causes that its trace tells, each named by the one before.
fn add_exception(span: &Span, event: &Event, language: &str, exceptions: &mut Vec<Exception>) {
    let text = |key| event.get(key).and_then(Value::as_text).filter(|text| !text.is_empty());
    let trace = text("exception.stacktrace").unwrap_or_default();
    let remote = matches!(span.kind, Kind::Client | Kind::Producer);
    let first = exceptions.len();
    for (index, thrown) in stack::parse(language, trace).into_iter().enumerate() {
        let mut exception = Exception { remote, ..new(span, exceptions.len()) };
        if index == 0 {
            exception.kind = text("exception.type").map(str::to_owned);
            exception.message = text("exception.message").map(str::to_owned);
        } else {
            exception.kind = (!thrown.kind.is_empty()).then_some(thrown.kind);
            exception.message = (!thrown.message.is_empty()).then_some(thrown.message);
        }
        exception.truncated = thrown.frames.len().saturating_sub(MAX_STACK_FRAMES) as u64;
        exception.stack = thrown.frames;
        exception.stack.truncate(MAX_STACK_FRAMES);
        if index > 0 {
            let id = exception.id.clone();
            exceptions[first + index - 1].cause = Some(id);
        }
        exceptions.push(exception);
    }
}

/// `503@1696954761.000001@service is temporarily unavailable`.
fn http_failure(span: &Span, event: &Event, number: usize) -> Option<Exception> {
    let code = match event.get("http.response.status_code")? {
        Value::Text(code) => code.to_string(),
        code => code.as_int()?.to_string(),
    };
    let message = event.get("aws.http.error_message")?.as_text().unwrap_or_default();
    let (seconds, micros) = (event.time / 1_000_000_000, event.time / 1_000 % 1_000_000);
    Some(Exception {
        kind: Some(HTTP_FAILURE_TYPE.to_owned()),
        remote: true,
        message: Some(format!("{code}@{seconds}.{micros:06}@{message}")),
        ..new(span, number)
    })
}

fn new(span: &Span, number: usize) -> Exception {
    Exception { id: derived_id(span.id, number as u64).to_string(), ..Exception::default() }
}
