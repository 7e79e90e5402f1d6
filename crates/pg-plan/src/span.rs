use std::time::Duration;

/// One span below the client's query span. All of them are of kind INTERNAL.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanSpan {
    /// The place of its parent in the same list, always an earlier one; `None`: the client's query span.
    pub parent: Option<usize>,
    /// Free of values: `Index Scan using posts_author_created on posts`.
    pub name: String,
    /// Since the start of the client's query span, as is `end`; never after `end`, never outside the parent.
    pub start: Duration,
    pub end: Duration,
    /// The length is measured and the position is not: siblings are laid out one after the other. A node of a plan
    /// works in many small turns, and Postgres reports only their sum.
    pub synthetic: bool,
    /// Keys of [`crate::keys`], without values of the statement.
    pub attributes: Vec<(&'static str, Value)>,
}

/// What an attribute holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl PlanSpan {
    pub fn length(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
