//! What the three kinds of patterns have in common: a place in the text, quoted texts, regular expressions.

use regex::{Regex, RegexBuilder};

/// Bytes of a compiled regular expression: AWS allows few constructs, and a stranger's must not take our memory.
const MAX_REGEX_BYTES: usize = 64 << 10;

/// What is wrong with a pattern, and at which character.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (at character {at})")]
pub struct PatternError {
    pub at: usize,
    pub problem: String,
}

pub(super) struct Cursor<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    pub(super) fn take_while(&mut self, mut is: impl FnMut(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !is(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Takes `text` if it comes next, after space.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        self.skip_space();
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// The same for a word in capitals, which no letter may follow.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        self.skip_space();
        let is_next = self
            .rest()
            .strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    pub(super) fn error<T>(&self, problem: impl Into<String>) -> Result<T, PatternError> {
        Err(PatternError { at: self.text[..self.at].chars().count(), problem: problem.into() })
    }

    /// After the opening quote; a backslash takes the next character as it is.
    pub(super) fn quoted(&mut self, quote: char) -> Result<String, PatternError> {
        let start = self.at;
        let mut text = String::new();
        loop {
            match self.bump() {
                Some(c) if c == quote => return Ok(text),
                Some('\\') if self.peek().is_some_and(|c| c == quote || c == '\\') => {
                    text.extend(self.bump());
                }
                Some(c) => text.push(c),
                None => {
                    self.at = start - quote.len_utf8();
                    return self.error(format!("this {quote} is never closed"));
                }
            }
        }
    }

    /// After the opening `%`.
    pub(super) fn regex(&mut self) -> Result<Regex, PatternError> {
        let start = self.at;
        let Some(end) = self.rest().find('%') else {
            self.at = start - 1;
            return self.error("this % is never closed");
        };
        let source = &self.rest()[..end];
        let regex = RegexBuilder::new(source).size_limit(MAX_REGEX_BYTES).build();
        match regex {
            Ok(_) if source.is_empty() => self.error("a regular expression is empty"),
            Ok(regex) => {
                self.at += end + 1;
                Ok(regex)
            }
            Err(_) => self.error("this is no regular expression, or too large a one"),
        }
    }
}
