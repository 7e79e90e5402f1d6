//! Saved queries: files that git can show. `NAME.json` is the bare query specification, as Honeycomb and its tools take
//! it, and nothing else; `NAME.about.json` beside it has what people call it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use query::Spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// In a name: a file's, and a path's of the API.
const MAX_NAME: usize = 64;
/// Honeycomb's limits for the name and description of a query.
pub const MAX_TITLE: usize = 320;
pub const MAX_DESCRIPTION: usize = 1_023;

const QUERY: &str = ".json";
const ABOUT: &str = ".about.json";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedQuery {
    pub name: String,
    pub title: String,
    #[serde(default)]
    pub description: String,
    /// A service, or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// The bare specification.
    pub query: Value,
    /// Where it is.
    #[serde(default)]
    pub file: PathBuf,
}

/// `NAME.about.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    pub title: String,
    #[serde(default)]
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum QueriesError {
    #[error("{dir} has no query {name:?}")]
    Missing { dir: PathBuf, name: String },
    // Told here, so it is no source, which would be told once more.
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("{path}: {problem}")]
    Invalid { path: PathBuf, problem: String },
    #[error("a query's name is 1 to {MAX_NAME} of a-z, 0-9 and -, not {0:?}")]
    Name(String),
}

/// All saved queries of a folder, by name; none when there is no folder. One that cannot be read does not hide the
/// others: it comes as an error of its own.
pub fn list(dir: &Path) -> Result<Vec<Result<SavedQuery, QueriesError>>, QueriesError> {
    let io = |error| QueriesError::Io { path: dir.to_owned(), error };
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let file = entry.map_err(io)?.file_name();
        let name =
            file.to_str().filter(|file| !file.ends_with(ABOUT)).and_then(|file| file.strip_suffix(QUERY));
        names.extend(name.filter(|name| check_name(name).is_ok()).map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names.iter().map(|name| read(dir, name)).collect())
}

pub fn read(dir: &Path, name: &str) -> Result<SavedQuery, QueriesError> {
    check_name(name)?;
    let file = dir.join(format!("{name}{QUERY}"));
    let query: Value = match parse(&file) {
        Err(QueriesError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            return Err(QueriesError::Missing { dir: dir.to_owned(), name: name.to_owned() });
        }
        parsed => parsed?,
    };
    check(&file, &query)?;
    let path = dir.join(format!("{name}{ABOUT}"));
    let about: About = if path.exists() {
        parse(&path)?
    } else {
        About { title: name.to_owned(), description: String::new(), dataset: None }
    };
    check_about(&path, &about)?;
    let About { title, description, dataset } = about;
    Ok(SavedQuery { name: name.to_owned(), title, description, dataset, query, file })
}

/// Writes both files, each at once, so that nobody reads half of one.
pub fn save(dir: &Path, name: &str, about: &About, query: &Value) -> Result<SavedQuery, QueriesError> {
    check_name(name)?;
    let file = dir.join(format!("{name}{QUERY}"));
    let path = dir.join(format!("{name}{ABOUT}"));
    check(&file, query)?;
    check_about(&path, about)?;
    fs::create_dir_all(dir).map_err(|error| QueriesError::Io { path: dir.to_owned(), error })?;
    write(&path, &serde_json::to_value(about).expect("texts are always JSON"))?;
    write(&file, query)?;
    read(dir, name)
}

/// The specification of a saved query; it was valid when it was read.
pub fn spec(query: &SavedQuery) -> Result<Spec, QueriesError> {
    check(&query.file, &query.query)
}

fn check(file: &Path, query: &Value) -> Result<Spec, QueriesError> {
    Spec::parse(query)
        .map_err(|error| QueriesError::Invalid { path: file.to_owned(), problem: error.to_string() })
}

fn check_about(path: &Path, about: &About) -> Result<(), QueriesError> {
    let invalid = |problem: String| Err(QueriesError::Invalid { path: path.to_owned(), problem });
    match (about.title.chars().count(), about.description.chars().count()) {
        (0, _) => invalid("title: must not be empty".to_owned()),
        (title, _) if title > MAX_TITLE => invalid(format!("title: longer than {MAX_TITLE}")),
        (_, text) if text > MAX_DESCRIPTION => invalid(format!("description: longer than {MAX_DESCRIPTION}")),
        _ => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), QueriesError> {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match name.len() {
        1..=MAX_NAME if name.bytes().all(is_known) => Ok(()),
        _ => Err(QueriesError::Name(name.to_owned())),
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, QueriesError> {
    let text = fs::read_to_string(path).map_err(|error| QueriesError::Io { path: path.to_owned(), error })?;
    serde_json::from_str(&text)
        .map_err(|error| QueriesError::Invalid { path: path.to_owned(), problem: error.to_string() })
}

fn write(path: &Path, json: &Value) -> Result<(), QueriesError> {
    let text = format!("{json:#}\n");
    let aside = path.with_extension("json.new");
    fs::write(&aside, text)
        .and_then(|()| fs::rename(&aside, path))
        .map_err(|error| QueriesError::Io { path: path.to_owned(), error })
}
