//! Spans as JSON, and what to expect of their documents as JSON pointers.

use serde_json::{Value as Json, json};
use throughline_xray::span::{Attribute, Event, Kind, Link, Resource, Scope, Span, Status, Value};
use throughline_xray::{Options, SpanId, TraceId, translate};

pub(crate) const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";
pub(crate) const SPAN: &str = "53995c3f42cd8ad8";
pub(crate) const PARENT: &str = "70de5b6f19ff9a0a";
pub(crate) const START: u64 = 1_700_000_000_000_000_000;

/// What a case may say; everything has a default.
///
/// `kind`, `root: true`, `name`, `status: "unset" | "ok" | ["error", message]`, `attributes`, `resource`,
/// `events: [[name, attributes]]`, `links: [attributes]`, `time` (of the events), `running: true`.
pub(crate) fn documents(case: &Json, options: &Options) -> Vec<Json> {
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    let span = Span {
        trace_id: TRACE.parse::<TraceId>().unwrap(),
        id: SPAN.parse::<SpanId>().unwrap(),
        parent: (case["root"] != true).then(|| PARENT.parse().unwrap()),
        name: text("name"),
        kind: match text("kind") {
            "server" => Kind::Server,
            "client" => Kind::Client,
            "producer" => Kind::Producer,
            "consumer" => Kind::Consumer,
            _ => Kind::Internal,
        },
        start: START,
        end: (case["running"] != true).then_some(START + 215_000_000),
        status: match &case["status"] {
            Json::Array(parts) => Status::Error(parts[1].as_str().unwrap()),
            status if status == "ok" => Status::Ok,
            _ => Status::Unset,
        },
        attributes: attributes(&case["attributes"]),
        events: list(&case["events"])
            .map(|event| Event {
                name: event[0].as_str().unwrap(),
                time: case["time"].as_u64().unwrap_or(START),
                attributes: attributes(&event[1]),
            })
            .collect(),
        links: list(&case["links"])
            .map(|link| Link {
                trace_id: TRACE.parse().unwrap(),
                id: PARENT.parse().unwrap(),
                attributes: attributes(link),
            })
            .collect(),
        scope: Scope::default(),
    };
    let resource = Resource { attributes: attributes(&case["resource"]) };
    let documents = translate(&span, &resource, options);
    documents.iter().map(|document| serde_json::from_str(&document.to_json()).unwrap()).collect()
}

/// Compares by JSON pointer, in the document if there is one and in the list if there are two. `null` means absent,
/// `"*"` present, and a pointer that ends in `#` counts members.
pub(crate) fn check(name: &str, options: &Options, case: Json, expect: &Json) {
    let mut documents = documents(&case, options);
    let found = if documents.len() == 1 { documents.remove(0) } else { Json::Array(documents) };
    for (pointer, expected) in expect.as_object().unwrap() {
        let at = |pointer: &str| found.pointer(pointer).cloned().unwrap_or(Json::Null);
        let actual = match pointer.strip_suffix('#') {
            Some(pointer) => json!(
                at(pointer)
                    .as_object()
                    .map_or_else(|| at(pointer).as_array().map_or(0, Vec::len), serde_json::Map::len)
            ),
            None => at(pointer),
        };
        let holds = if expected == "*" { !actual.is_null() } else { same(&actual, expected) };
        assert!(holds, "{name}: {pointer} is {actual}, not {expected}\n{found:#}");
    }
}

/// The `json` objects as one, the later ones on top.
pub(crate) fn merged(objects: &[&Json]) -> Json {
    let mut all = serde_json::Map::new();
    for object in objects {
        all.extend(object.as_object().unwrap().clone());
    }
    all.into()
}

pub(crate) fn attributes(entries: &Json) -> Vec<Attribute<'_>> {
    let entries = entries.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.as_str(), Value::from(value))).collect()
}

fn list(items: &Json) -> impl Iterator<Item = &Json> {
    items.as_array().into_iter().flatten()
}

/// Equal, but for the last bit of a float: serde_json reads those fast and one off (its feature `float_roundtrip`).
pub(crate) fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(x), Json::Number(y)) if x != y => {
            let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
            (x - y).abs() <= x.abs().max(y.abs()) * 1e-14
        }
        (Json::Array(x), Json::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Json::Object(x), Json::Object(y)) => {
            x.len() == y.len()
                && x.iter().all(|(key, value)| y.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}
