//! The same handler, once bare and once under each way of tracing.

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::{App, Error, HttpResponse, HttpServer, Responder, web};
use opentelemetry::global;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::{
    FutureExt as _, SpanKind, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tracing_actix_web::{DefaultRootSpanBuilder, RootSpanBuilder, TracingLogger};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How long a variant may take to hand over what it holds.
const FLUSH: Duration = Duration::from_secs(60);

/// Serves `$app` on one worker and a free port until standard input closes, then runs `$flush` off the server.
macro_rules! run {
    ($app:expr, $flush:expr) => {{
        let server = HttpServer::new(move || $app).workers(1).bind(("127.0.0.1", 0))?;
        println!("{}", server.addrs()[0].port());
        let server = server.disable_signals().shutdown_timeout(1).run();
        let handle = server.handle();
        let closed = crate::stdin_closed();
        std::thread::spawn(move || {
            let _ = closed.recv();
            std::mem::drop(handle.stop(true));
        });
        server.await?;
        actix_web::rt::task::spawn_blocking($flush).await?;
        Ok(())
    }};
}

pub(crate) async fn serve(variant: &str, endpoint: &str) -> std::io::Result<()> {
    match variant {
        "bare" => run!(App::new().route("/hello/{id}", web::get().to(hello)), || ()),
        "ours-off" => {
            let guard = ours(&[("OTEL_SDK_DISABLED", "true")]);
            let finish = move || drop(guard.shutdown(FLUSH));
            run!(
                App::new().wrap(telemetry::actix::trace()).route("/hello/{id}", web::get().to(hello_ours)),
                finish
            )
        }
        "ours" => {
            let guard = ours(&[("CONSOLE_OTLP_ENDPOINT", endpoint)]);
            let finish = move || drop(guard.shutdown(FLUSH));
            run!(
                App::new().wrap(telemetry::actix::trace()).route("/hello/{id}", web::get().to(hello_ours)),
                finish
            )
        }
        "ours-log" => {
            let guard = ours(&[("CONSOLE_OTLP_ENDPOINT", endpoint)]);
            let finish = move || drop(guard.shutdown(FLUSH));
            run!(
                App::new()
                    .wrap(telemetry::actix::trace())
                    .route("/hello/{id}", web::get().to(hello_ours_log)),
                finish
            )
        }
        "stock" => {
            let provider = batch_provider(endpoint);
            global::set_text_map_propagator(TraceContextPropagator::new());
            tracing_subscriber::registry()
                .with(tracing_subscriber::EnvFilter::new("info"))
                .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("stock")))
                .init();
            let finish = move || drop(provider.shutdown());
            run!(
                App::new()
                    .wrap(TracingLogger::<StockRoot>::new())
                    .route("/hello/{id}", web::get().to(hello_tracing)),
                finish
            )
        }
        "contrib" => {
            let provider = batch_provider(endpoint);
            global::set_text_map_propagator(TraceContextPropagator::new());
            global::set_tracer_provider(provider.clone());
            let finish = move || drop(provider.shutdown());
            run!(
                App::new()
                    .wrap(opentelemetry_instrumentation_actix_web::RequestTracing::new())
                    .route("/hello/{id}", web::get().to(hello_api)),
                finish
            )
        }
        "sdk" => {
            let provider = batch_provider(endpoint);
            global::set_text_map_propagator(TraceContextPropagator::new());
            global::set_tracer_provider(provider.clone());
            let finish = move || drop(provider.shutdown());
            run!(App::new().wrap_fn(sdk_span).route("/hello/{id}", web::get().to(hello_api)), finish)
        }
        other => Err(std::io::Error::other(format!("no variant {other:?}"))),
    }
}

fn ours(variables: &[(&str, &str)]) -> telemetry::Guard {
    let env = env::Env::from_pairs(variables.iter().copied());
    let config = telemetry::Config::from_env("tracing-cost", &env).expect("a valid configuration");
    telemetry::init(config).expect("telemetry starts once")
}

