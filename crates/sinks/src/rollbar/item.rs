//! What there is to say of an error, before it is anything of Rollbar's.

use std::backtrace::Backtrace;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::time::SystemTime;

use serde_json::{Map, Value};
use uuid::Uuid;

/// Causes that are kept of one error. A chain that is longer goes in circles.
const MAX_CAUSES: usize = 16;
/// Of a class's name.
const MAX_CLASS: usize = 80;

/// One error, or one message that somebody wants to see in Rollbar.
#[derive(Debug)]
pub struct Item {
    /// Rollbar discards a second item of the same id, so a retry does no harm.
    pub uuid: Uuid,
    pub level: Level,
    pub time: SystemTime,
    /// The module that said it.
    pub target: String,
    /// What was said: the log line's message.
    pub message: String,
    /// The error that was caught, then what it came from. Empty: the item is a message.
    pub causes: Vec<Cause>,
    /// Resolved on the sink's own thread; in a debug build that takes a second the first time.
    pub backtrace: Option<Backtrace>,
    /// 32 hex digits.
    pub trace_id: Option<String>,
    /// 16 hex digits; `None` when the trace is not sampled.
    pub span_id: Option<String>,
    /// Rollbar's `context`: `GET /api/activities/home`.
    pub route: Option<String>,
    pub request: Option<Request>,
    pub person: Option<Person>,
    /// What else the log line said.
    pub fields: Map<String, Value>,
    /// How many like this were not sent since the last one that was. Set by [`super::Rollbar::admit`].
    pub suppressed: u64,
    /// Set by [`super::Rollbar::admit`].
    pub fingerprint: String,
}

/// One error of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub class: String,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Warning,
    Error,
    /// A panic.
    Critical,
}

/// The request in which it happened, as it came. What may be told of it is decided when the item is encoded.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub peer: Option<String>,
    pub status: Option<u16>,
}

/// Who was signed in. Name and mail leave only if the operator asks for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    pub id: String,
    pub username: Option<String>,
    pub email: Option<String>,
}

/// Who reports.
#[derive(Clone, Debug, Default)]
pub struct Process {
    pub service: String,
    /// The same as the deploy's revision; Rollbar links items to deploys by it.
    pub code_version: String,
}

impl Item {
    pub fn new(level: Level, target: &str, message: impl Into<String>) -> Self {
        Self {
            uuid: Uuid::new_v4(),
            level,
            time: SystemTime::now(),
            target: target.to_owned(),
            message: message.into(),
            causes: Vec::new(),
            backtrace: None,
            trace_id: None,
            span_id: None,
            route: None,
            request: None,
            person: None,
            fields: Map::new(),
            suppressed: 0,
            fingerprint: String::new(),
        }
    }

    /// What makes two items the same fault: where it was said, what was said and the classes of the errors; not the
    /// numbers, ids and quoted words in it, nor lines, which move with every release.
    pub(super) fn fault(&self, service: &str) -> String {
        let mut text = [service, "\n", &self.target, "\n"].concat();
        without_particulars(&self.message, &mut text);
        for cause in &self.causes {
            text.extend(["\n", &cause.class, "\n"]);
            without_particulars(&cause.message, &mut text);
        }
        // Name-based, so that all processes and releases agree on it; 32 of the 40 characters that Rollbar takes.
        Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).simple().to_string()
    }

    pub(super) fn title(&self) -> String {
        match self.causes.first() {
            Some(cause) => format!("{}: {}", cause.class, cause.message),
            None => self.message.clone(),
        }
    }
}

impl Cause {
    pub fn chain(error: &(dyn Error + 'static)) -> Vec<Self> {
        let mut causes = Vec::new();
        let mut at = Some(error);
        while let Some(error) = at.filter(|_| causes.len() < MAX_CAUSES) {
            causes.push(Self { class: class_of(error), message: error.to_string() });
            at = error.source();
        }
        causes
    }
}

impl Level {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// `dyn Error` does not know its type's name; a derived `Debug` begins with it, or with the name of the variant.
fn class_of(error: &(dyn Error + 'static)) -> String {
    if error.is::<std::io::Error>() {
        return "std::io::Error".to_owned();
    }
    let mut name = Name(String::new());
    // It stops after the name, however much a large error would write of itself.
    let _ = write!(name, "{error:?}");
    if name.0.is_empty() { "Error".to_owned() } else { name.0 }
}

struct Name(String);

impl fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if !(c.is_alphanumeric() || c == '_' || c == ':') || self.0.len() >= MAX_CLASS {
                return Err(fmt::Error);
            }
            self.0.push(c);
        }
        Ok(())
    }
}

/// Copies `text`; a word with a digit in it becomes `#`, a quoted part `*`.
fn without_particulars(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if matches!(first, '"' | '`')
            && let Some(end) = rest[1..].find(first)
        {
            out.push('*');
            rest = &rest[end + 2..];
            continue;
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if end == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let word = &rest[..end];
        out.push_str(if word.bytes().any(|b| b.is_ascii_digit()) { "#" } else { word });
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io;

    use super::*;

    #[test]
    fn a_chain_has_the_error_that_was_caught_first() {
        #[derive(Debug, thiserror::Error)]
        enum Outer {
            #[error("the page cannot be read")]
            Read(#[source] io::Error),
        }
        let chain = Cause::chain(&Outer::Read(io::Error::other("disk")));
        let told: Vec<_> = chain.iter().map(|it| format!("{}: {}", it.class, it.message)).collect();
        assert_eq!(told, ["Read: the page cannot be read", "std::io::Error: disk"]);
        let boxed: Box<dyn Error> = "text only".into();
        assert_eq!(class_of(&*boxed), "Error");
        assert_eq!(class_of(&"x".parse::<i32>().unwrap_err()), "ParseIntError");
    }

    #[test]
    fn particulars_do_not_split_a_fault() {
        let check = |text: &str, expect: &str| {
            let mut out = String::new();
            without_particulars(text, &mut out);
            assert_eq!(out, expect);
        };
        check("no user 42", "no user #");
        check("no post 0192f0c1-aaaa-7000-8000-000000000000 here", "no post # here");
        check("column \"a b\" of `x`", "column * of *");
        check("it's \"open", "it's \"open");
        check("é 1é", "é #");
        check("", "");
        let fault = |target, message: &str, causes: &[(&str, &str)]| {
            let causes =
                causes.iter().map(|(c, m)| Cause { class: (*c).to_owned(), message: (*m).to_owned() });
            Item { causes: causes.collect(), ..Item::new(Level::Error, target, message) }.fault("gateway")
        };
        assert_eq!(fault("a", "took 5 ms", &[("E", "1")]), fault("a", "took 7 ms", &[("E", "2")]));
        assert_ne!(fault("a", "took", &[("E", "x")]), fault("b", "took", &[("E", "x")]));
        assert_ne!(fault("a", "took", &[("E", "x")]), fault("a", "took", &[("F", "x")]));
        assert_eq!(fault("a", "", &[]).len(), 32);
    }
}
