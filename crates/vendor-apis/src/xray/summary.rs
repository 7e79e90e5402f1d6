//! A trace as `GetTraceSummaries` and `BatchGetTraces` answer it.

use std::collections::BTreeMap;

use ::xray::segment::{Annotation, Document};
use serde_json::{Map, Value, json};

use super::ACCOUNT;
use super::filter::{RootCause, root_causes};
use super::trace::{Service, View};

/// Each call that a callee is inferred from gets a segment of its own; ids of those are made of the subsegment's.
const INFERRED: u64 = 0x5eed_0000_0000_0001;

pub(crate) fn summary(view: &View) -> Value {
    let entry = view.entry();
    let head = view.head();
    let services = services(view);
    let mut summary = json!({
        "Id": view.id.to_string(),
        "StartTime": view.start(),
        "Duration": view.duration(),
        "ResponseTime": entry.and_then(|place| view.nodes[place].duration()).unwrap_or_default(),
        "HasFault": head.is_some_and(|document| document.fault),
        "HasError": head.is_some_and(|document| document.error),
        "HasThrottle": head.is_some_and(|document| document.throttle),
        "IsPartial": view.is_partial(),
        "Http": http(view),
        "Annotations": annotations(view),
        "Users": users(view),
        "ServiceIds": services.iter().map(service_id).collect::<Vec<_>>(),
        "ResourceARNs": distinct(view, |document| document.resource_arn.as_deref(), "ARN"),
        "InstanceIds": distinct(view, |document| document.aws.as_ref()?.ec2.as_ref()?.instance_id.as_deref(), "Id"),
        "AvailabilityZones": distinct(
            view,
            |document| document.aws.as_ref()?.ec2.as_ref()?.availability_zone.as_deref(),
            "Name",
        ),
        "FaultRootCauses": causes(view, RootCause::Fault),
        "ErrorRootCauses": causes(view, RootCause::Error),
        "ResponseTimeRootCauses": [],
        "Revision": 0,
        "MatchedEventTime": view.start(),
    });
    if let Some(entry) = entry {
        summary["EntryPoint"] = service_id(&view.service(entry));
    }
    summary
}

/// `Document` is what X-Ray makes of what it received: independent subsegments within their segment, unknown fields gone,
/// and a segment for each callee that did not report itself.
pub(crate) fn whole(view: &View) -> Value {
    let mut segments = Vec::new();
    for (place, node) in view.nodes.iter().enumerate() {
        let is_top = node.is_segment || node.segment.is_none() && node.parent.is_none();
        if is_top {
            segments.push(segment_json(&assemble(view, place, 0)));
        }
        if view.is_inferred(place) {
            segments.push(segment_json(&inferred(view, place)));
        }
    }
    json!({
        "Id": view.id.to_string(),
        "Duration": view.duration(),
        "LimitExceeded": view.limit_exceeded,
        "Segments": segments,
    })
}

fn segment_json(document: &Document) -> Value {
    json!({ "Id": document.id.map(|id| id.to_string()), "Document": document.to_json() })
}

/// Subsegments that are written within each other; deeper ones stand beside the deepest. serde_json reads 128.
const MAX_DEPTH: usize = 40;

fn assemble(view: &View, place: usize, depth: usize) -> Document {
    let node = &view.nodes[place];
    let mut document = node.document.clone();
    if depth > 0 {
        (document.trace_id, document.parent_id, document.kind) = (None, None, None);
    }
    let mut waiting: Vec<usize> =
        node.children.iter().rev().copied().filter(|child| !view.nodes[*child].is_segment).collect();
    while let Some(child) = waiting.pop() {
        if depth < MAX_DEPTH {
            document.subsegments.push(assemble(view, child, depth + 1));
        } else {
            let mut flat = view.nodes[child].document.clone();
            (flat.trace_id, flat.parent_id, flat.kind) = (None, None, None);
            document.subsegments.push(flat);
            let below = view.nodes[child].children.iter().rev();
            waiting.extend(below.copied().filter(|child| !view.nodes[*child].is_segment));
        }
    }
    document
}

fn inferred(view: &View, place: usize) -> Document {
    let call = &view.nodes[place].document;
    let id = call.id.map_or(INFERRED, |id| u64::from_be_bytes(id.to_bytes()) ^ INFERRED);
    Document {
        id: ::xray::SpanId::from_bytes(id.max(1).to_be_bytes()),
        trace_id: Some(view.id),
        parent_id: call.id,
        name: call.name.clone(),
        start_time: call.start_time,
        end_time: call.end_time,
        in_progress: call.in_progress,
        error: call.error,
        fault: call.fault,
        throttle: call.throttle,
        http: call.http.clone(),
        aws: call.aws.clone(),
        origin: Some(view.service(place).kind),
        inferred: true,
        ..Document::default()
    }
}

pub(crate) fn service_id(service: &Service) -> Value {
    let mut id = json!({ "Name": service.name, "Names": [service.name], "AccountId": ACCOUNT });
    if !service.kind.is_empty() {
        id["Type"] = service.kind.clone().into();
    }
    id
}

