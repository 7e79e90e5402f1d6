//! Spans that Application Signals marks as a service's entry (`aws.span.kind=LOCAL_ROOT`) although they are calls:
//! they become two documents, the call and a segment for the service that makes it.

use super::{Options, derived_id, document, name};
use crate::segment::Document;
use crate::span::{Kind, Resource, Span, Value};

const REMOTE_SERVICE: &str = "aws.remote.service";
/// What the service segment does not index: it is about the callee.
const OF_THE_CALLEE: [&str; 4] =
    [REMOTE_SERVICE, "aws.remote.operation", "remoteTarget", "K8s.RemoteNamespace"];
const REMOTE: &str = "remote";

pub(super) fn is_local_root(span: &Span) -> bool {
    text(span, "aws.span.kind") == Some("LOCAL_ROOT")
}

/// A call that is no entry, and names its callee.
pub(super) fn name_remote(span: &Span, document: &mut Document) {
    let calls = matches!(span.kind, Kind::Client | Kind::Consumer | Kind::Producer);
    if calls
        && document.is_subsegment()
        && document.namespace.is_none()
        && text(span, REMOTE_SERVICE).is_some()
    {
        document.namespace = Some(REMOTE.to_owned());
    }
}

/// The call first, the service second.
pub(super) fn split(span: &Span, resource: &Resource, options: &Options) -> Vec<Document> {
    let service_id = derived_id(span.id, u64::MAX - 1);
    let mut call = document(span, resource, options, None);
    call.parent_id = Some(service_id);
    call.kind = Some(crate::segment::DocumentType::Subsegment);
    if call.namespace.is_none() {
        call.namespace = Some(REMOTE.to_owned());
    }
    if let Some(remote) = text(span, REMOTE_SERVICE) {
        call.name = name::sanitize(name::trim_aws(remote));
    }

    let mut service = document(span, resource, options, Some(&OF_THE_CALLEE));
    service.id = Some(service_id);
    if let Some(local) = text(span, "aws.local.service") {
        service.name = name::sanitize(local);
    }
    (service.kind, service.namespace, service.http, service.sql) = (None, None, None, None);
    if let Some(aws) = &mut service.aws {
        (aws.operation, aws.account_id, aws.region, aws.request_id) = (None, None, None, None);
        (aws.queue_url, aws.table_name) = (None, None);
        aws.table_names.clear();
    }
    for values in service.metadata.values_mut() {
        values.retain(|key, _| key.starts_with("otel.resource."));
    }
    service.metadata.retain(|_, values| !values.is_empty());

    // A consumer's links tell where its work came from, the others' where it goes.
    let without_links = if span.kind == Kind::Consumer { &mut call } else { &mut service };
    without_links.links.clear();
    vec![call, service]
}

fn text<'s>(span: &'s Span, key: &str) -> Option<&'s str> {
    let found = span.attributes.iter().rev().find(|(name, _)| *name == key);
    found.and_then(|(_, value)| Value::as_text(value)).filter(|text| !text.is_empty())
}
