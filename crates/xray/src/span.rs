//! A finished span as the translation takes it: plain, borrowed, of no SDK.
//!
//! Callers fill it from OpenTelemetry's `SpanData`, from OTLP or from stored JSON. Names and texts stay where they are;
//! what is built per span is a list of pairs of references.

use std::borrow::Cow;

use crate::id::{SpanId, TraceId};

/// One span. Times are nanoseconds since 1970.
#[derive(Clone, Debug)]
pub struct Span<'a> {
    pub trace_id: TraceId,
    pub id: SpanId,
    /// The caller's span, in this process or another.
    pub parent: Option<SpanId>,
    pub name: &'a str,
    pub kind: Kind,
    pub start: u64,
    /// `None`: still running, which X-Ray shows as in progress until the same id comes again with an end.
    pub end: Option<u64>,
    pub status: Status<'a>,
    pub attributes: Vec<Attribute<'a>>,
    pub events: Vec<Event<'a>>,
    pub links: Vec<Link<'a>>,
    pub scope: Scope<'a>,
}

/// Who made the spans; translated together with each of them.
#[derive(Clone, Debug, Default)]
pub struct Resource<'a> {
    pub attributes: Vec<Attribute<'a>>,
}

pub type Attribute<'a> = (&'a str, Value<'a>);

/// An attribute's value, with all that OTLP can carry.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value<'a> {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    Map(Vec<Attribute<'a>>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status<'a> {
    #[default]
    Unset,
    Ok,
    Error(&'a str),
}

#[derive(Clone, Debug)]
pub struct Event<'a> {
    pub name: &'a str,
    pub time: u64,
    pub attributes: Vec<Attribute<'a>>,
}

#[derive(Clone, Debug)]
pub struct Link<'a> {
    pub trace_id: TraceId,
    pub id: SpanId,
    pub attributes: Vec<Attribute<'a>>,
}

/// The library that made the span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope<'a> {
    pub name: &'a str,
    pub version: &'a str,
}

impl Event<'_> {
    /// Of a key that is there twice the last counts.
    pub(crate) fn get(&self, key: &str) -> Option<&Value<'_>> {
        self.attributes.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

impl Value<'_> {
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, or a text that is one: instrumentations disagree about ports and status codes.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Double(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(*number as i64),
            _ => None,
        }
    }

    /// What metadata holds. Numbers that JSON lacks become their names, bytes become hex digits.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Double(value) => serde_json::Number::from_f64(*value)
                .map_or_else(|| value.to_string().into(), serde_json::Value::Number),
            Self::Text(text) => text.as_ref().into(),
            Self::Bytes(bytes) => hex(bytes).into(),
            Self::List(values) => values.iter().map(Value::to_json).collect(),
            Self::Map(entries) => attributes_to_json(entries).into(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).expect("below 16");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Of a key that is there twice the last counts, as in JSON itself.
pub(crate) fn attributes_to_json(attributes: &[Attribute]) -> serde_json::Map<String, serde_json::Value> {
    attributes.iter().map(|(key, value)| ((*key).to_owned(), value.to_json())).collect()
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// For spans that are kept as JSON.
impl<'a> From<&'a serde_json::Value> for Value<'a> {
    fn from(value: &'a serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(values) => Self::List(values.iter().map(Self::from).collect()),
            Json::Object(entries) => {
                Self::Map(entries.iter().map(|(key, value)| (key.as_str(), Self::from(value))).collect())
            }
        }
    }
}
