//! A span's attributes while blocks take theirs out; what nobody took goes to metadata.

use crate::limits::cut;
use crate::span::{Attribute, Value};

pub(super) struct Attributes<'s> {
    entries: &'s [Attribute<'s>],
    states: Vec<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Free,
    /// Another block holds it.
    Taken,
    /// The same key comes again later, and the last counts (SDKs append instead of replacing).
    Shadowed,
}

impl<'s> Attributes<'s> {
    pub(super) fn new(entries: &'s [Attribute<'s>]) -> Self {
        let state = |(index, (key, _)): (usize, &Attribute)| {
            let again = entries[index + 1..].iter().any(|(later, _)| later == key);
            if again { State::Shadowed } else { State::Free }
        };
        Self { entries, states: entries.iter().enumerate().map(state).collect() }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'s Value<'s>> {
        self.entries.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// A text that says something.
    pub(super) fn text(&self, key: &str) -> Option<&'s str> {
        self.get(key).and_then(Value::as_text).filter(|text| !text.is_empty())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The first of the keys that holds a text.
    pub(super) fn first_text(&self, keys: &[&str]) -> Option<&'s str> {
        keys.iter().find_map(|key| self.text(key))
    }

    pub(super) fn int(&self, key: &str) -> Option<i64> {
        self.get(key).and_then(Value::as_int)
    }

    /// The value has a place elsewhere in the document.
    pub(super) fn mark_taken(&mut self, key: &str) {
        if let Some(index) = self.entries.iter().rposition(|(name, _)| *name == key) {
            self.states[index] = State::Taken;
        }
    }

    /// The text of the first of the keys that has one; all of the keys are taken.
    pub(super) fn take_text(&mut self, keys: &[&str]) -> Option<&'s str> {
        let text = self.first_text(keys);
        for key in keys {
            self.mark_taken(key);
        }
        text
    }

    /// A text cut to `max` characters; one that had to be cut also stays, whole, for metadata.
    pub(super) fn take_short(&mut self, key: &str, max: usize) -> Option<String> {
        let text = self.text(key)?;
        let short = cut(text, max);
        if short.len() == text.len() {
            self.mark_taken(key);
        }
        Some(short.to_owned())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'s str, &'s Value<'s>, State)> {
        self.entries.iter().zip(&self.states).map(|((key, value), state)| (*key, value, *state))
    }
}
