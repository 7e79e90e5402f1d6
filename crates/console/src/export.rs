//! A trace in the forms that other tools read. Pure: from [`Trace`] to JSON.

pub(crate) mod jaeger;
pub(crate) mod otlp;

use std::collections::HashMap;

use serde_json::Value;

use crate::wire::Span;

/// Spans that share a resource, in order of their first: what both forms group by.
fn by_resource(spans: &[Span]) -> Vec<(&Span, Vec<&Span>)> {
    let mut groups: Vec<(&Span, Vec<&Span>)> = Vec::new();
    // By hash: a hostile trace has a resource for every span.
    let mut places = HashMap::new();
    for span in spans {
        let resource = serde_json::to_string(&(&span.service, &span.resource));
        let place = *places.entry(resource.unwrap_or_default()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, members)) => members.push(span),
            None => groups.push((span, vec![span])),
        }
    }
    groups
}

/// What a form without lists and objects says of one.
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
