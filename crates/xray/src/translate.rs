//! A span becomes X-Ray documents, by the rules of the OpenTelemetry Collector's `awsxrayexporter`.
//!
//! A SERVER span and a root become segments, everything else an independent subsegment of the same id under the same
//! parent, so the tree in X-Ray is the tree of the spans. Translation cannot fail: whatever X-Ray would refuse is
//! made acceptable here, and whatever finds no place of its own goes to metadata. The README lists where this departs
//! from the Collector, and why.

mod annotations;
mod attributes;
mod aws;
mod cause;
mod http;
mod local_root;
mod name;
mod sql;
mod stack;

use serde_json::json;

use crate::id::SpanId;
use crate::limits::{MAX_LINKS, MAX_STRING_CHARS, cut};
use crate::segment::{Document, DocumentType, LinkDocument, Service};
use crate::span::{Kind, Resource, Span, Status, attributes_to_json};
use attributes::Attributes;

pub use name::{is_name_char, sanitize as sanitize_name};
pub use sql::sanitize as sanitize_sql;

/// What is a matter of taste or of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Attributes that become annotations, which X-Ray indexes: exact keys, or `app.*` for all that begin so. Resource
    /// attributes are matched as `otel.resource.<key>`. A span adds to them by its own `aws.xray.annotations`.
    pub annotate: Vec<String>,
    /// Every attribute that no other block took.
    pub annotate_all: bool,
    /// X-Ray takes `.` in annotation keys since 2024, and then asks for `annotation[a.b]`. Off, `app.user_id` is
    /// `annotation.app_user_id`, which every tool understands.
    pub keep_dots: bool,
    /// CloudWatch log groups of the service, unless its resource names them.
    pub log_groups: Vec<String>,
    /// `metadata.otel`: the span's name where the document bears another, its events that are no exceptions, the
    /// status message beside an exception, the scope, and links beyond the limit. The Collector loses them.
    pub details: bool,
}

/// The namespace of metadata that nobody chose.
const DEFAULT: &str = "default";
/// Where the span's own facts go that have no field in X-Ray.
const DETAILS: &str = "otel";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Segment,
    Subsegment,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            annotate: ["app.*", "enduser.id", "user.id", "session.id"].map(str::to_owned).to_vec(),
            details: true,
            ..Self::collector()
        }
    }
}

impl Options {
    /// As the Collector's exporter is configured by default, with the gate `exporter.xray.allowDot` off.
    pub fn collector() -> Self {
        Self {
            annotate: Vec::new(),
            annotate_all: false,
            keep_dots: false,
            log_groups: Vec::new(),
            details: false,
        }
    }
}

/// The documents of one span: one, or two for a client span that `aws.span.kind=LOCAL_ROOT` marks as a service's entry.
///
/// They may be larger than X-Ray takes; [`crate::segment::fit`] writes them so that they are not.
pub fn translate(span: &Span, resource: &Resource, options: &Options) -> Vec<Document> {
    if !local_root::is_local_root(span) {
        let mut document = document(span, resource, options, None);
        local_root::name_remote(span, &mut document);
        return vec![document];
    }
    match span.kind {
        Kind::Server | Kind::Internal => {
            let mut document = document(span, resource, options, None);
            (document.kind, document.namespace) = (None, None);
            vec![document]
        }
        Kind::Client | Kind::Producer | Kind::Consumer => local_root::split(span, resource, options),
    }
}

