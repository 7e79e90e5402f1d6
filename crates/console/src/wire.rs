//! The JSON of the HTTP API as types, for those who write it (`api`) and those who read it (`throughline trace`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `GET /api/traces/{trace_id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// 32 lower-case hex digits.
    pub trace_id: String,
    /// The same id as `1-8-24`.
    pub xray_trace_id: String,
    pub start_unix_nano: i64,
    /// From the first start to the last end.
    pub duration_nano: i64,
    pub span_count: u64,
    /// When earlier spans of this trace were pruned; these came after that.
    pub pruned_unix_nano: Option<i64>,
    /// All the ways in which its spans came.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// In order of start.
    pub spans: Vec<Span>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub trace_id: String,
    /// 16 lower-case hex digits.
    pub span_id: String,
    pub parent_span_id: Option<String>,
    pub name: String,
    pub kind: Kind,
    pub service: String,
    pub start_unix_nano: i64,
    pub duration_nano: i64,
    pub status: Status,
    pub status_message: Option<String>,
    pub attributes: Map<String, Value>,
    pub resource: Map<String, Value>,
    pub scope: Option<Scope>,
    pub events: Vec<Event>,
    pub links: Vec<Link>,
    /// Of the data above: `otlp` if it came that way, since a translation to X-Ray loses some.
    pub source: Source,
    /// All the ways in which this span came.
    #[serde(default)]
    pub sources: Vec<Source>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Unset,
    Ok,
    Error,
}

/// The instrumentation library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    pub name: String,
    pub version: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub name: String,
    pub time_unix_nano: i64,
    pub attributes: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub trace_id: String,
    pub span_id: String,
    pub attributes: Map<String, Value>,
}

/// The format in which a span arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Otlp,
    Xray,
}

/// A page of `GET /api/traces`, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    pub traces: Vec<Summary>,
    /// `before` of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub trace_id: String,
    pub xray_trace_id: String,
    /// Of the root, or while `root` is false of the earliest span.
    pub name: String,
    pub service: String,
    pub start_unix_nano: i64,
    pub duration_nano: i64,
    pub span_count: u64,
    pub error_count: u64,
    pub services: Vec<String>,
    /// Whether a span without a parent has arrived.
    pub root: bool,
}

impl Source {
    /// Of the bits in the store.
    pub(crate) fn of(bits: i64) -> &'static [Self] {
        use crate::store::sources::{OTLP, XRAY};
        match (bits & OTLP != 0, bits & XRAY != 0) {
            (true, true) => &[Self::Otlp, Self::Xray],
            (false, true) => &[Self::Xray],
            _ => &[Self::Otlp],
        }
    }
}

impl Kind {
    /// OTLP's number; unspecified and unknown kinds are internal, as the specification says.
    pub(crate) fn from_otlp(kind: i32) -> Self {
        match kind {
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Internal,
        }
    }
}

impl Status {
    pub(crate) fn from_otlp(code: i32) -> Self {
        match code {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }
}

/// A page of `GET /api/errors`, those seen last first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    pub groups: Vec<ErrorGroup>,
    /// `before` of the next page.
    pub next: Option<String>,
}

/// All occurrences of one fingerprint in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorGroup {
    pub id: String,
    pub fingerprint: String,
    pub title: String,
    /// Of the first occurrence: `critical`, `error`, `warning`, `info` or `debug`.
    pub level: String,
    pub status: ErrorStatus,
    pub environment: String,
    pub service: String,
    pub context: Option<String>,
    /// Of all that came, kept or not.
    pub count: u64,
    pub people: u64,
    pub first_seen_unix_nano: i64,
    pub last_seen_unix_nano: i64,
    pub last_trace_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorStatus {
    Active,
    Resolved,
    /// Came again after it was resolved.
    Regression,
}

/// `GET /api/errors/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErrorDetail {
    pub group: ErrorGroup,
    /// In order of arrival, the newest first.
    pub occurrences: Vec<Occurrence>,
    /// `before` of the next page of occurrences.
    pub next: Option<String>,
    /// Of the environment, the newest first.
    pub deploys: Vec<Deploy>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Occurrence {
    pub uuid: String,
    pub time_unix_nano: i64,
    pub trace_id: Option<String>,
    pub span_id: Option<String>,
    /// The id.
    pub person: Option<String>,
    pub code_version: Option<String>,
    pub level: Option<String>,
    pub context: Option<String>,
    #[serde(flatten)]
    pub shown: vendor_apis::rollbar::show::Shown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deploy {
    pub id: String,
    pub environment: String,
    pub revision: String,
    /// `started`, `succeeded`, `failed` or `timed_out`.
    pub status: String,
    pub user: Option<String>,
    pub comment: Option<String>,
    pub time_unix_nano: i64,
}

/// A page of `GET /api/logs`, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logs {
    pub events: Vec<LogEvent>,
    /// `before` of the next page.
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEvent {
    pub id: String,
    pub time_unix_nano: i64,
    pub group: String,
    pub stream: String,
    /// `trace`, `debug`, `info`, `warn`, `error` or `fatal`, whatever the sender calls them.
    pub level: Option<String>,
    pub service: Option<String>,
    pub message: String,
    pub trace_id: Option<String>,
    pub span_id: Option<String>,
    /// Of a message that is a JSON object.
    pub fields: Option<Map<String, Value>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    pub name: String,
    pub streams: Vec<String>,
    /// `null`: events never expire.
    pub retention_days: Option<u32>,
    pub events: u64,
    pub bytes: u64,
}

impl ErrorStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Resolved => "resolved",
            Self::Regression => "regression",
        }
    }

    pub(crate) fn of(text: &str) -> Self {
        match text {
            "resolved" => Self::Resolved,
            "regression" => Self::Regression,
            _ => Self::Active,
        }
    }
}
