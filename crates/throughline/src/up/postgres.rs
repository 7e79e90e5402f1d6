//! Postgres under `up`: found or fetched, started, prepared, and started again when it dies.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use dev_postgres::Server;
use tokio::time::sleep;

use super::plan::Plan;
use super::progress::Progress;
use crate::role::Role;

/// Long enough that whoever broke it sees what an outage looks like in the app and in its traces.
const OUTAGE: Duration = Duration::from_secs(5);
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

pub(crate) struct Postgres {
    options: dev_postgres::Options,
    /// `None` only while it is started again.
    server: Option<Server>,
    urls: BTreeMap<String, String>,
}

impl Postgres {
    pub(crate) async fn start(plan: &Plan, progress: &Progress) -> anyhow::Result<Self> {
        let step = progress.step("starting Postgres", false);
        let options = plan.postgres().clone();
        let server = Server::start(options.clone()).await?;
        let urls = server.bootstrap(&[Role::Users.name(), Role::Activities.name()]).await?;
        step.done(&format!("Postgres on 127.0.0.1:{}", server.port()));
        Ok(Self { options, server: Some(server), urls })
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// The folder of its data.
    pub(crate) fn home(&self) -> &Path {
        &self.options.home
    }

    pub(crate) fn url(&self, role: Role) -> Option<&str> {
        self.urls.get(role.name()).map(String::as_str)
    }

    /// Ends only when Postgres can't be started again.
    pub(crate) async fn keep_running(&mut self, progress: &Progress) -> anyhow::Error {
        loop {
            sleep(CHECK_INTERVAL).await;
            let Some(Err(words)) = self.server.as_mut().map(Server::check) else { continue };
            progress.line(&format!("Postgres died, and is started again in {} s: {words}", OUTAGE.as_secs()));
            sleep(OUTAGE).await;
            if let Err(error) = self.start_again().await {
                return error.context("Postgres died and does not start again");
            }
            progress.line("Postgres is back");
        }
    }

    pub(crate) async fn stop(self) {
        if let Some(server) = self.server {
            server.stop().await;
        }
    }

    async fn start_again(&mut self) -> anyhow::Result<()> {
        let dead = self.server.take().expect("it has just been checked");
        let options = dev_postgres::Options { port: Some(dead.port()), ..self.options.clone() };
        // Forgotten, since dropping it would take ephemeral data with it; its process is gone already.
        std::mem::forget(dead);
        self.server = Some(Server::start(options).await?);
        Ok(())
    }
}
