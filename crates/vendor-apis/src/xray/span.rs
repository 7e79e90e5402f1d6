//! Between documents and spans, in both directions: a document that came alone is shown as a span, and a span that came
//! by OTLP is answered as a document.

use ::xray::segment::{Annotation, Cause, Document, Exception, Frame};
use ::xray::span as plain;
use ::xray::{Options, SpanId, TraceId, translate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A span as the console keeps it. Times are nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub trace_id: TraceId,
    pub id: SpanId,
    pub parent: Option<SpanId>,
    pub name: String,
    pub kind: plain::Kind,
    pub start: i64,
    /// 0 while it runs.
    pub duration: i64,
    pub in_progress: bool,
    pub status: Status,
    pub attributes: Map<String, Value>,
    pub events: Vec<Event>,
    pub links: Vec<Link>,
    pub origin: Origin,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Unset,
    Ok,
    Error(String),
}

/// Who made a span.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    Known {
        resource: Map<String, Value>,
        /// Name and version.
        scope: Option<(String, String)>,
    },
    /// A subsegment on its own tells nothing of its service: it is that of its parent.
    OfParent,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub name: String,
    pub time_unix_nano: i64,
    pub attributes: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub trace_id: String,
    pub span_id: String,
    pub attributes: Map<String, Value>,
}

/// A document and the subsegments in it as spans, parents first.
///
/// Attributes have OpenTelemetry's stable names where there is one; annotations keep their keys, metadata becomes
/// `aws.xray.metadata.<namespace>`, and what has no other place `aws.xray.*`.
pub fn of_document(document: &Document) -> Vec<Span> {
    let Some(trace_id) = document.trace_id else { return Vec::new() };
    let mut spans = Vec::new();
    let origin = if document.is_subsegment() { Origin::OfParent } else { origin(document) };
    collect(document, trace_id, document.parent_id, &origin, &mut spans);
    spans
}

fn collect(
    document: &Document,
    trace_id: TraceId,
    parent: Option<SpanId>,
    origin: &Origin,
    into: &mut Vec<Span>,
) {
    let Some(id) = document.id else { return };
    let start = nanos(document.start_time);
    into.push(Span {
        trace_id,
        id,
        parent,
        name: document.name.clone(),
        kind: kind(document, into.is_empty()),
        start,
        duration: document.end_time.map_or(0, |end| (nanos(end) - start).max(0)),
        in_progress: document.end_time.is_none(),
        status: status(document, into.is_empty()),
        attributes: attributes(document),
        events: exceptions(document),
        links: document
            .links
            .iter()
            .map(|link| Link {
                trace_id: link.trace_id.to_w3c(),
                span_id: link.id.to_string(),
                attributes: link.attributes.clone(),
            })
            .collect(),
        origin: origin.clone(),
    });
    for child in &document.subsegments {
        collect(child, trace_id, Some(id), origin, into);
    }
}

fn is_segment(document: &Document, is_top: bool) -> bool {
    is_top && !document.is_subsegment()
}

fn kind(document: &Document, is_top: bool) -> plain::Kind {
    match document.namespace.as_deref() {
        _ if is_segment(document, is_top) => plain::Kind::Server,
        Some("aws" | "remote") => plain::Kind::Client,
        _ => plain::Kind::Internal,
    }
}

/// A caller's mistake is no error of the server that says so (semantic conventions of HTTP); anything else marked is.
fn status(document: &Document, is_top: bool) -> Status {
    let answered = document.http.as_ref().is_some_and(|http| http.response.is_some());
    let is_callers = is_segment(document, is_top) && answered;
    if !document.fault && !((document.error || document.throttle) && !is_callers) {
        return Status::Unset;
    }
    let message = match &document.cause {
        Some(Cause::Here(cause)) => cause.exceptions.first().and_then(|exception| exception.message.clone()),
        _ => None,
    };
    Status::Error(message.unwrap_or_default())
}

fn origin(document: &Document) -> Origin {
    let mut resource = Map::new();
    resource.insert("service.name".to_owned(), document.name.clone().into());
    let mut set = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            resource.insert(key.to_owned(), value.into());
        }
    };
    if let Some(service) = &document.service {
        set("service.version", service.version.as_deref());
        set("process.runtime.name", service.runtime.as_deref());
        set("process.runtime.version", service.runtime_version.as_deref());
    }
    set("aws.xray.origin", document.origin.as_deref());
    let aws = document.aws.as_ref();
    if let Some(ec2) = aws.and_then(|aws| aws.ec2.as_ref()) {
        set("host.id", ec2.instance_id.as_deref());
        set("cloud.availability_zone", ec2.availability_zone.as_deref());
    }
    if let Some(ecs) = aws.and_then(|aws| aws.ecs.as_ref()) {
        set("container.id", ecs.container_id.as_deref());
        set("aws.ecs.container.arn", ecs.container_arn.as_deref());
    }
    if let Some(eks) = aws.and_then(|aws| aws.eks.as_ref()) {
        set("k8s.cluster.name", eks.cluster_name.as_deref());
        set("k8s.pod.name", eks.pod.as_deref());
    }
    let sdk = aws.and_then(|aws| aws.xray.as_ref());
    let scope =
        sdk.and_then(|sdk| sdk.sdk.clone().map(|name| (name, sdk.sdk_version.clone().unwrap_or_default())));
    Origin::Known { resource, scope }
}

