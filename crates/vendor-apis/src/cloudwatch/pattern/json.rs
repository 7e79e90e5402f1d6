//! `{ $.level = "ERROR" && ($.user_id = * || $.latency > 1.5e2) }`: of lines that are JSON objects.

use serde_json::Value;

use super::compare::Comparison;
use super::lex::{Cursor, PatternError};

/// Parentheses within parentheses; a pattern of 1,024 characters could hold hundreds.
const MAX_DEPTH: usize = 32;

#[derive(Clone, Debug)]
pub(super) struct Json(Expression);

#[derive(Clone, Debug)]
enum Expression {
    Any(Vec<Expression>),
    All(Vec<Expression>),
    Is { path: Vec<Step>, test: Test },
}

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
    /// `[*]`: any of them.
    Each,
}

#[derive(Clone, Debug)]
enum Test {
    Compare(Comparison),
    Null,
    NotNull,
    Exists,
    NotExists,
    True,
    False,
}

impl Json {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut cursor = Cursor::new(text);
        cursor.bump();
        let expression = any(&mut cursor, 0)?;
        if !cursor.eat("}") {
            return cursor.error("expected && or || or }");
        }
        cursor.skip_space();
        match cursor.peek() {
            None => Ok(Self(expression)),
            Some(_) => cursor.error("nothing may follow the }"),
        }
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let message = message.trim_start();
        if !message.starts_with('{') {
            return false;
        }
        serde_json::from_str(message).is_ok_and(|value| holds(&self.0, &value))
    }
}

/// `&&` binds closer than `||`.
fn any(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, PatternError> {
    let mut alternatives = vec![all(cursor, depth)?];
    while cursor.eat("||") {
        alternatives.push(all(cursor, depth)?);
    }
    Ok(Expression::Any(alternatives))
}

fn all(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, PatternError> {
    let mut conditions = vec![condition(cursor, depth)?];
    while cursor.eat("&&") {
        conditions.push(condition(cursor, depth)?);
    }
    Ok(Expression::All(conditions))
}

fn condition(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expression, PatternError> {
    if cursor.eat("(") {
        if depth >= MAX_DEPTH {
            return cursor.error("too many parentheses within each other");
        }
        let inner = any(cursor, depth + 1)?;
        return if cursor.eat(")") { Ok(inner) } else { cursor.error("expected )") };
    }
    if !cursor.eat("$") {
        return cursor.error("expected a field, such as $.level");
    }
    let path = path(cursor)?;
    let test = test(cursor)?;
    Ok(Expression::Is { path, test })
}

fn path(cursor: &mut Cursor<'_>) -> Result<Vec<Step>, PatternError> {
    let mut path = Vec::new();
    loop {
        match cursor.peek() {
            Some('.') => {
                cursor.bump();
                // `$.['a.b']` is `$['a.b']`.
                if cursor.peek() == Some('[') {
                    continue;
                }
                let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | '/' | ':');
                match cursor.take_while(is_part) {
                    "" => return cursor.error("the name of a field is missing here"),
                    name => path.push(Step::Key(name.to_owned())),
                }
            }
            Some('[') => {
                cursor.bump();
                path.push(match cursor.peek() {
                    Some(quote @ ('\'' | '"')) => {
                        cursor.bump();
                        Step::Key(cursor.quoted(quote)?)
                    }
                    Some('*') => {
                        cursor.bump();
                        Step::Each
                    }
                    _ => match cursor.take_while(|c| c.is_ascii_digit()).parse() {
                        Ok(index) => Step::Index(index),
                        Err(_) => return cursor.error("expected an index, * or a name in quotes"),
                    },
                });
                if !cursor.eat("]") {
                    return cursor.error("expected ]");
                }
            }
            _ if path.is_empty() => return cursor.error("expected a field, such as $.level"),
            _ => return Ok(path),
        }
    }
}

fn test(cursor: &mut Cursor<'_>) -> Result<Test, PatternError> {
    if let Some(comparison) = Comparison::parse(cursor, "(){}")? {
        return Ok(Test::Compare(comparison));
    }
    if cursor.eat_word("IS") {
        let is_not = cursor.eat_word("NOT");
        let test = match is_not {
            _ if cursor.eat_word("NULL") => {
                if is_not {
                    Test::NotNull
                } else {
                    Test::Null
                }
            }
            false if cursor.eat_word("TRUE") => Test::True,
            false if cursor.eat_word("FALSE") => Test::False,
            _ => return cursor.error("expected NULL, TRUE or FALSE"),
        };
        return Ok(test);
    }
    if cursor.eat_word("EXISTS") {
        return Ok(Test::Exists);
    }
    if cursor.eat_word("NOT") {
        return if cursor.eat_word("EXISTS") { Ok(Test::NotExists) } else { cursor.error("expected EXISTS") };
    }
    cursor.error("expected =, !=, <, <=, >, >=, IS NULL, IS TRUE, IS FALSE or NOT EXISTS")
}

fn holds(expression: &Expression, value: &Value) -> bool {
    match expression {
        Expression::Any(alternatives) => alternatives.iter().any(|inner| holds(inner, value)),
        Expression::All(conditions) => conditions.iter().all(|inner| holds(inner, value)),
        Expression::Is { path, test: Test::NotExists } => !some(value, path, &|_| true),
        Expression::Is { path, test } => some(value, path, &|value| match test {
            // A field that is null has no value to compare.
            Test::Compare(comparison) => !value.is_null() && comparison.holds(value),
            Test::Null => value.is_null(),
            Test::NotNull => !value.is_null(),
            Test::True => *value == Value::Bool(true),
            Test::False => *value == Value::Bool(false),
            Test::Exists | Test::NotExists => true,
        }),
    }
}

/// Whether one of the values that the path leads to is so.
fn some(value: &Value, path: &[Step], is: &impl Fn(&Value) -> bool) -> bool {
    let Some((step, rest)) = path.split_first() else { return is(value) };
    match step {
        Step::Key(key) => value.get(key).is_some_and(|value| some(value, rest, is)),
        Step::Index(index) => value.get(*index).is_some_and(|value| some(value, rest, is)),
        Step::Each => value.as_array().is_some_and(|values| values.iter().any(|value| some(value, rest, is))),
    }
}
