//! The first trace: the home feed is requested once, so that it needs no click and no browser.

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use console::tree::Forest;
use console::wire::{Source, Trace};
use tokio::time::{sleep, timeout};

use super::plan::Plan;
use super::progress::Progress;
use crate::http::Client;
use crate::role::Role;

/// Each process exports on its own; all of them have within this time, or something is wrong.
const DEADLINE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);
/// A request of the home feed passes through these.
const SERVICES: [Role; 4] = [Role::FrontendProxy, Role::Gateway, Role::Activities, Role::Users];

pub(crate) struct FirstTrace {
    tree: String,
    link: String,
}

pub(crate) async fn request(plan: &Plan, client: &Client, progress: &Progress) -> anyhow::Result<FirstTrace> {
    let step = progress.step("waiting for the first trace", false);
    let answer = client.fetch(&format!("{}/api/activities/home", plan.url(Role::FrontendProxy))).await?;
    anyhow::ensure!(answer.status == 200, "the home feed answered {}: {}", answer.status, answer.body.trim());
    let header = answer.traceresponse.context("the answer carries no traceresponse")?;
    let id = header.split('-').nth(1).with_context(|| format!("traceresponse {header:?} has no trace id"))?;

    let console = plan.url(Role::Console);
    let url = format!("{console}/api/traces/{id}");
    let client = client.with_token(plan.console_token());
    let whole = async {
        let mut before = 0;
        loop {
            let answer = client.fetch(&url).await?;
            if answer.status == 200 {
                let trace: Trace = serde_json::from_str(&answer.body)?;
                // Asked twice, since a leaf of a service that is known already leaves no gap while it is on its way.
                if is_whole(&trace) && trace.spans.len() == before {
                    return anyhow::Ok(trace);
                }
                before = trace.spans.len();
            }
            sleep(POLL).await;
        }
    };
    let trace = timeout(DEADLINE, whole).await.map_err(|_| {
        anyhow::anyhow!("trace {id} is not whole after {} s; see {console}/trace/{id}", DEADLINE.as_secs())
    })??;
    step.done(&format!("the first trace: {} spans", trace.spans.len()));
    Ok(FirstTrace {
        tree: console::tree::render(&trace),
        link: format!("{}/trace/{id}", plan.public_console()),
    })
}

/// One root, no gap, and every service on the way; each span as it came by OTLP, which tells more than X-Ray's documents.
fn is_whole(trace: &Trace) -> bool {
    let forest = Forest::new(&trace.spans);
    if trace.spans.iter().any(|span| span.source != Source::Otlp) {
        return false;
    }
    let seen = |role: &Role| trace.spans.iter().any(|span| span.service == role.name());
    forest.tops().count() == 1 && forest.orphans() == 0 && SERVICES.iter().all(seen)
}

impl fmt::Display for FirstTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\nThe home feed was requested once; this is its trace ({}):\n\n", self.link)?;
        for line in self.tree.trim_end().lines() {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}
