//! The one middleware of a service.
//!
//! It is made of two: ours reads the headers, chooses trace id and verdict once and keeps the OpenTelemetry Context
//! in place; inside it `tracing_actix_web::TracingLogger` drives our `RootSpanBuilder`.

mod edge;
mod server_span;

use std::cell::OnceCell;
use std::future::{Future, Ready, ready};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ResourceMap, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage};
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceId};
use opentelemetry::{Context, KeyValue};
use pin_project_lite::pin_project;
use tracing_actix_web::{StreamSpan, TracingLogger};

pub use edge::EdgePolicy;

use crate::attributes::ERROR_TYPE;
use crate::current::{self, Place, Server};
use crate::errors;
use crate::init::state;
use crate::propagation::traceparent::Traceparent;
use crate::propagation::{Caller, Incoming, respond};
use crate::sampling::{Chosen, new_span_id, new_trace_id};
use server_span::{ServerSpan, Stranger};

/// Traces every request of an `App`. Wrap it last, so that it is the outermost.
pub fn trace() -> Trace {
    Trace { edge: None }
}

/// The same for the door to the outside: whose trace ids and decisions count is the policy's business.
pub fn trace_edge(policy: EdgePolicy) -> Trace {
    Trace { edge: Some(Rc::new(policy)) }
}

/// See [`trace`].
#[derive(Clone)]
pub struct Trace {
    edge: Option<Rc<EdgePolicy>>,
}

/// The service that [`Trace`] makes.
pub struct TraceService<S> {
    inner: S,
    edge: Option<Rc<EdgePolicy>>,
    /// The application's, taken from the first request.
    routes: OnceCell<Rc<ResourceMap>>,
}

type Logged<S> = <TracingLogger<ServerSpan> as Transform<S, ServiceRequest>>::Transform;

impl<S, B> Transform<S, ServiceRequest> for Trace
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<TracedBody<StreamSpan<B>>>;
    type Error = Error;
    type Transform = TraceService<Logged<S>>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let logged = TracingLogger::<ServerSpan>::new().new_transform(service).into_inner();
        ready(logged.map(|inner| TraceService { inner, edge: self.edge.clone(), routes: OnceCell::new() }))
    }
}

impl<S, B> Service<ServiceRequest> for TraceService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<TracedBody<B>>;
    type Error = Error;
    type Future = TraceFuture<S::Future>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let start = match &self.edge {
            None => Start::of(Incoming::read(request.headers()), None, &request),
            Some(policy) => policy.start(&request),
        };
        let _context = start.context.clone().attach();
        let _chosen = Chosen::hold(start.root);
        if let Some(stranger) = start.link {
            request.extensions_mut().insert(Stranger(stranger));
        }
        let routes = self.routes.get_or_init(|| Rc::new(request.resource_map().clone()));
        let place = Place::new(request.path(), routes);
        let asked = errors::asked(&request);
        let inner = self.inner.call(request);
        if let Some(context) = server_span::take_started() {
            // TracingLogger enters the span around every poll, and with it the span's Context.
            let answer = Traceparent::from(context.span().span_context());
            let server = Some(Rc::new(Server::new(context, answer.span_id, place, asked)));
            return TraceFuture { inner, unsampled: None, server, answer };
        }
        let caller = Traceparent::from(start.context.span().span_context());
        let answer = Traceparent { span_id: new_span_id(), ..caller };
        let server = Some(Rc::new(Server::new(start.context.clone(), answer.span_id, place, asked)));
        TraceFuture { inner, unsampled: Some(start.context), server, answer }
    }
}

/// The Context in which a request's work begins.
struct Start {
    context: Context,
    /// The trace id of a sampled trace that begins here; its span has no parent to take the id from.
    root: Option<TraceId>,
    /// A stranger's trace: told, not joined.
    link: Option<SpanContext>,
}

