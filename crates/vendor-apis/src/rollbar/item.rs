//! An item as notifiers send it -> what is kept of it. Unknown keys stay in the document and mean nothing.

use serde_json::{Map, Value, json};
use xray::{SpanId, TraceId};

use super::grouping;
use crate::ids;

/// Levels, the worst first.
const LEVELS: [&str; 5] = ["critical", "error", "warning", "info", "debug"];

/// Characters of a title, a context, an environment: Rollbar's 255.
const MAX_TEXT: usize = 255;
/// Characters of a person's id: Rollbar's 40. A longer one is cut, since losing the error would be worse.
const MAX_PERSON: usize = 40;
const MAX_UUID: usize = 36;
/// More than a sender can have kept back is no count.
const MAX_SUPPRESSED: u64 = 1_000_000_000;

/// One occurrence of an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub fingerprint: String,
    pub environment: String,
    pub title: String,
    /// One of [`LEVELS`].
    pub level: &'static str,
    pub service: String,
    pub context: Option<String>,
    /// Ours, where the sender gave none.
    pub uuid: String,
    /// Nanoseconds since 1970.
    pub time: i64,
    pub trace_id: Option<TraceId>,
    pub span_id: Option<SpanId>,
    pub person: Option<String>,
    pub code_version: Option<String>,
    /// How many errors it stands for: itself, and those that its sender kept back in a storm (`custom.suppressed`).
    pub weight: u64,
    /// `data`, as JSON.
    pub data: String,
}

/// Well-formed JSON that is no item: 422, with the path that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Invalid {
    pub path: String,
    pub problem: String,
}

impl Item {
    /// Reads `{"access_token", "data": {..}}`; `now` is nanoseconds since 1970.
    pub fn read(payload: &Value, now: i64, new_uuid: impl FnOnce() -> String) -> Result<Self, Invalid> {
        let data = payload.get("data").filter(|data| data.is_object());
        let data = data.ok_or_else(|| invalid("data", "is required, an object"))?;
        let text = |pointer: &str| data.pointer(pointer).and_then(shown).filter(|text| !text.is_empty());
        let environment = text("/environment").ok_or_else(|| invalid("data.environment", "is required"))?;
        if environment.chars().count() > MAX_TEXT {
            return Err(invalid("data.environment", "is longer than 255 characters"));
        }
        let body = data.get("body").and_then(Value::as_object);
        let body = body.ok_or_else(|| invalid("data.body", "is required, an object"))?;
        check_body(body)?;
        let level = match data.get("level").filter(|level| !level.is_null()) {
            None if body.contains_key("message") => "info",
            None => "error",
            Some(level) => {
                let name = level.as_str().unwrap_or_default();
                LEVELS
                    .into_iter()
                    .find(|known| known.eq_ignore_ascii_case(name))
                    .ok_or_else(|| invalid("data.level", "must be critical, error, warning, info or debug"))?
            }
        };
        let uuid = text("/uuid");
        if uuid.as_ref().is_some_and(|uuid| uuid.len() > MAX_UUID) {
            return Err(invalid("data.uuid", "is longer than 36 characters"));
        }
        let (trace_id, span_id) = trace(data);
        Ok(Self {
            fingerprint: grouping::fingerprint(data),
            environment,
            title: cut(&text("/title").unwrap_or_else(|| title(body)), MAX_TEXT),
            level,
            service: cut(&service(data), MAX_TEXT),
            context: text("/context").map(|text| cut(&text, MAX_TEXT)),
            uuid: uuid.unwrap_or_else(new_uuid),
            time: time(data.get("timestamp"), now),
            trace_id,
            span_id,
            person: text("/person/id").map(|id| cut(&id, MAX_PERSON)),
            code_version: [
                "/code_version",
                "/server/code_version",
                "/server/sha",
                "/client/javascript/code_version",
            ]
            .iter()
            .find_map(|pointer| text(pointer)),
            weight: 1 + data["custom"]["suppressed"].as_u64().unwrap_or(0).min(MAX_SUPPRESSED),
            data: data.to_string(),
        })
    }
}

fn invalid(path: impl Into<String>, problem: &str) -> Invalid {
    Invalid { path: path.into(), problem: problem.to_owned() }
}

fn check_body(body: &Map<String, Value>) -> Result<(), Invalid> {
    const KINDS: [&str; 4] = ["trace", "trace_chain", "message", "crash_report"];
    let kinds: Vec<&str> =
        KINDS.into_iter().filter(|kind| body.get(*kind).is_some_and(|value| !value.is_null())).collect();
    let [kind] = kinds[..] else {
        let problem = if kinds.is_empty() {
            "needs one of trace, trace_chain, message and crash_report".to_owned()
        } else {
            format!("holds {}; exactly one is allowed", kinds.join(" and "))
        };
        return Err(invalid("data.body", &problem));
    };
    match kind {
        "trace" => check_trace("data.body.trace", &body[kind]),
        "trace_chain" => match body[kind].as_array().map(Vec::as_slice) {
            None | Some([]) => Err(invalid("data.body.trace_chain", "must be an array of one trace or more")),
            Some(chain) => chain.iter().enumerate().try_for_each(|(place, trace)| {
                check_trace(&format!("data.body.trace_chain[{place}]"), trace)
            }),
        },
        "message" => require(&body[kind]["body"], "data.body.message.body"),
        _ => require(&body[kind]["raw"], "data.body.crash_report.raw"),
    }
}

