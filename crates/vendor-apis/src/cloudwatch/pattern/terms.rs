//! `ERROR -EXIT "INTERNAL SERVER"`, `?ERROR ?WARN`, `%4\d\d%`: of lines without structure.
//!
//! A term is found anywhere, within words too, and in its own case.

use regex::Regex;

use super::lex::{Cursor, PatternError};

#[derive(Clone, Debug)]
pub(super) struct Terms {
    all: Vec<Term>,
    none: Vec<Term>,
    any: Vec<Term>,
}

#[derive(Clone, Debug)]
enum Term {
    Text(String),
    Regex(Regex),
}

impl Terms {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut terms = Self { all: Vec::new(), none: Vec::new(), any: Vec::new() };
        let mut cursor = Cursor::new(text);
        loop {
            cursor.skip_space();
            let list = match cursor.peek() {
                None => break,
                Some('-') => {
                    cursor.bump();
                    &mut terms.none
                }
                Some('?') => {
                    cursor.bump();
                    &mut terms.any
                }
                Some(_) => &mut terms.all,
            };
            list.push(match cursor.peek() {
                Some('"') => {
                    cursor.bump();
                    Term::Text(cursor.quoted('"')?)
                }
                Some('%') => {
                    cursor.bump();
                    Term::Regex(cursor.regex()?)
                }
                _ => match cursor.take_while(|c| !c.is_whitespace() && c != '"') {
                    "" => return cursor.error("a term is missing here"),
                    term => Term::Text(term.to_owned()),
                },
            });
        }
        // As AWS documents it: beside terms that must be there, or not, the optional ones mean nothing.
        if !(terms.all.is_empty() && terms.none.is_empty()) {
            terms.any.clear();
        }
        Ok(terms)
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let found = |term: &Term| match term {
            Term::Text(text) => message.contains(text),
            Term::Regex(regex) => regex.is_match(message),
        };
        self.all.iter().all(found)
            && !self.none.iter().any(found)
            && (self.any.is_empty() || self.any.iter().any(found))
    }
}
