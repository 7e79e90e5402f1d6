//! One row -> one value. A null in arithmetic gives null; a text in it counts as the number it spells, or 0.

use std::cmp::Ordering;
use std::fmt::Write as _;

use chrono::DateTime;
use regex::Regex;

use super::function::Function;
use super::{Expr, Node};
use crate::value::{Value, ValueRef};

/// What an expression is evaluated over.
struct Row<'a> {
    /// By the numbers of [`Expr::columns`].
    cells: &'a [Option<ValueRef<'a>>],
    /// Nanoseconds since 1970.
    time: i64,
}

impl Expr {
    /// `cells` in the order of [`Expr::columns`]; `time` in nanoseconds since 1970.
    pub fn evaluate(&self, cells: &[Option<ValueRef<'_>>], time: i64) -> Option<Value> {
        self.root.evaluate(&Row { cells, time })
    }
}

impl Node {
    fn evaluate(&self, row: &Row<'_>) -> Option<Value> {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Column(column) => row.cells[*column].map(ValueRef::to_value),
            Self::Regex(function, text, regex) => with_pattern(*function, &text.evaluate(row)?, regex),
            Self::Call(function, arguments) => call(*function, arguments, row),
        }
    }

    fn is_true(&self, row: &Row<'_>) -> bool {
        self.evaluate(row).is_some_and(|value| is_true(&value))
    }

    fn number(&self, row: &Row<'_>) -> Option<f64> {
        self.evaluate(row).map(|value| number(&value))
    }
}

pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(bool) => *bool,
        Value::Int(int) => *int != 0,
        Value::Float(float) => *float != 0.0,
        Value::Str(text) => &**text == "true",
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Bool(bool) => f64::from(u8::from(*bool)),
        Value::Int(int) => *int as f64,
        Value::Float(float) => *float,
        Value::Str(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()).unwrap_or(0.0),
    }
}

fn call(function: Function, arguments: &[Node], row: &Row<'_>) -> Option<Value> {
    let value = |place: usize| arguments.get(place)?.evaluate(row);
    let is_true = |place: usize| arguments[place].is_true(row);
    let number = |place: usize| arguments.get(place)?.number(row);
    let numbers = || arguments.iter().filter_map(|argument| argument.number(row));
    let compared = |holds: fn(Ordering) -> bool| {
        let ordering = value(0)?.as_ref().compare(value(1)?.as_ref());
        Some(Value::Bool(ordering.is_some_and(holds)))
    };
    let equals = |a: Option<Value>, b: Option<Value>| a.is_some() && a == b;
    match function {
        Function::If => {
            let arms = arguments.chunks_exact(2);
            let last = arms.remainder().first();
            for arm in arms {
                if arm[0].is_true(row) {
                    return arm[1].evaluate(row);
                }
            }
            last?.evaluate(row)
        }
        Function::Switch => {
            let subject = value(0);
            let cases = arguments[1..].chunks_exact(2);
            let last = cases.remainder().first();
            for case in cases {
                if equals(subject.clone(), case[0].evaluate(row)) {
                    return case[1].evaluate(row);
                }
            }
            last?.evaluate(row)
        }
        Function::Coalesce => arguments.iter().find_map(|argument| argument.evaluate(row)),
        Function::Lt => compared(Ordering::is_lt),
        Function::Lte => compared(Ordering::is_le),
        Function::Gt => compared(Ordering::is_gt),
        Function::Gte => compared(Ordering::is_ge),
        Function::Equals => Some(Value::Bool(equals(value(0), value(1)))),
        Function::Differs => Some(Value::Bool(!equals(value(0), value(1)))),
        Function::In => {
            let subject = value(0);
            let is_in = arguments[1..].iter().any(|case| equals(subject.clone(), case.evaluate(row)));
            Some(Value::Bool(is_in))
        }
        Function::Exists => Some(Value::Bool(value(0).is_some())),
        Function::Not => Some(Value::Bool(!is_true(0))),
        Function::And => Some(Value::Bool(arguments.iter().all(|argument| argument.is_true(row)))),
        Function::Or => Some(Value::Bool(arguments.iter().any(|argument| argument.is_true(row)))),
        Function::Min => numbers().min_by(f64::total_cmp).and_then(Value::float),
        Function::Max => numbers().max_by(f64::total_cmp).and_then(Value::float),
        Function::Sum => fold(arguments, row, |a, b| a + b),
        Function::Mul => fold(arguments, row, |a, b| a * b),
        Function::Sub => Value::float(number(0)? - number(1)?),
        // By zero: an infinity or NaN, which is no value.
        Function::Div => Value::float(number(0)? / number(1)?),
        Function::Mod => Value::float(number(0)? % number(1)?),
        Function::Log10 => Value::float(number(0)?.log10()),
        Function::Bucket => bucket(number(0)?, number(1)?, number(2), number(3)),
        Function::Int => Value::float(number(0)?.trunc()),
        Function::Float => Value::float(number(0)?),
        Function::Bool => Some(Value::Bool(self::is_true(&value(0)?))),
        Function::String => Some(Value::Str(value(0)?.to_string().into())),
        Function::Concat => {
            let mut text = String::new();
            for argument in arguments {
                if let Some(value) = argument.evaluate(row) {
                    let _ = write!(text, "{value}");
                }
            }
            Some(Value::Str(text.into()))
        }
        Function::StartsWith => {
            Some(texts(value(0).as_ref(), value(1).as_ref(), |text, part| text.starts_with(part)))
        }
        Function::EndsWith => {
            Some(texts(value(0).as_ref(), value(1).as_ref(), |text, part| text.ends_with(part)))
        }
        Function::Contains => {
            Some(texts(value(0).as_ref(), value(1).as_ref(), |text, part| text.contains(part)))
        }
        Function::ToLower => Some(Value::Str(value(0)?.as_ref().text()?.to_lowercase().into())),
        Function::Length => {
            let (text, unit) = (value(0)?, value(1));
            let text = text.as_ref().text()?;
            let is_letters = unit.is_some_and(|unit| unit == Value::from("chars"));
            Some(Value::Int(if is_letters { text.chars().count() } else { text.len() } as i64))
        }
        Function::UnixTimestamp => {
            let value = value(0)?;
            let time = DateTime::parse_from_rfc3339(value.as_ref().text()?).ok()?;
            Value::float(time.timestamp_micros() as f64 / 1e6)
        }
        Function::EventTimestamp => Value::float(row.time as f64 / 1e9),
        // Not kept.
        Function::IngestTimestamp => None,
        Function::FormatTime => format_time(&value(0)?, number(1)?),
        Function::RegMatch | Function::RegValue | Function::RegCount => {
            unreachable!("the parser makes these `Node::Regex`")
        }
    }
}

