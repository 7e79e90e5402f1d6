//! `= 400`, `!= "Root*"`, `> 1.5`, `= %4\d\d%`: what stands right of a field, and whether a value is so.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::Value;

use super::lex::{Cursor, PatternError};

#[derive(Clone, Debug)]
pub(super) struct Comparison {
    operator: Operator,
    operand: Operand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug)]
enum Operand {
    /// In the parts between its `*`, and as a number if it is one.
    Text {
        parts: Vec<String>,
        number: Option<f64>,
    },
    Regex(Regex),
}

impl Comparison {
    /// Operator and operand; `None` when no operator comes next. `ends` are the characters that no bare operand holds.
    pub(super) fn parse(cursor: &mut Cursor<'_>, ends: &str) -> Result<Option<Self>, PatternError> {
        let operators = [
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let Some((_, operator)) = operators.into_iter().find(|(sign, _)| cursor.eat(sign)) else {
            return Ok(None);
        };
        cursor.skip_space();
        let operand = match cursor.peek() {
            Some('%') => {
                cursor.bump();
                Operand::Regex(cursor.regex()?)
            }
            Some(quote @ ('"' | '\'')) => {
                cursor.bump();
                Operand::text(&cursor.quoted(quote)?, false)
            }
            _ => {
                let is_end = |c: char| c.is_whitespace() || ends.contains(c) || "&|\"".contains(c);
                match cursor.take_while(|c| !is_end(c)) {
                    "" => return cursor.error("a value is missing here"),
                    text => Operand::text(text, true),
                }
            }
        };
        let is_order = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if is_order && !matches!(operand, Operand::Text { number: Some(_), .. }) {
            return cursor.error("only numbers can be greater or less");
        }
        Ok(Some(Self { operator, operand }))
    }

    /// Of a value that is there.
    pub(super) fn holds(&self, value: &Value) -> bool {
        match self.operator {
            Operator::Equal => self.operand.equals(value),
            Operator::NotEqual => !self.operand.equals(value),
            Operator::Less => self.orders(value, |order| order == Ordering::Less),
            Operator::LessOrEqual => self.orders(value, |order| order != Ordering::Greater),
            Operator::Greater => self.orders(value, |order| order == Ordering::Greater),
            Operator::GreaterOrEqual => self.orders(value, |order| order != Ordering::Less),
        }
    }

    fn orders(&self, value: &Value, is: impl Fn(Ordering) -> bool) -> bool {
        let Operand::Text { number: Some(number), .. } = &self.operand else { return false };
        to_number(value).and_then(|value| value.partial_cmp(number)).is_some_and(is)
    }
}

impl Operand {
    /// A quoted number is a text, too: it equals text only.
    fn text(text: &str, is_bare: bool) -> Self {
        let number = if is_bare { text.parse().ok().filter(|number: &f64| number.is_finite()) } else { None };
        Self::Text { parts: text.split('*').map(str::to_owned).collect(), number }
    }

    fn equals(&self, value: &Value) -> bool {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Object(_) | Value::Array(_) => {
                return matches!(self, Self::Text { parts, .. } if parts.iter().all(String::is_empty) && parts.len() > 1);
            }
            scalar => scalar.to_string(),
        };
        match self {
            Self::Regex(regex) => regex.is_match(&text),
            Self::Text { parts, number } => {
                let is_number = number.is_some_and(|number| {
                    to_number(value)
                        .is_some_and(|value| (value - number).abs() <= f64::EPSILON * number.abs())
                });
                is_number || glob(parts, &text)
            }
        }
    }
}

/// Of numbers, and of texts that are numbers, as lines split at blanks have them.
fn to_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Whether `text` is the parts in order with anything between them.
fn glob(parts: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = parts else { return parts[0] == text };
    let Some(rest) = text.strip_prefix(first.as_str()) else { return false };
    let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
    for part in middle {
        let Some(at) = rest.find(part.as_str()) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}
