//! People and posts for the first start, made by the services' own code.

use std::fs;

use anyhow::Context as _;

use super::plan::Plan;
use super::postgres::Postgres;
use super::progress::Progress;
use crate::migrate::{self, Seeded};
use crate::role::Role;

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
    let environment = |role| plan.environment(role, Some(database));
    let seeded = migrate::seed(&environment(Role::Users), &environment(Role::Activities)).await?;
    fs::write(&mark, "").with_context(|| format!("can't write {}", mark.display()))?;
    step.done(&format!("made {} people and {} posts", seeded.people, seeded.posts));
    Ok(Some(seeded))
}