fn check_trace(path: &str, trace: &Value) -> Result<(), Invalid> {
    require(&trace["exception"]["class"], &format!("{path}.exception.class"))?;
    let frames = trace["frames"].as_array();
    let frames = frames.ok_or_else(|| invalid(format!("{path}.frames"), "is required, an array"))?;
    frames.iter().enumerate().try_for_each(|(place, frame)| match &frame["filename"] {
        // What browsers give for code without an address.
        Value::Null if frame.is_object() => Ok(()),
        Value::String(_) => Ok(()),
        _ => Err(invalid(format!("{path}.frames[{place}].filename"), "must be text")),
    })
}

fn require(value: &Value, path: &str) -> Result<(), Invalid> {
    if value.is_string() { Ok(()) } else { Err(invalid(path, "is required, a text")) }
}

/// As Rollbar titles items: the outermost exception and what it says, or the first line of a text.
fn title(body: &Map<String, Value>) -> String {
    let body = json!(body);
    let exception = [&body["trace"]["exception"], &body["trace_chain"][0]["exception"]]
        .into_iter()
        .find(|exception| exception.is_object());
    let said = match exception {
        Some(exception) => {
            let class = exception["class"].as_str().unwrap_or_default();
            match exception["message"].as_str().filter(|message| !message.is_empty()) {
                Some(message) => format!("{class}: {message}"),
                None => class.to_owned(),
            }
        }
        None => [&body["message"]["body"], &body["crash_report"]["raw"]]
            .into_iter()
            .find_map(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
    };
    said.lines().find(|line| !line.trim().is_empty()).unwrap_or("(no message)").trim().to_owned()
}

/// Rollbar knows no services; those who have several say it in one of these places.
fn service(data: &Value) -> String {
    let said = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let custom = &data["custom"];
    let named = ["service", "service.name", "service_name"].iter().find_map(|key| said(&custom[*key]));
    named
        .or_else(|| attribute(data, &["service.name", "service"]).map(str::to_owned))
        .or_else(|| said(&data["server"]["service"]))
        .or_else(|| is_browser(data).then(|| "browser".to_owned()))
        .or_else(|| said(&data["server"]["host"]))
        .unwrap_or_else(|| "unknown_service".to_owned())
}

fn is_browser(data: &Value) -> bool {
    matches!(data["platform"].as_str(), Some("browser" | "client"))
}

/// Where notifiers and people put the id of the trace, the most deliberate place first.
fn trace(data: &Value) -> (Option<TraceId>, Option<SpanId>) {
    let body = &data["body"];
    let places = [
        &data["custom"],
        &data["custom"]["trace"],
        &data["custom"]["extra"],
        &body["message"],
        &body["message"]["extra"],
    ];
    let span = attribute(data, &["span_id"]).and_then(|id| id.parse().ok());
    if let Some(id) = attribute(data, &["trace_id"]).and_then(ids::parse_trace_id) {
        return (Some(id), span);
    }
    for fields in places.into_iter().filter_map(Value::as_object) {
        if let Some(id) = ids::trace_id(fields) {
            return (Some(id), ids::span_id(fields).or(span));
        }
    }
    let header = |name: &str| {
        let headers = data["request"]["headers"].as_object()?;
        headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1.as_str()
    };
    // The span there is the caller's: it is not where the error was.
    let of_header = header("traceparent").and_then(|text| Some(ids::of_traceparent(text)?.0));
    (of_header.or_else(|| ids::parse_trace_id(header("x-amzn-trace-id")?)), None)
}

fn attribute<'a>(data: &'a Value, names: &[&str]) -> Option<&'a str> {
    let attributes = data["attributes"].as_array()?;
    let found = attributes.iter().find(|pair| names.contains(&pair["key"].as_str().unwrap_or_default()))?;
    found["value"].as_str()
}

/// Seconds, with or without a fraction; as text too. Whatever is none, or beyond the years 1970 to 2262, is now.
fn time(timestamp: Option<&Value>, now: i64) -> i64 {
    let seconds = match timestamp {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    // Some clients send milliseconds: a date after the year 5138 in seconds is one of these days in milliseconds.
    let seconds = seconds.map(|seconds| if seconds > 1e11 { seconds / 1e3 } else { seconds });
    // Microseconds are what a double holds of it.
    seconds.filter(|seconds| *seconds > 0.0 && *seconds < 9.2e9).map_or(now, |s| (s * 1e6) as i64 * 1_000)
}

/// Ids come as numbers, too.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
