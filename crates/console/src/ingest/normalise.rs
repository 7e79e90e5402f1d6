//! OTLP/JSON as found in the wild -> OTLP/JSON as `opentelemetry-proto` reads it.
//!
//! Left alone that crate refuses a whole request for one null or one enum name, and ignores `snake_case` keys, so that
//! the sender sees success and nothing is stored. Every object key of OTLP/JSON is a field name (attribute keys stand in
//! values: `{"key": .., "value": ..}`), so keys may be renamed anywhere.

use base64::Engine;
use serde_json::{Map, Number, Value, json};

/// Changes `value` in place. What it cannot mend it leaves to the decoder.
pub(crate) fn normalise(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.keys().any(|key| key.contains('_')) {
                *object = std::mem::take(object)
                    .into_iter()
                    .map(|(key, value)| (camel_case(&key), value))
                    .collect();
            }
            object.retain(|_, value| !value.is_null());
            special_double(object);
            for (key, value) in object {
                field(key, value);
                normalise(value);
            }
        }
        Value::Array(array) => {
            for value in array {
                if value.is_null() {
                    // Its place matters in an attribute; an empty span is refused by its id.
                    *value = json!({});
                }
                normalise(value);
            }
        }
        _ => {}
    }
}

/// `start_time_unix_nano` -> `startTimeUnixNano`.
fn camel_case(key: &str) -> String {
    let mut words = key.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

fn field(key: &str, value: &mut Value) {
    match key {
        "traceId" => id(value, 16),
        "spanId" | "parentSpanId" => id(value, 8),
        "kind" => enumeration(value, &KINDS),
        "code" => enumeration(value, &STATUS_CODES),
        "intValue" => integer(value),
        "doubleValue" => double(value),
        "arrayValue" | "kvlistValue" => {
            if let Value::Object(object) = value {
                object.entry("values").or_insert_with(|| json!([]));
                if object["values"].is_null() {
                    object["values"] = json!([]);
                }
            }
        }
        "flags" | "droppedAttributesCount" | "droppedEventsCount" | "droppedLinksCount" => {
            *value = json!(whole(value).and_then(|n| u32::try_from(n).ok()).unwrap_or(0));
        }
        key if key.ends_with("UnixNano") => {
            *value = json!(whole(value).and_then(|n| u64::try_from(n).ok()).unwrap_or(0));
        }
        _ => {}
    }
}

const KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

const STATUS_CODES: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

/// A name of an enum, or its number in whatever spelling; an unknown one is 0, as protobuf wants it.
fn enumeration(value: &mut Value, names: &[&str]) {
    let by_name = value.as_str().and_then(|name| names.iter().position(|known| *known == name));
    let number = by_name.map(|position| position as i128).or_else(|| whole(value));
    *value = json!(number.and_then(|n| i32::try_from(n).ok()).unwrap_or(0));
}

/// Hex as OTLP wants it, else the base64 of generic protobuf writers, else an id that `decode` counts as invalid: one span
/// is refused then, not the request.
fn id(value: &mut Value, bytes: usize) {
    let text = value.as_str().unwrap_or_default();
    if text.len() == bytes * 2 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return;
    }
    let hex = match base64::engine::general_purpose::STANDARD.decode(text) {
        Ok(decoded) if decoded.len() == bytes => super::decode::hex(&decoded),
        _ if text.is_empty() => String::new(),
        // Of a wrong length. An empty one would mean none, where it stands for the parent.
        _ => "00".to_owned(),
    };
    *value = json!(hex);
}

/// `10.0`, `"10"` and `1e3` are whole numbers; whatever is none stays for the decoder to refuse.
fn integer(value: &mut Value) {
    if let Some(number) = whole(value).and_then(|n| i64::try_from(n).ok()) {
        *value = json!(number);
    }
}

fn double(value: &mut Value) {
    if let Some(number) = value.as_str().and_then(|text| text.parse().ok()).and_then(Number::from_f64) {
        *value = Value::Number(number);
    }
}

/// NaN and the infinities are text in protobuf's JSON and no numbers in `serde_json`: kept as text.
fn special_double(object: &mut Map<String, Value>) {
    let special = match object.get("doubleValue").and_then(Value::as_str) {
        Some("NaN") => "NaN",
        Some("Infinity") => "inf",
        Some("-Infinity") => "-inf",
        _ => return,
    };
    object.remove("doubleValue");
    object.insert("stringValue".to_owned(), json!(special));
}

fn whole(value: &Value) -> Option<i128> {
    let from_float = |float: f64| (float.fract() == 0.0).then_some(float as i128);
    match value {
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Some(number.into()),
            (_, Some(number)) => Some(number.into()),
            _ => from_float(number.as_f64()?),
        },
        Value::String(text) => text.parse().ok().or_else(|| from_float(text.parse().ok()?)),
        _ => None,
    }
}
