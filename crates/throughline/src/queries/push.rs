//! The saved queries in a Honeycomb account: each a query with its annotation, all on one board.
//!
//! Honeycomb's queries cannot be changed or deleted, so what was created is written into a lock file, by the hash of
//! what it was created from: pushing again creates nothing.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_lc_rs::digest;
use clap::Args;
use console::queries::SavedQuery;
use env::Env;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Folder;
use super::honeycomb::{Honeycomb, Method};

/// Beside the queries, and not ending in `.json`, so that it is none.
const LOCK: &str = "honeycomb.lock";
/// Honeycomb's name for all services together.
const ALL: &str = "__all__";
/// A board's grid has twelve columns: two panels side by side.
const PANEL_WIDTH: usize = 6;
const PANEL_HEIGHT: usize = 5;

#[derive(Args)]
pub(super) struct Options {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// The board's name
    #[arg(long, default_value = "Throughline")]
    board: String,
    #[command(flatten)]
    folder: Folder,
}

/// What was created in each account.
#[derive(Default, Serialize, Deserialize)]
struct Lock(BTreeMap<String, Account>);

#[derive(Default, Serialize, Deserialize)]
struct Account {
    /// Ids by the hash of dataset and specification.
    queries: BTreeMap<String, String>,
    /// By the query's id.
    annotations: BTreeMap<String, Created>,
    /// By name.
    boards: BTreeMap<String, Created>,
}

#[derive(Serialize, Deserialize)]
struct Created {
    id: String,
    /// Of what it was created from.
    hash: String,
}

struct Push<'a> {
    honeycomb: Option<Honeycomb>,
    lock: Lock,
    path: PathBuf,
    account: String,
    options: &'a Options,
    counts: [usize; 3],
}

/// What a step did, as the place in `Push::counts`.
#[derive(Clone, Copy)]
enum Done {
    Created,
    Updated,
    Unchanged,
}

pub(super) fn run(options: &Options, env: &Env) -> anyhow::Result<()> {
    let dir = options.folder.path(env);
    let queries: Vec<SavedQuery> = console::queries::list(&dir)?.into_iter().collect::<Result<_, _>>()?;
    anyhow::ensure!(!queries.is_empty(), "{} has no saved queries", dir.display());
    let honeycomb = Honeycomb::new(env);
    anyhow::ensure!(
        options.dry_run || honeycomb.is_some(),
        "HONEYCOMB_CONFIGURATION_KEY is not set; it is a Configuration key of the environment"
    );
    let account = match &honeycomb {
        Some(honeycomb) => honeycomb.account()?,
        None => String::new(),
    };
    let path = dir.join(LOCK);
    let lock = read_lock(&path)?;
    let mut push = Push { honeycomb, lock, path, account, options, counts: [0; 3] };
    let mut panels = Vec::new();
    for query in &queries {
        let id = push.query(query)?;
        let annotation = push.annotation(query, &id)?;
        panels.push((id, annotation, query));
    }
    push.board(&panels)?;
    let [created, updated, unchanged] = push.counts;
    let would = if options.dry_run { "would be " } else { "" };
    say(&format!("{would}created {created}, {would}updated {updated}, unchanged {unchanged}"));
    Ok(())
}

