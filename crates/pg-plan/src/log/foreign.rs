//! Statements of clients that trace nothing, as far as the server was told to log them.
//!
//! One statement may have four lines: parse, bind and execute (`log_min_duration_statement`), and its plan
//! (`auto_explain.log_min_duration`), the last two in either order. They are one span with the others below it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use super::record::Record;
use super::session::Session;
use super::{HALF, LogSpan, duration};
use crate::message::{Message, Phase};
use crate::span::Value;
use crate::statement::{MAX_RECORDS, Statement};
use crate::{keys, name, text};

/// A statement of which more may be said.
#[derive(Debug)]
pub(super) struct Held {
    text: String,
    /// With the time since its beginning; the statement's own come at its end.
    messages: Vec<(Option<Duration>, Message)>,
    span: LogSpan,
    /// What parse and bind took; then what nested statements took; then the statement itself.
    before: Duration,
    nested: Duration,
    own: Duration,
    bound: bool,
    planned: bool,
    executed: bool,
    pub(super) bytes: usize,
}

/// What was told of a statement: all but its plan, or all but its duration. The other may come much later: a duration
/// after a slow COMMIT, a plan when a cursor is closed.
#[derive(Debug)]
pub(super) struct Half {
    /// A hash: the text may be long.
    text: u64,
    plan: bool,
}

impl Session {
    /// False for the second half of what was told.
    pub(super) fn statement(
        &mut self,
        record: &Record,
        message: Message,
        bytes: usize,
        out: &mut Vec<LogSpan>,
    ) -> bool {
        let text = text_of(record, &message);
        if let Some(half) = self.half.take_if(|_| self.held.is_none())
            && half.text == hash(&text)
            && half.plan != matches!(message, Message::Plan(..))
            && !matches!(message, Message::Phase(_, Phase::Parse | Phase::Bind))
        {
            return false;
        }
        // Of a function's or a trigger's statement: these come before the statement that called it.
        let nested = matches!(message, Message::Plan(..)) && record.context.is_some();
        if !self.held.as_ref().is_some_and(|held| held.goes_on_with(&text, &message, nested)) {
            self.tell_held(out);
            self.held = Some(Box::new(Held::new(record)));
        }
        if let Some(held) = &mut self.held {
            held.bytes += bytes;
            held.take(record, text, message, nested);
            if held.planned && held.executed {
                self.tell_held(out);
            }
        }
        true
    }
}

impl Held {
    fn new(record: &Record) -> Self {
        let mut span = record.span(String::new());
        span.server = true;
        Self {
            text: String::new(),
            messages: Vec::new(),
            span,
            before: Duration::ZERO,
            nested: Duration::ZERO,
            own: Duration::ZERO,
            bound: false,
            planned: false,
            executed: false,
            bytes: 0,
        }
    }

    fn goes_on_with(&self, text: &str, message: &Message, nested: bool) -> bool {
        let over = self.planned || self.executed;
        let same = self.text.is_empty() || self.text == text;
        match message {
            Message::Plan(..) if nested => !over,
            Message::Plan(..) => same && !self.planned,
            Message::Phase(_, Phase::Execute) => same && !self.executed,
            Message::Phase(_, Phase::Bind) => same && !over && !self.bound,
            Message::Phase(_, Phase::Parse) | Message::Lock(_) => false,
        }
    }

    fn take(&mut self, record: &Record, text: String, message: Message, nested: bool) {
        let end = record.at + HALF;
        let at = match &message {
            Message::Plan(millis, _) if nested => {
                self.nested += duration(*millis);
                Some(self.before + self.nested)
            }
            Message::Plan(millis, explain) => {
                self.planned = true;
                self.span.name = name::of_nested(&explain.plan);
                self.own = self.own.max(duration(*millis));
                None
            }
            Message::Phase(millis, Phase::Execute) => {
                self.executed = true;
                self.own = self.own.max(duration(*millis));
                None
            }
            Message::Phase(millis, phase) => {
                self.bound |= *phase == Phase::Bind;
                self.before += duration(*millis);
                Some(self.before)
            }
            Message::Lock(_) => return,
        };
        if !nested {
            self.text = text;
        }
        self.span.end = self.span.end.max(end);
        if self.messages.len() == MAX_RECORDS {
            self.messages.pop();
        }
        self.messages.push((at, message));
    }

    pub(super) fn half(&self) -> Option<Half> {
        (self.planned != self.executed).then(|| Half { text: hash(&self.text), plan: self.planned })
    }

    pub(super) fn span(self) -> LogSpan {
        let took = self.before + self.own.max(self.nested);
        let mut span = self.span.lasted(took);
        let stripped = text::strip(&self.text);
        if span.name.is_empty() {
            span.name = operation(&stripped);
        }
        if !stripped.is_empty() {
            span.attributes.push((keys::DB_QUERY_TEXT, Value::Text(stripped)));
        }
        let mut statement = Statement::new(&self.text);
        for (at, message) in self.messages {
            statement.take(at.unwrap_or(took), message);
        }
        span.below = statement.spans(took);
        // Alone it says what its parent says.
        if let [only] = &span.below[..]
            && only.name == "execute"
        {
            span.below.clear();
        }
        span
    }
}

/// `duration: 0.060 ms  bind sqlx_s_5: UPDATE ..`; a plan has its text inside.
fn text_of(record: &Record, message: &Message) -> String {
    if let Message::Plan(_, explain) = message {
        return explain.query_text.clone();
    }
    record.message.splitn(3, ": ").nth(2).unwrap_or_default().to_owned()
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// `SELECT`; a word that is none of SQL's verbs may be anything.
fn operation(stripped: &str) -> String {
    const VERBS: [&str; 26] = [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "MERGE",
        "WITH",
        "VALUES",
        "BEGIN",
        "START",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT",
        "COPY",
        "CREATE",
        "ALTER",
        "DROP",
        "TRUNCATE",
        "VACUUM",
        "ANALYZE",
        "CHECKPOINT",
        "EXPLAIN",
        "SET",
        "SHOW",
        "CALL",
        "DO",
        "FETCH",
    ];
    let word =
        stripped.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default().to_ascii_uppercase();
    if VERBS.contains(&word.as_str()) { word } else { "statement".to_owned() }
}