/// One document. `hidden` names attributes that are not annotated.
fn document(span: &Span, resource: &Resource, options: &Options, hidden: Option<&[&str]>) -> Document {
    let shape = shape(span);
    let mut attributes = Attributes::new(&span.attributes);
    let resource_attributes = Attributes::new(&resource.attributes);

    let named = name::name(span, &attributes, &resource_attributes);
    // The order is the Collector's: an attribute that two blocks want goes to the first.
    let flags = cause::flags(span, &attributes);
    let (http, long_url) = http::http(span, &mut attributes).unzip();
    let cause = cause::cause(span, &mut attributes, &resource_attributes);
    let (aws, origin) = aws::aws(&mut attributes, &resource_attributes, options);
    let sql = sql::sql(span, &mut attributes);
    let user = user(&mut attributes);
    let (annotations, mut metadata) =
        annotations::annotations(&mut attributes, &resource_attributes, shape, options, hidden);
    if let Some(url) = long_url.flatten() {
        metadata.entry(DEFAULT.to_owned()).or_default().insert("url.full".to_owned(), url.into());
    }

    let links = span.links.iter().map(|link| LinkDocument {
        trace_id: link.trace_id,
        id: link.id,
        attributes: attributes_to_json(&link.attributes),
    });
    let mut links: Vec<LinkDocument> = links.collect();
    if options.details {
        let excess = links.split_off(links.len().min(MAX_LINKS));
        let details = details(span, &named.name, cause.is_some(), &excess);
        if !details.is_empty() {
            metadata.entry(DETAILS.to_owned()).or_default().extend(details);
        }
    }
    links.truncate(MAX_LINKS);

    let start_time = seconds(span.start);
    Document {
        id: Some(span.id),
        trace_id: Some(span.trace_id),
        parent_id: span.parent,
        name: named.name,
        start_time,
        end_time: span.end.map(|end| seconds(end).max(start_time)),
        in_progress: span.end.is_none(),
        kind: (shape == Shape::Subsegment).then_some(DocumentType::Subsegment),
        namespace: named.namespace.map(str::to_owned),
        error: flags.error,
        fault: flags.fault,
        throttle: flags.throttle,
        cause,
        http,
        sql,
        aws,
        service: service(&resource_attributes),
        origin: origin.map(str::to_owned),
        user,
        annotations,
        metadata,
        links,
        ..Document::default()
    }
}

fn shape(span: &Span) -> Shape {
    if span.kind != Kind::Server && span.parent.is_some() { Shape::Subsegment } else { Shape::Segment }
}

/// Seconds since 1970. An f64 tells 0.24 µs apart in this century, and X-Ray recommends microseconds.
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn service(resource: &Attributes) -> Option<Service> {
    let version = resource.text("service.version").or_else(|| resource.text("container.image.tag"))?;
    Some(Service { version: Some(version.to_owned()), ..Service::default() })
}

/// `user = "..."` in a filter expression. One that X-Ray would cut stays in metadata as well.
fn user(attributes: &mut Attributes) -> Option<String> {
    let key = ["enduser.id", "user.id"].into_iter().find(|key| attributes.text(key).is_some())?;
    attributes.take_short(key, MAX_STRING_CHARS)
}

fn details(
    span: &Span,
    document_name: &str,
    has_cause: bool,
    excess_links: &[LinkDocument],
) -> serde_json::Map<String, serde_json::Value> {
    let mut details = serde_json::Map::new();
    if span.name != document_name {
        details.insert("name".to_owned(), span.name.into());
    }
    if !span.scope.name.is_empty() {
        let scope = [span.scope.name, span.scope.version].join(" ");
        details.insert("scope".to_owned(), scope.trim_end().into());
    }
    if let Status::Error(message) = span.status
        && has_cause
        && !message.is_empty()
        && span.events.iter().any(|event| event.name == cause::EXCEPTION)
    {
        details.insert("status_message".to_owned(), message.into());
    }
    let events = span.events.iter().filter(|event| event.name != cause::EXCEPTION);
    let events: Vec<_> = events
        .map(|event| {
            json!({ "name": event.name, "time": seconds(event.time), "attributes": attributes_to_json(&event.attributes) })
        })
        .collect();
    if !events.is_empty() {
        details.insert("events".to_owned(), events.into());
    }
    if !excess_links.is_empty() {
        details.insert("links".to_owned(), json!(excess_links));
    }
    details
}

/// An id of 8 well-mixed bytes that follows from the span's (SplitMix64), for exceptions and made-up segments. Not random, so
/// that a span translated twice, or by two exporters, gives the same documents.
fn derived_id(id: SpanId, number: u64) -> SpanId {
    let mut state = u64::from_be_bytes(id.to_bytes()) ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^= state >> 31;
    SpanId::from_bytes(state.max(1).to_be_bytes()).expect("never zero")
}

/// A text of at most `max` characters.
fn short(text: &str, max: usize) -> Option<String> {
    (!text.is_empty()).then(|| cut(text, max).to_owned())
}