fn attributes(document: &Document) -> Map<String, Value> {
    let mut attributes = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            attributes.insert(key.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    for (namespace, values) in &document.metadata {
        set(&format!("aws.xray.metadata.{namespace}"), Some(Value::Object(values.clone())));
    }
    for (key, annotation) in &document.annotations {
        set(key, Some(annotation_to_json(annotation)));
    }
    if let Some(http) = &document.http {
        set("http.request.method", text(&http.request.method));
        set("url.full", text(&http.request.url));
        set("user_agent.original", text(&http.request.user_agent));
        set("client.address", text(&http.request.client_ip));
        let response = http.response.unwrap_or_default();
        set("http.response.status_code", response.status.map(Value::from));
        set("http.response.body.size", response.content_length.map(Value::from));
    }
    if let Some(sql) = &document.sql {
        set("db.system.name", sql.database_type.as_ref().map(|kind| kind.to_lowercase().into()));
        set("db.query.text", text(&sql.sanitized_query));
        set("aws.xray.sql.url", sql.url.clone().or_else(|| sql.connection_string.clone()).map(Value::from));
        set("aws.xray.sql.user", text(&sql.user));
    }
    if let Some(aws) = &document.aws {
        set("aws.operation", text(&aws.operation));
        set("aws.region", text(&aws.region));
        set("aws.request_id", text(&aws.request_id));
        set("aws.queue_url", text(&aws.queue_url));
        set("aws.table_name", text(&aws.table_name));
        let rule = aws.xray.as_ref().and_then(|sdk| sdk.sampling_rule_name.clone());
        set("aws.xray.sampling_rule", rule.map(Value::from));
    }
    set("enduser.id", text(&document.user));
    set("aws.xray.namespace", text(&document.namespace));
    set("aws.xray.in_progress", document.end_time.is_none().then_some(Value::Bool(true)));
    set("aws.xray.throttle", document.throttle.then_some(Value::Bool(true)));
    if let Some(Cause::Elsewhere(id)) = &document.cause {
        set("aws.xray.cause", Some(id.clone().into()));
    }
    attributes
}

pub(crate) fn annotation_to_json(annotation: &Annotation) -> Value {
    match annotation {
        Annotation::Bool(value) => (*value).into(),
        Annotation::Int(value) => (*value).into(),
        Annotation::Double(value) => json!(value),
        Annotation::Text(value) => value.clone().into(),
    }
}

fn exceptions(document: &Document) -> Vec<Event> {
    let Some(Cause::Here(cause)) = &document.cause else { return Vec::new() };
    let time = nanos(document.end_time.unwrap_or(document.start_time));
    cause.exceptions.iter().map(|exception| event(exception, time)).collect()
}

fn event(exception: &Exception, time: i64) -> Event {
    let mut attributes = Map::new();
    let mut set = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            attributes.insert(key.to_owned(), value.into());
        }
    };
    set("exception.type", exception.kind.clone());
    set("exception.message", exception.message.clone());
    let frames: Vec<String> = exception.stack.iter().map(frame).collect();
    set("exception.stacktrace", (!frames.is_empty()).then(|| frames.join("\n")));
    Event { name: "exception".to_owned(), time_unix_nano: time, attributes }
}

fn frame(Frame { path, line, label }: &Frame) -> String {
    format!("    at {label} ({path}:{line})")
}

/// Seconds to nanoseconds. An f64 tells 0.24 µs apart in this century; the rest of the digits is noise.
fn nanos(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64 * 1_000
}

impl Span {
    /// The documents of a span that came by OTLP: two for some entries of a service, else one.
    pub fn to_documents(&self, options: &Options) -> Vec<Document> {
        let Origin::Known { resource, scope } = &self.origin else { return Vec::new() };
        let scope = scope
            .as_ref()
            .map_or_else(plain::Scope::default, |(name, version)| plain::Scope { name, version });
        let span = plain::Span {
            trace_id: self.trace_id,
            id: self.id,
            parent: self.parent,
            name: &self.name,
            kind: self.kind,
            start: self.start.max(0) as u64,
            end: (!self.in_progress).then(|| self.start.saturating_add(self.duration).max(0) as u64),
            status: match &self.status {
                Status::Unset => plain::Status::Unset,
                Status::Ok => plain::Status::Ok,
                Status::Error(message) => plain::Status::Error(message),
            },
            attributes: plain_attributes(&self.attributes),
            events: self
                .events
                .iter()
                .map(|event| plain::Event {
                    name: &event.name,
                    time: event.time_unix_nano.max(0) as u64,
                    attributes: plain_attributes(&event.attributes),
                })
                .collect(),
            links: self.links.iter().filter_map(plain_link).collect(),
            scope,
        };
        translate(&span, &plain::Resource { attributes: plain_attributes(resource) }, options)
    }
}

fn plain_attributes(attributes: &Map<String, Value>) -> Vec<plain::Attribute<'_>> {
    attributes.iter().map(|(key, value)| (key.as_str(), plain::Value::from(value))).collect()
}

/// A link whose ids are none is left out: X-Ray would refuse the whole document for it.
fn plain_link(link: &Link) -> Option<plain::Link<'_>> {
    Some(plain::Link {
        trace_id: link.trace_id.parse().ok()?,
        id: link.span_id.parse().ok()?,
        attributes: plain_attributes(&link.attributes),
    })
}

/// The service of a span, by its resource.
pub fn service(resource: &Map<String, Value>) -> Option<&str> {
    resource.get("service.name").and_then(Value::as_str).filter(|name| !name.is_empty())
}
