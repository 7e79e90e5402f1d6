//! Reading documents of any SDK, as lenient as X-Ray: what is not in the schema, or of another type, is left out;
//! only the fields without which a document means nothing reject it.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Document;
use crate::id::{SpanId, TraceId};
use crate::limits::{MAX_DOCUMENT_BYTES, MAX_NAME_CHARS};
use crate::translate::is_name_char;

/// One item of `UnprocessedTraceSegments`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid {}. ErrorCode: {code:?}{}", if *subsegment { "subsegment" } else { "segment" }, if *subsegment { ", Cause: null" } else { "" })]
pub struct Rejected {
    /// As the document spells it, however wrong.
    pub id: Option<String>,
    pub code: Code,
    pub subsegment: bool,
}

/// The codes seen in answers of `PutTraceSegments`; their `Debug` is the wire's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    ParseError,
    MissingId,
    InvalidId,
    InvalidTraceId,
    MissingParentId,
    InvalidName,
    MissingEndTime,
    InvalidSegment,
}

/// Nested subsegments deeper than this are left out. serde_json itself refuses 128.
const MAX_DEPTH: usize = 32;

/// Reads one document, with its embedded subsegments.
pub fn read(text: &str) -> Result<Document, Rejected> {
    let reject = |code| Err(Rejected { id: None, code, subsegment: false });
    if text.len() > MAX_DOCUMENT_BYTES {
        return reject(Code::InvalidSegment);
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => top(fields),
        Ok(_) => reject(Code::InvalidSegment),
        Err(_) => reject(Code::ParseError),
    }
}

fn top(fields: Map<String, Value>) -> Result<Document, Rejected> {
    let id = fields.get("id").and_then(Value::as_str).map(str::to_owned);
    let subsegment = fields.get("type").and_then(Value::as_str) == Some("subsegment");
    let reject = |code| Rejected { id: id.clone(), code, subsegment };
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();

    TraceId::parse_xray(text("trace_id")).map_err(|_| reject(Code::InvalidTraceId))?;
    if subsegment && text("parent_id").parse::<SpanId>().is_err() {
        return Err(reject(Code::MissingParentId));
    }
    check(&fields).map_err(reject)?;
    Ok(build(fields, 0))
}

/// What every segment and subsegment must have, embedded or not.
fn check(fields: &Map<String, Value>) -> Result<(), Code> {
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("id").is_empty() {
        return Err(Code::MissingId);
    }
    text("id").parse::<SpanId>().map_err(|_| Code::InvalidId)?;
    let name = text("name");
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || !name.chars().all(is_letter_or_sign) {
        return Err(Code::InvalidName);
    }
    let time = |key: &str| fields.get(key).and_then(Value::as_f64);
    let in_progress = fields.get("in_progress") == Some(&Value::Bool(true));
    match (time("start_time"), time("end_time")) {
        (Some(start), Some(end)) if start >= 0.0 && end >= start => Ok(()),
        (Some(start), None) if start >= 0.0 && in_progress => Ok(()),
        (Some(_), None) => Err(Code::MissingEndTime),
        _ => Err(Code::InvalidSegment),
    }
}

/// Fields that do not fit are dropped one by one; `check` has seen to the required ones.
fn build(mut fields: Map<String, Value>, depth: usize) -> Document {
    let embedded = match fields.remove("subsegments") {
        Some(Value::Array(items)) if depth < MAX_DEPTH => items,
        _ => Vec::new(),
    };
    if fields.contains_key("end_time") {
        fields.remove("in_progress");
    }
    if let Some(Value::Object(annotations)) = fields.get_mut("annotations") {
        annotations.retain(|_, value| value.is_string() || value.is_number() || value.is_boolean());
    }
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        metadata.retain(|_, value| value.is_object());
    }
    let mut document = Document::deserialize(&fields).unwrap_or_else(|_| {
        fields.retain(|key, value| {
            let alone = Map::from_iter([(key.clone(), value.clone())]);
            Document::deserialize(&alone).is_ok()
        });
        Document::deserialize(&fields).unwrap_or_default()
    });
    document.subsegments = embedded
        .into_iter()
        .filter_map(|item| match item {
            Value::Object(fields) if check(&fields).is_ok() => Some(build(fields, depth + 1)),
            _ => None,
        })
        .collect();
    document
}

/// A little wider than what we write ourselves: no letter of any script may reject somebody's segment.
fn is_letter_or_sign(c: char) -> bool {
    is_name_char(c) || (!c.is_ascii() && c.is_alphabetic())
}
