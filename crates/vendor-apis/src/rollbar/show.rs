//! A kept item as people read it.

use serde::Serialize;
use serde_json::{Value, json};

/// What is shown of one occurrence, out of the `data` of its item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    pub request: Option<Value>,
    /// The whole of it, where the group knows the id only.
    pub person_details: Option<Value>,
    pub server: Option<Value>,
    pub notifier: Option<Value>,
    /// The exception that was caught first, then its causes.
    pub trace_chain: Vec<Trace>,
    pub message: Option<String>,
    /// What led to it, as browsers record it.
    pub telemetry: Vec<Value>,
    pub custom: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    pub class: String,
    pub message: Option<String>,
    /// Oldest call first, as Rollbar has them: the last one is where it happened.
    pub frames: Vec<Frame>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Frame {
    pub file: String,
    pub line: Option<u64>,
    pub column: Option<u64>,
    pub method: Option<String>,
    pub code: Option<String>,
    /// Lines before and after `code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locals: Option<Value>,
}

impl Shown {
    /// `data` is an item's, which was checked when it came.
    pub fn of(data: &Value) -> Self {
        let body = &data["body"];
        let object =
            |value: &Value| value.as_object().filter(|object| !object.is_empty()).map(|_| value.clone());
        let traces = match (&body["trace"], &body["trace_chain"]) {
            (trace @ Value::Object(_), _) => std::slice::from_ref(trace),
            (_, Value::Array(chain)) => chain,
            _ => &[],
        };
        let message = [&body["message"]["body"], &body["crash_report"]["raw"]].into_iter().find_map(text);
        Self {
            request: object(&data["request"]),
            person_details: object(&data["person"]),
            server: object(&data["server"]),
            notifier: object(&data["notifier"]),
            trace_chain: traces.iter().map(Trace::of).collect(),
            message,
            telemetry: body["telemetry"].as_array().cloned().unwrap_or_default(),
            custom: custom(data),
        }
    }
}

impl Trace {
    fn of(trace: &Value) -> Self {
        let exception = &trace["exception"];
        Self {
            class: text(&exception["class"]).unwrap_or_default(),
            message: text(&exception["message"]).or_else(|| text(&exception["description"])),
            frames: trace["frames"].as_array().map_or(&[][..], Vec::as_slice).iter().map(Frame::of).collect(),
        }
    }
}

impl Frame {
    fn of(frame: &Value) -> Self {
        Self {
            file: text(&frame["filename"]).unwrap_or_else(|| "(unknown)".to_owned()),
            line: frame["lineno"].as_u64(),
            column: frame["colno"].as_u64(),
            method: text(&frame["method"]),
            code: text(&frame["code"]),
            context: frame["context"].as_object().map(|_| frame["context"].clone()),
            locals: frame["locals"].as_object().map(|_| frame["locals"].clone()),
        }
    }
}

/// `custom`, and beside it what a message carries.
fn custom(data: &Value) -> Value {
    let mut custom = data["custom"].as_object().cloned().unwrap_or_default();
    if let Some(message) = data["body"]["message"].as_object() {
        for (key, value) in message.iter().filter(|(key, _)| *key != "body") {
            custom.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    json!(custom)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
