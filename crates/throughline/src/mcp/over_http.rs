//! The protocol over HTTP, for assistants that do not start us. Without sessions: every request is answered by itself, in
//! JSON, so that whoever comes and goes leaves nothing behind.

use std::sync::Arc;

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, web};
use anyhow::Context as _;
use env::{ConfigError, Env, Secret};
use http_body_util::{BodyDataStream, Full};
use hyper::Request;
use hyper::body::Bytes;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use service::Problem;
use service::server::{Listen, Ready, Server, Settings, Tracing, read_body};

use super::Assistant;

/// Beside the console.
pub(super) const DEFAULT: &str = "127.0.0.1:4381";
const PATH: &str = "/mcp";

struct Door {
    service: StreamableHttpService<Assistant, NeverSessionManager>,
    /// The console's own: what is told here can be read there.
    token: Option<Secret>,
    max_body: usize,
}

/// Until SIGTERM or SIGINT.
pub(super) async fn serve(assistant: Assistant, listen: &Listen, env: &Env) -> anyhow::Result<()> {
    let token = env.secret("CONSOLE_TOKEN");
    if token.is_none() && !listen.is_loopback() {
        let problem = format!("is not set, and with --http {listen} everyone could read the traces");
        let example = "a-long-random-word".to_owned();
        return Err(ConfigError { variable: "CONSOLE_TOKEN".to_owned(), problem, example }.into());
    }
    let settings = Settings { listen: listen.clone(), ..Settings::from_env(DEFAULT, env)? };
    // `Host` is checked by the server, as everywhere (ALLOWED_HOSTS). Pages, who say their origin, are not for here.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .disable_allowed_hosts()
        .enforce_origin_validation();
    let service = StreamableHttpService::new(move || Ok(assistant.clone()), Arc::default(), config);
    let door = Data::new(Door { service, token, max_body: settings.max_body });
    let server = Server::bind(&settings, Tracing::Off, Ready::new(), move |app| {
        app.app_data(door.clone()).route(PATH, web::to(answer));
    })?;
    let at = format!("{listen}");
    let host = at.rsplit_once(':').map_or(at.as_str(), |it| it.0);
    crate::complain(format_args!("listens on http://{host}:{}{PATH}", server.port()));
    server.run().await.context("the server ended")
}

/// actix-web and rmcp name HTTP's parts by different types.
async fn answer(door: Data<Door>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let offered =
        request.headers().get(AUTHORIZATION).and_then(|it| it.to_str().ok()?.strip_prefix("Bearer "));
    if let Some(token) = &door.token
        && !offered.is_some_and(|offered| token.is(offered.trim()))
    {
        return Err(Problem::unauthorized("send CONSOLE_TOKEN as a bearer token"));
    }
    let body = read_body(payload, door.max_body).await?;
    let mut asked = Request::builder().method(request.method().as_str()).uri(PATH);
    for (name, value) in request.headers() {
        asked = asked.header(name.as_str(), value.as_bytes());
    }
    let asked: Request<Full<Bytes>> =
        asked.body(body.into()).map_err(|_| Problem::bad_request("the head of the request can't be read"))?;
    let (head, body) = door.service.handle(asked).await.into_parts();
    let status = actix_web::http::StatusCode::from_u16(head.status.as_u16());
    let mut response = HttpResponse::build(status.expect("a status in one is a status in the other"));
    for (name, value) in &head.headers {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    Ok(response.streaming(BodyDataStream::new(body)))
}
