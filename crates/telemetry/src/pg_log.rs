//! What a Postgres server's log tells, as spans of this process: for a reader that is the server's voice
//! (`throughline pg-log`). It is no part of a service.

use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue, global};
use pg_plan::log::LogSpan;

use crate::attributes::{DB_SYSTEM_NAME, POSTGRESQL_LOCK_HOLDER_TRACEPARENT, THROUGHLINE_LINK};
use crate::init::state;
use crate::postgres::plan;
use crate::propagation::traceparent::Traceparent;

/// Ends a span and those below it. Without a parent it begins a trace, if the sampler wants one.
pub fn tell(told: LogSpan) {
    let tracer = global::tracer("throughline-pg-log");
    let parent = told.parent.as_deref().and_then(remote);
    let cx = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
    let mut attributes = vec![KeyValue::new(DB_SYSTEM_NAME, "postgresql")];
    attributes.extend(told.attributes.into_iter().map(|(key, value)| KeyValue::new(key, plan::plain(value))));
    let mut links = Vec::new();
    if let Some(holder) = told.holder.as_deref().and_then(remote) {
        attributes
            .push(KeyValue::new(POSTGRESQL_LOCK_HOLDER_TRACEPARENT, Traceparent::from(&holder).to_string()));
        links.push(Link::new(holder, vec![KeyValue::new(THROUGHLINE_LINK, "lock holder")], 0));
    }
    let began = UNIX_EPOCH + told.start;
    let builder = tracer
        .span_builder(told.name)
        .with_kind(if told.server { SpanKind::Server } else { SpanKind::Internal })
        .with_start_time(began)
        .with_attributes(attributes)
        .with_links(links);
    let mut span = tracer.build_with_context(builder, &cx);
    if let Some(error) = told.error {
        span.set_status(Status::error(error));
    }
    plan::below(span.span_context(), began, told.below);
    span.end_with_timestamp(UNIX_EPOCH + told.end);
}

/// Waits until what was told before has left: false if a destination still lacks some of it at the deadline. What was
/// refused or dropped has left, too, and is counted ([`crate::delivery_report`]).
pub fn sent(deadline: Duration) -> bool {
    let Some(pipeline) = &state().pipeline else { return true };
    let flush = pipeline.flush(deadline);
    flush.waiting == 0 && flush.destinations.iter().all(|destination| destination.pending == 0)
}

fn remote(traceparent: &str) -> Option<SpanContext> {
    let Traceparent { trace_id, span_id, flags } = Traceparent::parse(traceparent.as_bytes())?;
    Some(SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE))
}