fn fold(arguments: &[Node], row: &Row<'_>, add: fn(f64, f64) -> f64) -> Option<Value> {
    let mut result = arguments[0].number(row)?;
    for argument in &arguments[1..] {
        result = add(result, argument.number(row)?);
    }
    Value::float(result)
}

fn texts(text: Option<&Value>, part: Option<&Value>, holds: fn(&str, &str) -> bool) -> Value {
    let (Some(Value::Str(text)), Some(Value::Str(part))) = (text, part) else {
        return Value::Bool(false);
    };
    Value::Bool(holds(text, part))
}

/// `10 - 20`; below and above the given ends `< 0` and `>= 100`.
fn bucket(number: f64, size: f64, least: Option<f64>, most: Option<f64>) -> Option<Value> {
    let size = Some(size).filter(|size| *size > 0.0)?;
    let origin = least.unwrap_or(0.0);
    let text = match (least, most) {
        (Some(least), _) if number < least => format!("< {least}"),
        (_, Some(most)) if number >= most => format!(">= {most}"),
        _ => {
            let low = ((number - origin) / size).floor() * size + origin;
            format!("{low} - {}", low + size)
        }
    };
    Some(Value::Str(text.into()))
}

fn format_time(format: &Value, seconds: f64) -> Option<Value> {
    let time = DateTime::from_timestamp_micros((seconds * 1e6) as i64)?;
    let mut text = String::new();
    // An unknown letter after % is an error of the formatter's.
    write!(text, "{}", time.format(format.as_ref().text()?)).ok()?;
    Some(Value::Str(text.into()))
}

fn with_pattern(function: Function, value: &Value, regex: &Regex) -> Option<Value> {
    let text = value.as_ref().text()?;
    match function {
        Function::RegMatch => Some(Value::Bool(regex.is_match(text))),
        Function::RegCount => Some(Value::Int(regex.find_iter(text).count() as i64)),
        _ => {
            let found = regex.captures(text)?;
            let part = found.get(1).or_else(|| found.get(0))?;
            Some(Value::from(part.as_str()))
        }
    }
}
