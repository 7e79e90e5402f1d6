//! A trace as X-Ray's queries see it: documents put together, callees that did not report themselves inferred.

use std::collections::HashMap;

use ::xray::segment::{Document, Http, read};
use ::xray::{Options, SpanId, TraceId};

use super::store::Trace;

/// A trace of which every segment and subsegment has its place.
pub(crate) struct View {
    pub(crate) id: TraceId,
    pub(crate) nodes: Vec<Node>,
    pub(crate) limit_exceeded: bool,
}

/// A segment or a subsegment, however it came.
pub(crate) struct Node {
    /// Its `subsegments` are nodes of their own.
    pub(crate) document: Document,
    pub(crate) is_segment: bool,
    pub(crate) parent: Option<usize>,
    pub(crate) children: Vec<usize>,
    /// The segment that it is or is part of; `None` while that has not arrived.
    pub(crate) segment: Option<usize>,
}

/// A node of the service graph. `kind` is empty for a service that says nothing of where it runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) kind: String,
}

/// Something was called: a service that reports itself, or one that is inferred from the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The segment that called; `None` for a client out of sight.
    pub(crate) caller: Option<usize>,
    /// The segment that was called, or the subsegment that stands for it.
    pub(crate) callee: usize,
}

impl View {
    pub(crate) fn new(id: TraceId, trace: &Trace) -> Self {
        let options = Options::default();
        // What is stored could be read once; a document that a later version refuses is left out.
        let received = trace.documents.iter().filter_map(|text| read(text).ok());
        let translated = trace.spans.iter().flat_map(|span| span.to_documents(&options));
        let mut nodes = Vec::new();
        let mut by_id = HashMap::new();
        for document in received.chain(translated) {
            let is_segment = !document.is_subsegment();
            add(document, is_segment, None, &mut nodes, &mut by_id);
        }
        for place in 0..nodes.len() {
            let node: &Node = &nodes[place];
            let parent = node.parent.or_else(|| by_id.get(&node.document.parent_id?).copied());
            nodes[place].parent = parent.filter(|parent| *parent != place);
            if let Some(parent) = nodes[place].parent {
                nodes[parent].children.push(place);
            }
        }
        for place in 0..nodes.len() {
            nodes[place].segment = segment_of(&nodes, place);
        }
        let limit_exceeded = trace.limit_exceeded;
        Self { id, nodes, limit_exceeded }
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(|place| self.nodes[*place].is_segment)
    }

    /// The segment that the world called: the earliest without a caller, or while there is none the earliest of all.
    pub(crate) fn entry(&self) -> Option<usize> {
        let earliest = |a: &usize, b: &usize| {
            self.nodes[*a].document.start_time.total_cmp(&self.nodes[*b].document.start_time)
        };
        let root = self.segments().filter(|place| self.nodes[*place].document.parent_id.is_none());
        root.min_by(earliest)
            .or_else(|| self.segments().filter(|place| self.nodes[*place].parent.is_none()).min_by(earliest))
            .or_else(|| self.segments().min_by(earliest))
    }

    /// Whose flags are the trace's. A trace without a segment is told by its first subsegment.
    pub(crate) fn head(&self) -> Option<&Document> {
        let place = self.entry().or((!self.nodes.is_empty()).then_some(0))?;
        Some(&self.nodes[place].document)
    }

    /// The request that the trace answers: the entry's, or the first that any segment knows of.
    pub(crate) fn http(&self) -> Option<&Http> {
        let entry = self.entry().and_then(|place| self.nodes[place].document.http.as_ref());
        entry.or_else(|| self.segments().find_map(|place| self.nodes[place].document.http.as_ref()))
    }

    /// Seconds since 1970.
    pub(crate) fn start(&self) -> f64 {
        self.nodes.iter().map(|node| node.document.start_time).min_by(f64::total_cmp).unwrap_or_default()
    }

    /// From the first start to the last end, in seconds.
    pub(crate) fn duration(&self) -> f64 {
        let ends = self.nodes.iter().map(|node| node.document.end_time.unwrap_or(node.document.start_time));
        let end = ends.max_by(f64::total_cmp).unwrap_or_default();
        (end - self.start()).max(0.0)
    }

    /// Something has not ended, or a subsegment has not found its segment.
    pub(crate) fn is_partial(&self) -> bool {
        self.nodes.iter().any(|node| node.document.end_time.is_none() || node.segment.is_none())
    }

    /// The service that a node is, for a subsegment the one that it is inferred from.
    pub(crate) fn service(&self, place: usize) -> Service {
        let document = &self.nodes[place].document;
        let kind = if self.nodes[place].is_segment {
            document.origin.clone().unwrap_or_default()
        } else {
            inferred_kind(document)
        };
        Service { name: document.name.clone(), kind }
    }

    /// Whether a callee that does not report itself is inferred from this subsegment.
    pub(crate) fn is_inferred(&self, place: usize) -> bool {
        let node = &self.nodes[place];
        let is_call = matches!(node.document.namespace.as_deref(), Some("aws" | "remote"));
        // A callee that is announced as traced is waited for.
        let is_announced = node.document.http.as_ref().is_some_and(|http| http.request.traced);
        !node.is_segment
            && is_call
            && !is_announced
            && !node.children.iter().any(|child| self.nodes[*child].is_segment)
    }

    /// Every call between services, that of the client at the entry first.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        for (place, node) in self.nodes.iter().enumerate() {
            if node.is_segment {
                let caller = node.parent.and_then(|parent| self.nodes[parent].segment);
                if caller.is_some() || node.document.parent_id.is_none() {
                    calls.push(Call { caller, callee: place });
                }
            } else if self.is_inferred(place) && node.segment.is_some() {
                calls.push(Call { caller: node.segment, callee: place });
            }
        }
        calls.sort_by_key(|call| call.caller.is_some());
        calls
    }
}

impl Node {
    /// In seconds; `None` while it runs.
    pub(crate) fn duration(&self) -> Option<f64> {
        self.document.end_time.map(|end| (end - self.document.start_time).max(0.0))
    }
}

/// Of an id that is there twice the first stays.
fn add(
    mut document: Document,
    is_segment: bool,
    parent: Option<usize>,
    nodes: &mut Vec<Node>,
    by_id: &mut HashMap<SpanId, usize>,
) {
    let children = std::mem::take(&mut document.subsegments);
    let place = nodes.len();
    if let Some(id) = document.id {
        if by_id.contains_key(&id) {
            return;
        }
        by_id.insert(id, place);
    }
    nodes.push(Node { document, is_segment, parent, children: Vec::new(), segment: None });
    for child in children {
        add(child, false, Some(place), nodes, by_id);
    }
}

/// Parents may form a loop, so nobody has more of them than there are nodes.
fn segment_of(nodes: &[Node], place: usize) -> Option<usize> {
    let mut place = place;
    for _ in 0..nodes.len() {
        if nodes[place].is_segment {
            return Some(place);
        }
        if let Some(known) = nodes[place].segment {
            return Some(known);
        }
        place = nodes[place].parent?;
    }
    None
}

/// As X-Ray names the nodes that it infers.
pub(crate) fn inferred_kind(document: &Document) -> String {
    if document.sql.is_some() {
        return "Database::SQL".to_owned();
    }
    if document.namespace.as_deref() != Some("aws") {
        return "remote".to_owned();
    }
    match document.name.as_str() {
        "DynamoDB" => "AWS::DynamoDB::Table".to_owned(),
        "SQS" => "AWS::SQS::Queue".to_owned(),
        "S3" => "AWS::S3::Bucket".to_owned(),
        name => format!("AWS::{name}"),
    }
}
