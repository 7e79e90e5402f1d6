//! A service of a few routes, and requests down to the byte.

use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, ServiceConfig};
use serde_json::Value;
use service::server::{Listen, Ready, Server, Settings, Tracing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Running {
    pub(crate) port: u16,
    pub(crate) handle: ServerHandle,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn settings() -> Settings {
    Settings { workers: 1, ..Settings::new(Listen::loopback(0)) }
}

pub(crate) fn start(
    settings: &Settings,
    ready: Ready,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + Sync + 'static,
) -> Running {
    let server = Server::bind(settings, Tracing::On, ready, routes).unwrap();
    let (port, handle) = (server.port(), server.handle());
    telemetry::spawn(server.run());
    Running { port, handle }
}

/// A route that reads JSON and one that takes a number in its path.
pub(crate) fn echo(app: &mut ServiceConfig) {
    app.service(web::resource("/echo").post(async |body: web::Json<Value>| body))
        .service(web::resource("/numbers/{n}").get(async |n: web::Path<u32>| n.to_string()))
        .service(web::resource("/search").get(async |q: web::Query<Search>| q.term.clone()));
}

#[derive(serde::Deserialize)]
pub(crate) struct Search {
    term: String,
}

impl Running {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// Sends `request` as it is and reads until the server closes.
    pub(crate) async fn raw(&self, request: &str) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read(&mut stream).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// The answer, once the server has closed the connection.
pub(crate) async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await;
    let text = String::from_utf8(bytes).unwrap();
    end.unwrap_or_else(|_| panic!("the connection stayed open after {text:?}")).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer but {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

impl Answer {
    /// The slug of a problem, or nothing.
    pub(crate) fn kind(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).unwrap_or_default();
        problem["type"].as_str().unwrap_or_default().replace("urn:throughline:problem:", "")
    }
}