impl Start {
    /// `verdict` overrides what the sampler says of a caller's decision.
    fn of(incoming: Incoming, verdict: Option<bool>, request: &ServiceRequest) -> Self {
        let state = state();
        let mut context = Context::new();
        if let Some(baggage) = incoming.baggage {
            context =
                context.with_baggage(baggage.iter().map(|(k, (v, _))| KeyValue::new(k.clone(), v.clone())));
        }
        let caller = incoming.caller.unwrap_or_else(|| Caller {
            trace_id: new_trace_id(),
            span_id: None,
            sampled: None,
            // The SDK gives its roots no random flag (0.33.1), so the ids that we make claim nothing.
            random: TraceFlags::default(),
        });
        let sampled = verdict.unwrap_or_else(|| match caller.sampled {
            // Switched off, we make no spans and tell no lies: the caller's decision goes on as it came.
            _ if !state.recording => caller.sampled.unwrap_or(false),
            Some(sampled) => state.sampler.child(caller.trace_id, sampled, Some(request)),
            None => state.sampler.root(caller.trace_id, Some(request)),
        });
        let tracestate = incoming.carried.tracestate.clone();
        context = incoming.carried.attach_to(context);
        let root = (sampled && state.recording && caller.span_id.is_none()).then_some(caller.trace_id);
        if root.is_none() {
            let parent = caller.span_id.unwrap_or_else(new_span_id);
            context =
                context.with_remote_span_context(caller.as_parent(parent, sampled, tracestate.as_deref()));
        }
        Self { context, root, link: None }
    }
}

pin_project! {
    /// A request being handled.
    pub struct TraceFuture<F> {
        #[pin]
        inner: F,
        // What an unsampled request runs in, since it has no span that would bring its Context.
        unsampled: Option<Context>,
        server: Option<Rc<Server>>,
        answer: Traceparent,
    }

    impl<F> PinnedDrop for TraceFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // Ready takes it: what is still here was dropped in the middle (a time limit, a failed write).
            if let Some(server) = this.project().server.take() {
                server.context.span().set_attribute(KeyValue::new(ERROR_TYPE, "cancelled"));
                errors::left(&server);
            }
        }
    }
}

impl<F, B> Future for TraceFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<TracedBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _context = this.unsampled.clone().map(Context::attach);
        let polled = {
            let _server = ServerScope::enter(this.server.clone());
            this.inner.poll(cx)
        };
        let outcome = ready!(polled);
        let server = this.server.take();
        let context = this.unsampled.take();
        Poll::Ready(match outcome {
            Ok(mut response) => {
                if let Some(server) = server {
                    errors::answered(&server, &response);
                }
                if this.answer.trace_id != TraceId::INVALID {
                    respond(*this.answer, response.headers_mut());
                }
                Ok(response.map_body(|_, inner| TracedBody { inner, context }))
            }
            Err(error) => {
                // An error that passed every handler: its answer is written here, where the trace is known.
                let _context = server.as_ref().map(|server| server.context.clone().attach());
                let mut response = error.error_response();
                if this.answer.trace_id != TraceId::INVALID {
                    respond(*this.answer, response.headers_mut());
                }
                if let Some(server) = server {
                    errors::left(&server);
                }
                Err(InternalError::from_response(error, response).into())
            }
        })
    }
}

pin_project! {
    /// A body whose chunks are made in the request's Context.
    pub struct TracedBody<B> {
        #[pin]
        inner: B,
        context: Option<Context>,
    }
}

impl<B: MessageBody> MessageBody for TracedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.inner.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        let _context = this.context.clone().map(Context::attach);
        this.inner.poll_next(cx)
    }
}

/// Which request `current::set_user_id` means, for the time of one poll.
struct ServerScope(Option<Rc<Server>>);

impl ServerScope {
    fn enter(server: Option<Rc<Server>>) -> Self {
        Self(current::swap_server(server))
    }
}

impl Drop for ServerScope {
    fn drop(&mut self) {
        current::swap_server(mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    /// This process has no telemetry, as one with `OTEL_SDK_DISABLED=true`: what comes in goes on as it came.
    #[test]
    fn switched_off_it_passes_on_what_came() {
        let check = |header: &'static str, expect: &str| {
            let request = TestRequest::default().insert_header(("traceparent", header)).to_srv_request();
            let start = Start::of(Incoming::read(request.headers()), None, &request);
            assert_eq!(start.root, None);
            let told = Traceparent::from(start.context.span().span_context()).to_string();
            assert!(told.starts_with(expect) || expect == "-00" && told.ends_with(expect), "{told}");
        };
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-";
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", &format!("{good}01"));
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02", &format!("{good}02"));
        // A trace that begins here is one that nobody keeps.
        check("broken", "-00");
    }
}
