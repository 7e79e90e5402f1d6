//! How far was read, on disk.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use pg_plan::log::Log;
use serde::{Deserialize, Serialize};

use super::tail::Place;

#[derive(Default, Deserialize)]
pub(super) struct State {
    pub(super) place: Option<Place>,
    /// Line numbers of sessions, and waits that go on.
    pub(super) log: Log,
}

#[derive(Serialize)]
struct Written<'a> {
    place: &'a Place,
    log: &'a Log,
}

impl State {
    /// A file that is not there is a first start; one that is broken is an error, since guessing repeats or loses.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
                format!("{} does not say how far was read; delete it to begin at the end", path.display())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
        }
    }

    /// Aside and renamed, so that there is never half of one.
    pub(super) fn write(path: &Path, place: &Place, log: &Log) -> anyhow::Result<()> {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".partial");
        fs::write(&aside, serde_json::to_vec(&Written { place, log })?)
            .and_then(|()| fs::rename(&aside, path))
            .with_context(|| format!("can't write {}", path.display()))
    }
}