/// The SDK's own batch processor with a queue that loses nothing at this load.
fn batch_provider(endpoint: &str) -> SdkTracerProvider {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .build()
        .expect("an exporter");
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(BatchConfigBuilder::default().with_max_queue_size(100_000).build())
        .build();
    SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_resource(Resource::builder().with_service_name("tracing-cost").build())
        .build()
}

// -- the handler, the same work under each: read {id}, answer JSON, say who the user is --

#[derive(serde::Serialize)]
struct Hello<'a> {
    hello: &'a str,
}

async fn hello(id: web::Path<String>) -> impl Responder {
    HttpResponse::Ok().json(Hello { hello: &id })
}

async fn hello_ours(id: web::Path<String>) -> impl Responder {
    telemetry::current::set_attribute(telemetry::attributes::APP_USER_ID, id.to_string());
    HttpResponse::Ok().json(Hello { hello: &id })
}

async fn hello_ours_log(id: web::Path<String>) -> impl Responder {
    telemetry::current::set_attribute(telemetry::attributes::APP_USER_ID, id.to_string());
    tracing::info!(route = "/hello/{id}", status = 200, "request");
    HttpResponse::Ok().json(Hello { hello: &id })
}

async fn hello_tracing(id: web::Path<String>) -> impl Responder {
    tracing::Span::current().set_attribute("app.user_id", id.to_string());
    HttpResponse::Ok().json(Hello { hello: &id })
}

async fn hello_api(id: web::Path<String>) -> impl Responder {
    Context::map_current(|cx| cx.span().set_attribute(KeyValue::new("app.user_id", id.to_string())));
    HttpResponse::Ok().json(Hello { hello: &id })
}

// -- the stock stack --

struct StockRoot;

impl RootSpanBuilder for StockRoot {
    fn on_request_start(request: &ServiceRequest) -> tracing::Span {
        let span = tracing_actix_web::root_span!(request);
        let parent = global::get_text_map_propagator(|p| p.extract(&Headers(request.headers())));
        let _ = span.set_parent(parent);
        span
    }

    fn on_request_end<B: MessageBody>(span: tracing::Span, outcome: &Result<ServiceResponse<B>, Error>) {
        DefaultRootSpanBuilder::on_request_end(span, outcome);
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|v| v.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(actix_web::http::header::HeaderName::as_str).collect()
    }
}

// -- the SDK by hand: the span that ours makes, on its API --

fn sdk_span<S, B>(
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<B>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let parent = global::get_text_map_propagator(|p| p.extract(&Headers(request.headers())));
    let tracer = global::tracer("sdk");
    let method = request.method().to_string();
    let mut attributes = Vec::with_capacity(12);
    attributes.push(KeyValue::new("http.request.method", method.clone()));
    attributes.push(KeyValue::new("url.path", request.path().to_owned()));
    attributes.push(KeyValue::new("url.scheme", "http"));
    if let Some((host, port)) = request.connection_info().host().rsplit_once(':') {
        attributes.push(KeyValue::new("server.address", host.to_owned()));
        attributes.push(KeyValue::new("server.port", port.parse::<i64>().unwrap_or_default()));
    }
    if let Some(agent) = request.headers().get("user-agent").and_then(|v| v.to_str().ok()) {
        attributes.push(KeyValue::new("user_agent.original", agent.to_owned()));
    }
    if let Some(peer) = request.peer_addr() {
        attributes.push(KeyValue::new("client.address", peer.ip().to_string()));
    }
    attributes.push(KeyValue::new("network.protocol.version", "1.1"));
    let span = tracer
        .span_builder(method.clone())
        .with_kind(SpanKind::Server)
        .with_attributes(attributes)
        .start_with_context(&tracer, &parent);
    let cx = parent.with_span(span);
    let ended = cx.clone();
    let future = service.call(request);
    async move {
        let outcome = future.await;
        if let Ok(response) = &outcome {
            let route = response.request().match_pattern().unwrap_or_default();
            let span = ended.span();
            span.update_name(format!("{method} {route}"));
            span.set_attribute(KeyValue::new("http.route", route));
            span.set_attribute(KeyValue::new(
                "http.response.status_code",
                i64::from(response.status().as_u16()),
            ));
        }
        ended.span().end();
        outcome
    }
    .with_context(cx)
}