impl Push<'_> {
    fn query(&mut self, query: &SavedQuery) -> anyhow::Result<String> {
        let dataset = dataset(query);
        let hash = hash(&json!([dataset, query.query]));
        if let Some(id) = self.lock().queries.get(&hash).cloned() {
            self.tell(Done::Unchanged, "query", &query.name);
            return Ok(id);
        }
        let id = self.call(Method::Post, &format!("/1/queries/{dataset}"), &query.query)?;
        self.lock().queries.insert(hash, id.clone());
        self.save()?;
        self.tell(Done::Created, "query", &query.name);
        Ok(id)
    }

    fn annotation(&mut self, query: &SavedQuery, query_id: &str) -> anyhow::Result<String> {
        let body = json!({ "name": query.title, "description": query.description, "query_id": query_id });
        let path = format!("/1/query_annotations/{}", dataset(query));
        let hash = hash(&body);
        let known = self.lock().annotations.get(query_id).map(|known| (known.id.clone(), known.hash.clone()));
        let (id, done) = match known {
            Some((id, known)) if known == hash => (id, Done::Unchanged),
            Some((id, _)) => {
                self.call(Method::Put, &format!("{path}/{id}"), &body)?;
                (id, Done::Updated)
            }
            None => (self.call(Method::Post, &path, &body)?, Done::Created),
        };
        self.lock().annotations.insert(query_id.to_owned(), Created { id: id.clone(), hash });
        self.save()?;
        self.tell(done, "annotation", &query.title);
        Ok(id)
    }

    fn board(&mut self, panels: &[(String, String, &SavedQuery)]) -> anyhow::Result<()> {
        let name = self.options.board.clone();
        let panel = |(place, (query, annotation, _)): (usize, &(String, String, &SavedQuery))| {
            json!({
                "type": "query",
                "position": {
                    "x_coordinate": place % 2 * PANEL_WIDTH,
                    "y_coordinate": place / 2 * PANEL_HEIGHT,
                    "width": PANEL_WIDTH,
                    "height": PANEL_HEIGHT
                },
                "query_panel": { "query_id": query, "query_annotation_id": annotation, "query_style": "combo" }
            })
        };
        let body = json!({
            "name": name,
            "description": "The saved queries of this repository; `throughline queries push` keeps it up to date.",
            "type": "flexible",
            "panels": panels.iter().enumerate().map(panel).collect::<Vec<_>>()
        });
        let hash = hash(&body);
        let known = self.lock().boards.get(&name).map(|known| (known.id.clone(), known.hash.clone()));
        let (id, done) = match known {
            Some((id, known)) if known == hash => (id, Done::Unchanged),
            Some((id, _)) => {
                self.call(Method::Put, &format!("/1/boards/{id}"), &body)?;
                (id, Done::Updated)
            }
            None => (self.call(Method::Post, "/1/boards", &body)?, Done::Created),
        };
        self.lock().boards.insert(name.clone(), Created { id, hash });
        self.save()?;
        self.tell(done, "board", &name);
        Ok(())
    }

    /// The id of what was made. Nothing is asked in a dry run, where an id is a placeholder.
    fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<String> {
        if self.options.dry_run {
            return Ok(format!("(new, {})", hash(body)));
        }
        let honeycomb = self.honeycomb.as_ref().context("there is no key")?;
        let answer = honeycomb.call(method, path, Some(body))?;
        let id = answer["id"].as_str().map(str::to_owned);
        id.with_context(|| format!("{path} answered without an id"))
    }

    fn lock(&mut self) -> &mut Account {
        self.lock.0.entry(self.account.clone()).or_default()
    }

    /// After every step, so that one that is interrupted is not done twice.
    fn save(&self) -> anyhow::Result<()> {
        if self.options.dry_run {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&self.lock)?;
        std::fs::write(&self.path, text + "\n").with_context(|| self.path.display().to_string())
    }

    fn tell(&mut self, done: Done, kind: &str, name: &str) {
        let verb = match done {
            Done::Created => "create",
            Done::Updated => "update",
            Done::Unchanged => "keep",
        };
        self.counts[done as usize] += 1;
        say(&format!("{verb:<7} {kind:<11} {name}"));
    }
}

fn say(line: &str) {
    // A closed pipe is no error worth a word.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn read_lock(path: &Path) -> anyhow::Result<Lock> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Lock::default()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// As the path of Honeycomb's API has it: lower case, and a hyphen for what is neither letter nor digit.
fn dataset(query: &SavedQuery) -> String {
    let Some(dataset) = &query.dataset else { return ALL.to_owned() };
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' };
    dataset.to_lowercase().chars().map(letter).collect()
}

/// Of the JSON with its keys sorted, as `serde_json` keeps them.
fn hash(json: &Value) -> String {
    let digest = digest::digest(&digest::SHA256, json.to_string().as_bytes());
    let (half, _) = digest.as_ref().split_first_chunk().expect("SHA-256 has 32 bytes");
    format!("{:032x}", u128::from_be_bytes(*half))
}
