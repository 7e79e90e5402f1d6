//! What is indexed, and where everything else goes.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::attributes::{Attributes, State};
use super::{DEFAULT, Options, Shape};
use crate::limits::{MAX_ANNOTATION_KEY_CHARS, MAX_ANNOTATION_VALUE_CHARS, MAX_ANNOTATIONS, cut};
use crate::segment::{Annotation, Metadata};
use crate::span::Value;

/// A span's own wish list, beside the configured one.
const WISHES: &str = "aws.xray.annotations";
/// `aws.xray.metadata.<namespace>`, a text that holds a JSON object.
const METADATA: &str = "aws.xray.metadata.";
const RESOURCE: &str = "otel.resource.";
/// Namespaces that AWS keeps for itself.
const RESERVED: &str = "AWS.";

type Annotations = BTreeMap<String, Annotation>;

pub(super) fn annotations(
    attributes: &mut Attributes,
    resource: &Attributes,
    shape: Shape,
    options: &Options,
    hidden: Option<&[&str]>,
) -> (Annotations, Metadata) {
    let mut annotations = Annotations::new();
    let mut metadata = Metadata::new();
    let wishes = match attributes.get(WISHES) {
        Some(Value::List(keys)) => keys.iter().filter_map(Value::as_text).collect(),
        _ => Vec::new(),
    };
    attributes.mark_taken(WISHES);
    let is_listed = |key: &str| wishes.contains(&key) || options.annotate.iter().any(|it| is_meant(it, key));
    let is_hidden = |key: &str| hidden.is_some_and(|hidden| hidden.contains(&key));

    if shape == Shape::Segment {
        for (key, value, state) in resource.iter() {
            if state == State::Shadowed || *value == Value::Null {
                continue;
            }
            let key = format!("{RESOURCE}{key}");
            let index = is_listed(&key) || options.annotate_all;
            if !(index && annotate(&mut annotations, &key, value, options)) {
                default_of(&mut metadata).insert(key, value.to_json());
            }
        }
    }
    for (key, value, state) in attributes.iter() {
        if state == State::Shadowed || *value == Value::Null || is_hidden(key) {
            continue;
        }
        let free = state == State::Free;
        let index = is_listed(key) || (options.annotate_all && free);
        if (index && annotate(&mut annotations, key, value, options)) || !free {
            continue;
        }
        match key.strip_prefix(METADATA).zip(value.as_text()).and_then(|(space, text)| object(space, text)) {
            Some((namespace, entries)) => {
                metadata.entry(namespace.to_owned()).or_default().extend(entries);
            }
            None => {
                default_of(&mut metadata).insert(key.to_owned(), value.to_json());
            }
        }
    }
    (annotations, metadata)
}

fn default_of(metadata: &mut Metadata) -> &mut Map<String, Json> {
    metadata.entry(DEFAULT.to_owned()).or_default()
}

/// `app.*` means every key that begins so; anything else means itself.
fn is_meant(pattern: &str, key: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == key, |prefix| key.starts_with(prefix))
}

/// Indexes the value, or says that X-Ray would not.
fn annotate(annotations: &mut Annotations, key: &str, value: &Value, options: &Options) -> bool {
    let annotation = match value {
        Value::Bool(value) => Annotation::Bool(*value),
        Value::Int(value) => Annotation::Int(*value),
        Value::Double(value) if value.is_finite() => Annotation::Double(*value),
        Value::Text(text) if cut(text, MAX_ANNOTATION_VALUE_CHARS).len() == text.len() => {
            Annotation::Text(text.to_string())
        }
        _ => return false,
    };
    let key = sanitize_key(key, options.keep_dots);
    // Two keys may become one; the second then has its place in metadata.
    let room = annotations.len() < MAX_ANNOTATIONS && !annotations.contains_key(&key);
    if key.is_empty() || !room {
        return false;
    }
    annotations.insert(key, annotation);
    true
}

/// `[a-zA-Z0-9_]`, and the dot if asked for; anything else becomes `_`.
pub(super) fn sanitize_key(key: &str, keep_dots: bool) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || (c == '.' && keep_dots) { c } else { '_' };
    key.chars().take(MAX_ANNOTATION_KEY_CHARS).map(fit).collect()
}

/// A namespace of its own, if the text is a JSON object and the namespace not reserved.
fn object<'a>(namespace: &'a str, text: &str) -> Option<(&'a str, Map<String, Json>)> {
    if namespace.is_empty() || namespace.starts_with(RESERVED) {
        return None;
    }
    serde_json::from_str(text).ok().map(|entries| (namespace, entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FixAnnotationKey and FixAnnotationKeyWithAllowDot.
    #[test]
    fn keys_obey_the_charset() {
        let check = |key, dots, expect: &str| assert_eq!(sanitize_key(key, dots), expect);
        check("Key_1", false, "Key_1");
        check("Key.1", false, "Key_1");
        check("Key.1", true, "Key.1");
        check("Key@1", true, "Key_1");
        check("Key@1", false, "Key_1");
        check("schlüssel", false, "schl_ssel");
        assert_eq!(sanitize_key(&"k".repeat(600), false).len(), MAX_ANNOTATION_KEY_CHARS);
    }

    #[test]
    fn patterns_mean_a_key_or_a_beginning() {
        assert!(is_meant("app.*", "app.user_id") && is_meant("*", "x") && is_meant("a.b", "a.b"));
        assert!(!is_meant("app.*", "apple") && !is_meant("a.b", "a.bc"));
    }
}
