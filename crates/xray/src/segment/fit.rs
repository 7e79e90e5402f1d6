//! Documents over the limit: first taken apart, then relieved of what weighs most and tells least. Never lost.

use serde_json::{Map, Value, json};

use super::{Cause, Document, DocumentType};
use crate::limits::cut;

/// Where a document says what it lost.
pub const MARKER: &str = "truncated";

/// How many of the removed metadata keys the marker names.
const NAMED_KEYS: usize = 10;
/// What remains of a list or a text when metadata alone was not enough.
const KEPT_FRAMES: usize = 8;
const KEPT_EXCEPTIONS: usize = 4;
const KEPT_CHARS: usize = 250;

/// Makes a document lighter, by as many bytes if it can, and says what went.
type Step = fn(&mut Document, usize) -> Map<String, Value>;

/// The documents as compact JSON, each at most `max_bytes` long, the segment first.
///
/// Embedded subsegments are sent on their own first. If that is not enough, metadata goes, the heaviest entry first,
/// then stack frames, links and long texts, and `metadata.truncated` counts what went. Ids, names, times, faults and
/// parents always stay, for which 4 KB are enough.
pub fn fit(document: Document, max_bytes: usize) -> Vec<String> {
    let mut texts = Vec::new();
    fit_into(document, max_bytes, &mut texts);
    texts
}

fn fit_into(mut document: Document, max_bytes: usize, texts: &mut Vec<String>) {
    let text = document.to_json();
    if text.len() <= max_bytes {
        texts.push(text);
        return;
    }
    let (independent, embedded): (Vec<_>, Vec<_>) =
        std::mem::take(&mut document.subsegments).into_iter().partition(|child| child.id.is_some());
    document.subsegments = embedded;
    let (trace_id, parent_id) = (document.trace_id, document.id);
    texts.push(shed(document, max_bytes));
    for mut child in independent {
        (child.trace_id, child.parent_id) = (trace_id, parent_id);
        child.kind = Some(DocumentType::Subsegment);
        fit_into(child, max_bytes, texts);
    }
}

/// One document without subsegments worth sending, made small enough.
fn shed(mut document: Document, max_bytes: usize) -> String {
    let steps: [Step; 4] = [shed_metadata, shed_details, shed_annotations, shed_blocks];
    let mut text = document.to_json();
    for step in steps {
        if text.len() <= max_bytes {
            break;
        }
        let removed = step(&mut document, text.len() - max_bytes);
        let marker = document.metadata.entry(MARKER.to_owned()).or_default();
        marker.extend(removed);
        text = document.to_json();
    }
    if text.len() > max_bytes {
        document.metadata.clear();
        text = document.to_json();
    }
    text
}

/// Removes the heaviest entries until `excess` bytes and the marker's own are gone.
fn shed_metadata(document: &mut Document, excess: usize) -> Map<String, Value> {
    let mut entries: Vec<(usize, String, String)> = Vec::new();
    for (namespace, values) in &document.metadata {
        for (key, value) in values {
            entries.push((value.to_string().len() + key.len(), namespace.clone(), key.clone()));
        }
    }
    entries.sort_by(|a, b| b.cmp(a));
    let (mut bytes, mut count, mut named) = (0, 0, Vec::new());
    for (size, namespace, key) in entries {
        if bytes >= excess + 2_048 {
            break;
        }
        if let Some(values) = document.metadata.get_mut(&namespace) {
            values.remove(&key);
        }
        bytes += size;
        count += 1;
        if named.len() < NAMED_KEYS {
            named.push(format!("{}.{}", cut(&namespace, 50), cut(&key, 100)));
        }
    }
    document.metadata.retain(|_, values| !values.is_empty());
    Map::from_iter([
        ("metadata_bytes".to_owned(), json!(bytes)),
        ("metadata_entries".to_owned(), json!(count)),
        ("heaviest".to_owned(), json!(named)),
    ])
}

/// Deep stacks, links and long texts.
fn shed_details(document: &mut Document, _: usize) -> Map<String, Value> {
    if let Some(Cause::Here(cause)) = &mut document.cause {
        let skipped = cause.exceptions.len().saturating_sub(KEPT_EXCEPTIONS);
        cause.exceptions.truncate(KEPT_EXCEPTIONS);
        cause.paths.clear();
        if let Some(last) = cause.exceptions.last_mut() {
            last.skipped += skipped as u64;
        }
        shorten(&mut cause.working_directory);
        for exception in &mut cause.exceptions {
            exception.truncated += exception.stack.len().saturating_sub(KEPT_FRAMES) as u64;
            exception.stack.truncate(KEPT_FRAMES);
            shorten(&mut exception.message);
            shorten(&mut exception.kind);
            for frame in &mut exception.stack {
                frame.path = cut(&frame.path, KEPT_CHARS).to_owned();
                frame.label = cut(&frame.label, KEPT_CHARS).to_owned();
            }
        }
    }
    if let Some(sql) = &mut document.sql {
        shorten(&mut sql.sanitized_query);
        shorten(&mut sql.connection_string);
        shorten(&mut sql.url);
    }
    let links = std::mem::take(&mut document.links).len();
    document.precursor_ids.clear();
    Map::from_iter([("links".to_owned(), json!(links)), ("details".to_owned(), json!(true))])
}

/// Fifty annotations of 1,000 characters are more than a document by themselves.
fn shed_annotations(document: &mut Document, excess: usize) -> Map<String, Value> {
    let mut bytes = 0;
    let mut count = 0;
    while bytes < excess + 256 {
        let heaviest =
            document.annotations.iter().map(|(key, value)| (json!(value).to_string().len() + key.len(), key));
        let Some((size, key)) = heaviest.max().map(|(size, key)| (size, key.clone())) else { break };
        document.annotations.remove(&key);
        bytes += size;
        count += 1;
    }
    Map::from_iter([("annotations".to_owned(), json!(count))])
}

/// Only what makes the node, the edge and the colour stays.
fn shed_blocks(document: &mut Document, _: usize) -> Map<String, Value> {
    document.aws = None;
    document.sql = None;
    document.service = None;
    document.resource_arn = None;
    document.cause = None;
    document.http = None;
    document.user = None;
    document.subsegments.clear();
    shorten(&mut document.origin);
    shorten(&mut document.namespace);
    document.name = cut(&document.name, crate::limits::MAX_NAME_CHARS).to_owned();
    Map::from_iter([("blocks".to_owned(), json!(true))])
}

fn shorten(text: &mut Option<String>) {
    if let Some(long) = text {
        *long = cut(long, KEPT_CHARS).to_owned();
    }
}
