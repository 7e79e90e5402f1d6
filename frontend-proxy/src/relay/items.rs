//! What of a browser's error may pass. Pure: Rollbar's item in, its `data` out.

use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};

use super::spans::{BROWSER_SERVICE, Sender, cut};

/// What rollbar.js 3.1.0 says of an error. All else is dropped, above all what only a server may say (`server`, `environment`).
const KEYS: [&str; 11] = [
    "body",
    "client",
    "code_version",
    "context",
    "custom",
    "level",
    "notifier",
    "person",
    "request",
    "title",
    "uuid",
];
/// Rollbar's own length of a title and a context.
const SHORT: [(&str, usize); 3] = [("title", 255), ("context", 255), ("code_version", 40)];
const LEVELS: [&str; 5] = ["critical", "error", "warning", "info", "debug"];
/// The same as of a span's attribute: a stack of some thirty frames.
const MAX_STRING: usize = 4096;
const MAX_KEY: usize = 128;
const MAX_MEMBERS: usize = 64;
/// rollbar.js keeps 100 events of telemetry.
const MAX_ITEMS: usize = 100;
const MAX_DEPTH: usize = 10;
/// Of `custom`, said by us and no page: where to look, and how many errors an item stands for.
const OURS: [&str; 5] = ["links", "service", "span_id", "suppressed", "xray_trace_id"];

/// `None` for what is no item.
pub(super) fn clean(item: Value, sender: &Sender) -> Option<Map<String, Value>> {
    let Value::Object(mut item) = item else { return None };
    let Value::Object(mut data) = item.remove("data")? else { return None };
    data.retain(|key, _| KEYS.contains(&key.as_str()));
    // An error is reported when it happens; a clock of a stranger's is not needed.
    let time = sender.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    data.insert("timestamp".to_owned(), time.as_secs().into());
    for value in data.values_mut() {
        bound(value, 0);
    }
    let kinds =
        ["trace", "trace_chain", "message"].map(|kind| data.get("body").and_then(|body| body.get(kind)));
    if kinds.iter().flatten().count() != 1 {
        return None;
    }
    for (key, most) in SHORT {
        if let Some(value) = data.get_mut(key) {
            *value = cut(value.as_str().unwrap_or_default(), most).into();
        }
    }
    if !data.get("level").and_then(Value::as_str).is_some_and(|level| LEVELS.contains(&level)) {
        data.insert("level".to_owned(), "error".into());
    }
    if !data.get("uuid").and_then(Value::as_str).is_some_and(|uuid| is_hex(&uuid.replace('-', ""), 32)) {
        data.remove("uuid");
    }
    // The page's word, as its `app.user_id` is; and no more of a person than the id.
    let id = data.get("person").and_then(|person| person["id"].as_str());
    let id = id.filter(|id| !id.is_empty()).map(|id| cut(id, 40).to_owned());
    data.remove("person");
    data.extend(id.map(|id| ("person".to_owned(), json!({ "id": id }))));
    data.insert("platform".to_owned(), "browser".into());
    data.insert("language".to_owned(), "javascript".into());
    let custom = custom(data.remove("custom"));
    data.insert("custom".to_owned(), custom);
    // Options and diagnosis of rollbar.js, twice as long as the error.
    if let Some(Value::Object(notifier)) = data.get_mut("notifier") {
        notifier.retain(|key, _| ["name", "version"].contains(&key.as_str()));
    }
    if let Some(Value::Object(request)) = data.get_mut("request") {
        request.retain(|key, _| ["url", "query_string"].contains(&key.as_str()));
        request
            .extend(sender.address.as_ref().map(|address| ("user_ip".to_owned(), address.as_str().into())));
    }
    Some(data)
}

fn custom(theirs: Option<Value>) -> Value {
    let mut custom = match theirs {
        Some(Value::Object(custom)) => custom,
        _ => Map::new(),
    };
    custom.retain(|key, _| !OURS.contains(&key.as_str()));
    if !custom.get("trace_id").and_then(Value::as_str).is_some_and(|id| is_hex(id, 32)) {
        custom.remove("trace_id");
    }
    custom.insert("service".to_owned(), BROWSER_SERVICE.into());
    custom.insert("telemetry.origin".to_owned(), "browser".into());
    custom.into()
}

/// Strings are cut, lists and objects shortened, and what lies too deep is nothing.
fn bound(value: &mut Value, depth: usize) {
    match value {
        Value::String(text) => *text = cut(text, MAX_STRING).to_owned(),
        Value::Array(_) | Value::Object(_) if depth >= MAX_DEPTH => *value = Value::Null,
        Value::Array(items) => {
            items.truncate(MAX_ITEMS);
            items.iter_mut().for_each(|item| bound(item, depth + 1));
        }
        Value::Object(members) => {
            let mut kept = 0;
            members.retain(|key, _| {
                kept += 1;
                kept <= MAX_MEMBERS && key.len() <= MAX_KEY
            });
            members.values_mut().for_each(|value| bound(value, depth + 1));
        }
        _ => {}
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && text.bytes().any(|b| b != b'0')
}
