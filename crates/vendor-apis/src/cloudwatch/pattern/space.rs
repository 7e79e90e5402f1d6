//! `[ip, user, ..., status = 4* && status != 404, bytes > 1000]`: of lines whose fields stand between blanks, as access
//! logs have them.

use serde_json::Value;

use super::compare::Comparison;
use super::lex::{Cursor, PatternError};

#[derive(Clone, Debug)]
pub(super) struct Space {
    before: Vec<Field>,
    /// After `...`, counted from the end; `None` without it: then the number of fields must fit.
    after: Option<Vec<Field>>,
}

/// Alternatives of conditions that hold together; none is every value.
#[derive(Clone, Debug)]
struct Field(Vec<Vec<Comparison>>);

impl Space {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut cursor = Cursor::new(text);
        cursor.bump();
        let mut space = Self { before: Vec::new(), after: None };
        if cursor.eat("]") {
            return cursor.error("there is no field");
        }
        loop {
            if cursor.eat("...") {
                if space.after.replace(Vec::new()).is_some() {
                    return cursor.error("... may stand once");
                }
            } else {
                let field = field(&mut cursor)?;
                space.after.as_mut().unwrap_or(&mut space.before).push(field);
            }
            if cursor.eat("]") {
                break;
            }
            if !cursor.eat(",") {
                return cursor.error("expected , or ]");
            }
        }
        cursor.skip_space();
        match cursor.peek() {
            None => Ok(space),
            Some(_) => cursor.error("nothing may follow the ]"),
        }
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let words = split(message);
        let after = self.after.as_deref().unwrap_or_default();
        let fits = match self.after {
            Some(_) => words.len() >= self.before.len() + after.len(),
            None => words.len() == self.before.len(),
        };
        let holds = |(field, word): (&Field, &Value)| field.holds(word);
        fits && self.before.iter().zip(&words).all(holds)
            && after.iter().rev().zip(words.iter().rev()).all(holds)
    }
}

impl Field {
    fn holds(&self, word: &Value) -> bool {
        self.0.is_empty() || self.0.iter().any(|all| all.iter().all(|comparison| comparison.holds(word)))
    }
}

/// A name, and conditions that each name it.
fn field(cursor: &mut Cursor<'_>) -> Result<Field, PatternError> {
    let mut alternatives = vec![Vec::new()];
    loop {
        cursor.skip_space();
        let name = cursor.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$'));
        if name.is_empty() {
            return cursor.error("the name of a field is missing here");
        }
        let Some(comparison) = Comparison::parse(cursor, ",]")? else {
            let is_bare = alternatives.len() == 1 && alternatives[0].is_empty();
            return if is_bare { Ok(Field(Vec::new())) } else { cursor.error("expected a comparison") };
        };
        alternatives.last_mut().expect("there is one from the beginning").push(comparison);
        if cursor.eat("||") {
            alternatives.push(Vec::new());
        } else if !cursor.eat("&&") {
            return Ok(Field(alternatives));
        }
    }
}

/// At blanks, but what stands in quotes or brackets is one field.
fn split(message: &str) -> Vec<Value> {
    let mut words = Vec::new();
    let mut rest = message.trim();
    while !rest.is_empty() {
        let close = match rest.as_bytes()[0] {
            b'"' => Some('"'),
            b'[' => Some(']'),
            _ => None,
        };
        let closed = close.and_then(|close| Some((1, rest[1..].find(close)? + 1, 1)));
        let (start, end, skip) =
            closed.unwrap_or_else(|| (0, rest.find(char::is_whitespace).unwrap_or(rest.len()), 0));
        words.push(Value::String(rest[start..end].to_owned()));
        rest = rest[end + skip..].trim_start();
    }
    words
}
