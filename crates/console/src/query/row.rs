//! A stored span -> cells, by Honeycomb's names for OTLP's fields. A later writer wins: built-in fields, then the
//! resource, the scope, the span's attributes.

use std::borrow::Cow;
use std::fmt;

use query::{Code, ColumnId, Head, Table, Value, ValueRef};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::store::attributes;
use crate::wire::Scope;

/// As Honeycomb: maps within attributes become columns with dots to this depth, and JSON text below.
const FLATTEN_DEPTH: usize = 5;
/// As Honeycomb cuts texts.
const MAX_TEXT: usize = 65_535;

/// Names and values.
pub(super) type Cells = Vec<(String, Value)>;

/// A row as it was read.
pub(super) struct SpanCells {
    pub(super) head: Head,
    pub(super) origin: i64,
    pub(super) name: String,
    pub(super) kind: i32,
    pub(super) status: i32,
    pub(super) status_message: Option<String>,
    /// JSON: values if there is a `shape`, else an object.
    pub(super) attributes: Option<String>,
    /// The row of `shapes` that the keys are in.
    pub(super) shape: Option<i64>,
    pub(super) events: Option<String>,
    pub(super) links: Option<String>,
}

/// Members in their order, values as they are.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// Borrowed where nothing is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[derive(Deserialize)]
struct EventCells<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
}

/// Of a resource and its scope.
pub(super) fn origin(service: &str, resource: &str, scope: &str) -> Cells {
    let mut cells = vec![("service.name".to_owned(), Value::from(service))];
    each(resource, &mut |name, value| cells.push((name.to_owned(), value.to_value())));
    if let Ok(Some(Scope { name, version })) = serde_json::from_str(scope) {
        for (column, text) in [("library.name", name), ("library.version", version)] {
            if !text.is_empty() {
                cells.push((column.to_owned(), Value::from(text.as_str())));
            }
        }
    }
    cells
}

/// Of a kind and a status.
pub(super) fn common(kind: i32, status: i32) -> Cells {
    let kind = match kind {
        1 => "internal",
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "unspecified",
    };
    let mut cells = vec![
        ("meta.signal_type".to_owned(), Value::from("trace")),
        ("span.kind".to_owned(), Value::from(kind)),
        ("type".to_owned(), Value::from(kind)),
        ("status_code".to_owned(), Value::Int(status.into())),
    ];
    if status == 2 {
        cells.push(("error".to_owned(), Value::Bool(true)));
    }
    cells
}

/// Fills the row that was appended last: `common` and `origin` are what it has of those, `keys` of its shape.
pub(super) fn set(
    table: &mut Table,
    span: &SpanCells,
    common: &[(ColumnId, Code)],
    origin: &[(ColumnId, Code)],
    keys: Option<&[String]>,
) {
    for (column, code) in common {
        table.set(*column, *code);
    }
    let mut put = |name: &str, value: ValueRef<'_>| {
        if let Some(column) = table.column(name) {
            let code = table.code(column, value);
            table.set(column, code);
        }
    };
    put("name", ValueRef::Str(&span.name));
    if let Some(message) = span.status_message.as_deref().filter(|message| !message.is_empty()) {
        put("status_message", ValueRef::Str(message));
    }
    let links = span
        .links
        .as_deref()
        .map_or(0, |links| serde_json::from_str(links).map_or(0, |links: Vec<&RawValue>| links.len()));
    let events: Vec<EventCells<'_>> =
        span.events.as_deref().and_then(|events| serde_json::from_str(events).ok()).unwrap_or_default();
    put("span.num_events", ValueRef::Int(events.len() as i64));
    put("span.num_links", ValueRef::Int(links as i64));
    if let Some(exception) = events.iter().find(|event| event.name == "exception") {
        each(exception.attributes.map_or("{}", RawValue::get), &mut |name, value| {
            if name.starts_with("exception.") {
                put(name, value);
            }
        });
    }
    for (column, code) in origin {
        table.set(*column, *code);
    }
    let mut put = |name: &str, value: ValueRef<'_>| {
        if let Some(column) = table.column(name) {
            let code = table.code(column, value);
            table.set(column, code);
        }
    };
    match (keys, &span.attributes) {
        (Some(keys), Some(values)) => {
            for (key, value) in keys.iter().zip(attributes::values(values)) {
                flatten_one(key, value, FLATTEN_DEPTH, &mut put);
            }
        }
        (None, Some(object)) => each(object, &mut put),
        (_, None) => {}
    }
}

/// Every attribute of a JSON object.
fn each(object: &str, put: &mut impl FnMut(&str, ValueRef<'_>)) {
    flatten(object, "", FLATTEN_DEPTH, put);
}

fn flatten(object: &str, prefix: &str, depth: usize, put: &mut impl FnMut(&str, ValueRef<'_>)) {
    let Ok(object) = serde_json::from_str::<Object<'_>>(object) else { return };
    for (key, value) in object.0 {
        let name = if prefix.is_empty() { key } else { Cow::Owned(format!("{prefix}.{key}")) };
        flatten_one(&name, value, depth, put);
    }
}

fn flatten_one(name: &str, value: &RawValue, depth: usize, put: &mut impl FnMut(&str, ValueRef<'_>)) {
    let text = value.get();
    match text.as_bytes().first() {
        _ if name.is_empty() => {}
        Some(b'"') if !text.contains('\\') => put(name, ValueRef::Str(cut(&text[1..text.len() - 1]))),
        Some(b'"') => {
            if let Ok(Text(text)) = serde_json::from_str(text) {
                put(name, ValueRef::Str(cut(&text)));
            }
        }
        Some(b't') => put(name, ValueRef::Bool(true)),
        Some(b'f') => put(name, ValueRef::Bool(false)),
        Some(b'n') | None => {}
        Some(b'{') if depth > 0 => flatten(text, name, depth - 1, put),
        Some(b'{' | b'[') => put(name, ValueRef::Str(cut(text))),
        Some(_) => {
            let number = match text.parse() {
                Ok(int) => Some(ValueRef::Int(int)),
                Err(_) => text.parse().ok().and_then(ValueRef::float),
            };
            if let Some(number) = number {
                put(name, number);
            }
        }
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}
