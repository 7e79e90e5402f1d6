#![doc = include_str!("../README.md")]

mod api;
mod config;
mod pages;
mod relay;

use std::io;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{self, Data};
use service::server::{Ready, Server, Tracing, Untraced};
use telemetry::actix::EdgePolicy;

pub use config::Config;

use api::Gateway;
use pages::Pages;
use relay::Relay;

/// The edge, bound and ready to run.
pub struct Application {
    server: Server,
}

/// Why the edge does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Listen(#[from] io::Error),
}

/// On every answer. Scripts, styles and connections come from here and go to here, and nobody frames us.
const SECURITY_HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

impl Application {
    /// Nothing in it waits, but every role is built the same way.
    #[expect(clippy::unused_async, reason = "every role is built the same way")]
    pub async fn build(config: Config) -> Result<Self, BuildError> {
        let mut settings = config.server.clone();
        settings.response_headers = SECURITY_HEADERS
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let policy = EdgePolicy { browser_ratio: config.browser_ratio };
        let pages = Data::new(Pages::new(&config));
        let relay = Data::from(Arc::new(Relay::new(settings.max_body)));
        let item_relay = relay.clone();
        let page_files = pages.clone();
        let ready = Ready::new().check("web app", move || {
            let pages = page_files.clone();
            async move { pages.check().await }
        });
        let (assets, icon) = (pages.clone(), pages.clone());
        let untraced = Untraced::default()
            .scope("/assets", move |app| pages::assets(app, assets.clone()))
            .scope("/favicon.svg", move |app| pages::icon(app, icon.clone()))
            .scope("/v1", move |app| relay::routes(app, relay.clone()))
            .scope("/rollbar", move |app| relay::item_routes(app, item_relay.clone()));
        let server =
            Server::bind_with_untraced(&settings, Tracing::Edge(policy), ready, untraced, move |app| {
                app.app_data(Data::new(Gateway::new(&config.gateway_url, config.api_timeout)))
                    .service(web::resource("/api/{path}*").to(api::forward))
                    .app_data(pages.clone())
                    .configure(pages::routes);
            })?;
        Ok(Self { server })
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Serves until SIGTERM or SIGINT.
    pub async fn run(self) -> io::Result<()> {
        self.server.run().await
    }
}
