//! A whole traced service in one screen: what it is told to call, it calls, under the caller's trace.
//!
//! It speaks the protocol of the W3C's validation service for trace context, and passes it:
//!
//! ```text
//! LISTEN=127.0.0.1:5000 cargo run -p throughline-telemetry --example forward
//! STRICT_LEVEL=2 SPEC_LEVEL=2 python test.py http://127.0.0.1:5000/test
//! ```

mod service;

use std::time::Duration;

use actix_web::{App, HttpServer, web};
use throughline_telemetry as telemetry;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let env = env::Env::from_process();
    let listen = env.parse_or("LISTEN", "127.0.0.1:5000".to_owned(), "127.0.0.1:5000")?;
    let guard = telemetry::init(telemetry::Config::from_env("forward", &env)?)?;
    let served = HttpServer::new(|| {
        App::new()
            .wrap(telemetry::actix::trace())
            .app_data(web::Data::new(telemetry::awc::client(Duration::from_secs(5))))
            .configure(service::routes)
    })
    .workers(1)
    .bind(&listen)?
    .run()
    .await;
    telemetry::block(|| guard.shutdown(Duration::from_secs(5))).await?;
    Ok(served?)
}