fn services(view: &View) -> Vec<Service> {
    let mut services: Vec<Service> = (0..view.nodes.len())
        .filter(|place| view.nodes[*place].is_segment || view.is_inferred(*place))
        .map(|place| view.service(place))
        .collect();
    services.sort_unstable();
    services.dedup();
    services
}

fn http(view: &View) -> Value {
    let Some(http) = view.http() else { return json!({}) };
    let mut json = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            json.insert(key.to_owned(), value);
        }
    };
    let request = &http.request;
    set("HttpURL", request.url.clone().map(Value::from));
    set("HttpStatus", http.response.and_then(|response| response.status).map(Value::from));
    set("HttpMethod", request.method.clone().map(Value::from));
    set("UserAgent", request.user_agent.clone().map(Value::from));
    set("ClientIp", request.client_ip.clone().map(Value::from));
    Value::Object(json)
}

/// By key the distinct values, each with the services that set it.
fn annotations(view: &View) -> Value {
    let mut by_key: BTreeMap<&str, Vec<(Value, Vec<Service>)>> = BTreeMap::new();
    for node in &view.nodes {
        for (key, annotation) in &node.document.annotations {
            let value = match annotation {
                Annotation::Bool(value) => json!({ "BooleanValue": value }),
                Annotation::Int(value) => json!({ "NumberValue": value }),
                Annotation::Double(value) => json!({ "NumberValue": value }),
                Annotation::Text(value) => json!({ "StringValue": value }),
            };
            let values = by_key.entry(key).or_default();
            let place = values.iter().position(|(known, _)| *known == value).unwrap_or_else(|| {
                values.push((value, Vec::new()));
                values.len() - 1
            });
            if let Some(service) = node.segment.map(|segment| view.service(segment))
                && !values[place].1.contains(&service)
            {
                values[place].1.push(service);
            }
        }
    }
    let to_json = |values: Vec<(Value, Vec<Service>)>| -> Value {
        let values = values.into_iter().map(|(value, services)| {
            json!({ "AnnotationValue": value, "ServiceIds": services.iter().map(service_id).collect::<Vec<_>>() })
        });
        values.collect()
    };
    Value::Object(by_key.into_iter().map(|(key, values)| (key.to_owned(), to_json(values))).collect())
}

fn users(view: &View) -> Value {
    let mut by_name: BTreeMap<&str, Vec<Service>> = BTreeMap::new();
    for node in &view.nodes {
        let Some(user) = node.document.user.as_deref() else { continue };
        let services = by_name.entry(user).or_default();
        if let Some(service) = node.segment.map(|segment| view.service(segment))
            && !services.contains(&service)
        {
            services.push(service);
        }
    }
    let users = by_name.into_iter().map(|(name, services)| {
        json!({ "UserName": name, "ServiceIds": services.iter().map(service_id).collect::<Vec<_>>() })
    });
    users.collect()
}

fn distinct(view: &View, value: impl Fn(&Document) -> Option<&str>, key: &str) -> Value {
    let mut values: Vec<&str> = view.nodes.iter().filter_map(|node| value(&node.document)).collect();
    values.sort_unstable();
    values.dedup();
    values.into_iter().map(|value| json!({ key: value })).collect()
}

/// The services from the entry down to where a failure began.
fn causes(view: &View, cause: RootCause) -> Value {
    let causes = root_causes(view, cause).into_iter().filter_map(|place| {
        let mut path = Vec::new();
        let mut segment = view.nodes[place].segment;
        while let Some(found) = segment {
            if path.len() > view.nodes.len() {
                return None;
            }
            path.push(found);
            segment = view.nodes[found].parent.and_then(|parent| view.nodes[parent].segment);
        }
        path.reverse();
        let last = *path.last()?;
        let services: Vec<Value> = path
            .iter()
            .map(|found| {
                let service = view.service(*found);
                let mut entities = vec![entity(&view.nodes[*found].document)];
                if *found == last && place != last {
                    entities.push(entity(&view.nodes[place].document));
                }
                json!({
                    "Name": service.name, "Names": [service.name], "Type": service.kind, "AccountId": ACCOUNT,
                    "Inferred": false, "EntityPath": entities,
                })
            })
            .collect();
        let is_clients = view.entry().is_some_and(|entry| path.first() == Some(&entry));
        Some(json!({ "ClientImpacting": is_clients, "Services": services }))
    });
    causes.collect()
}

fn entity(document: &Document) -> Value {
    let exceptions: Vec<Value> = match &document.cause {
        Some(::xray::segment::Cause::Here(cause)) => cause
            .exceptions
            .iter()
            .map(|exception| json!({ "Name": exception.kind, "Message": exception.message }))
            .collect(),
        _ => Vec::new(),
    };
    json!({ "Name": document.name, "Exceptions": exceptions, "Remote": document.namespace.as_deref() == Some("remote") })
}
