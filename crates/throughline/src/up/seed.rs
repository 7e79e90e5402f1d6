//! People and posts for the first start, made by the services' own code.

use std::fmt;
use std::fs;

use anyhow::Context as _;
use telemetry::postgres::{Db, DbConfig};
use users::DemoAccount;

use super::plan::Plan;
use super::postgres::Postgres;
use super::progress::Progress;
use crate::role::Role;

/// Who can sign in; the passwords are made at seeding and shown once.
#[derive(Debug)]
pub(crate) struct Seeded {
    accounts: Vec<DemoAccount>,
}

/// `None` when the data is there already.
pub(crate) async fn on_first_start(
    plan: &Plan,
    database: &Postgres,
    progress: &Progress,
) -> anyhow::Result<Option<Seeded>> {
    // Beside the data, so that whoever deletes the one deletes the other.
    let mark = database.home().join("seeded");
    if mark.exists() {
        return Ok(None);
    }
    let step = progress.step("making people and posts", false);
    let people = users::Config::from_env(&plan.environment(Role::Users, Some(database)))?;
    let people = users::seed(&people).await?;
    let authors: Vec<_> = people.users.iter().map(|user| user.id).collect();
    let posts = DbConfig::from_env(&plan.environment(Role::Activities, Some(database)))?;
    let posts = activities::seed(&Db::connect(&posts).await?, &authors).await?;
    fs::write(&mark, "").with_context(|| format!("can't write {}", mark.display()))?;
    step.done(&format!("made {} people and {posts} posts", authors.len()));
    Ok(Some(Seeded { accounts: people.demo_accounts }))
}

impl fmt::Display for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nYou can sign in as (shown this once):")?;
        for DemoAccount { handle, password } in &self.accounts {
            writeln!(f, "  {handle:13} {password}")?;
        }
        Ok(())
    }
}
