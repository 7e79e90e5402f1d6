//! A trace in the forms that other tools read. Pure: from [`Trace`] to JSON.

pub(crate) mod jaeger;
pub(crate) mod otlp;

use serde_json::Value;

use crate::wire::Span;

/// Spans that share a resource, in order of their first: what both forms group by.
fn by_resource(spans: &[Span]) -> Vec<(&Span, Vec<&Span>)> {
    let mut groups: Vec<(&Span, Vec<&Span>)> = Vec::new();
    for span in spans {
        match groups.iter_mut().find(|(of, _)| of.resource == span.resource && of.service == span.service) {
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
