//! The distinct values of a column.

use foldhash::fast::RandomState;
use indexmap::IndexSet;

use super::{Code, MISSING};
use crate::value::{Value, ValueRef};

/// What a value takes beside its text: itself, its hash, its place in the index.
const BYTES_PER_VALUE: usize = 48;

#[derive(Debug, Default)]
pub struct Dictionary {
    values: IndexSet<Value, RandomState>,
    text_bytes: usize,
}

impl Dictionary {
    pub(super) fn insert(&mut self, value: ValueRef<'_>) -> Code {
        let place = self.values.get_index_of(&value).unwrap_or_else(|| {
            self.text_bytes += value.text().map_or(0, str::len);
            self.values.insert_full(value.to_value()).0
        });
        place as Code + 1
    }

    /// `None` for [`MISSING`].
    pub fn value(&self, code: Code) -> Option<&Value> {
        self.values.get_index((code as usize).checked_sub(1)?)
    }

    pub fn find(&self, value: ValueRef<'_>) -> Option<Code> {
        self.values.get_index_of(&value).map(|place| place as Code + 1)
    }

    /// In the order of their codes, from 1.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.values.len() * BYTES_PER_VALUE + self.text_bytes
    }

    /// Keeps the used codes and says what each became.
    pub(super) fn retain(&mut self, used: &[bool]) -> Vec<Code> {
        let mut codes = vec![MISSING; self.values.len() + 1];
        let mut kept = Self::default();
        for (place, value) in std::mem::take(&mut self.values).into_iter().enumerate() {
            if used[place + 1] {
                codes[place + 1] = kept.insert(value.as_ref());
            }
        }
        *self = kept;
        codes
    }
}
