//! AWS's Signature Version 4, over each request to X-Ray.

use std::time::{Duration, Instant, SystemTime};

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use delivery::{Authorize, Unsent};
use env::Secret;
use opentelemetry::Context;
use tokio::runtime;
use tracing::subscriber::{NoSubscriber, with_default};

use crate::xray::config;

const SERVICE: &str = "xray";
/// Temporary credentials are replaced so long before they end.
const EARLY: Duration = Duration::from_mins(5);
/// Who found none looks again after this; a flush asks five times a second.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Signs on its sender's thread, and finds the credentials there too, on a runtime that lives as long as the search.
pub(crate) struct Signer {
    region: String,
    /// Those of the environment, or those found last.
    credentials: Option<Credentials>,
    /// Why none were found, and when.
    missing: Option<(Instant, String)>,
}

impl Signer {
    pub(crate) fn new(region: &str, credentials: Option<&config::Credentials>) -> Self {
        let credentials = credentials.map(|it| {
            let config::Credentials { access_key_id, secret_access_key, session_token } = it;
            let token = session_token.as_ref().map(|it| it.expose().to_owned());
            Credentials::new(access_key_id, secret_access_key.expose(), token, None, "environment")
        });
        Self { region: region.to_owned(), credentials, missing: None }
    }

    fn credentials(&mut self) -> Result<Credentials, String> {
        let holds = |it: &&Credentials| it.expiry().is_none_or(|end| end > SystemTime::now() + EARLY);
        if let Some(known) = self.credentials.as_ref().filter(holds) {
            return Ok(known.clone());
        }
        if let Some((_, problem)) = self.missing.as_ref().filter(|(when, _)| when.elapsed() < LOOK_AGAIN) {
            return Err(problem.clone());
        }
        // AWS's crates would log each search that finds nothing; the queue says it once.
        let found = with_default(NoSubscriber::default(), || find(&self.region));
        self.missing = found.as_ref().err().map(|problem| (Instant::now(), problem.clone()));
        Ok(self.credentials.insert(found?).clone())
    }
}

impl Authorize for Signer {
    fn authorize(&mut self, request: &Unsent) -> Result<Vec<(String, Secret)>, String> {
        let identity = self.credentials()?.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?;
        let body = SignableBody::Bytes(request.body);
        let headers = request.headers.iter().copied();
        let signed = SignableRequest::new("POST", request.url, headers, body)
            .and_then(|request| sign(request, &params.into()))
            .map_err(|error| error.to_string())?;
        let (instructions, _) = signed.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), Secret::from(value))).collect())
    }
}

/// A profile, a process, a web identity, ECS or IMDS, in AWS's order.
fn find(region: &str) -> Result<Credentials, String> {
    // The search asks over HTTP, and is no part of any trace.
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no thread to look for AWS credentials: {error}"))?;
    let region = Region::new(region.to_owned());
    let found = runtime.block_on(async {
        let chain = DefaultCredentialsChain::builder().region(region).build().await;
        chain.provide_credentials().await
    });
    found.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})")).unwrap_or_default();
        format!("no AWS credentials: {error}{cause}; AWS_ACCESS_KEY_ID, a profile or a role would do")
    })
}
