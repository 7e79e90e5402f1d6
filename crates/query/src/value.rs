//! A cell of a row.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use indexmap::Equivalent;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

/// Whole floats are integers (`1.0` and `1` are one group); NaN and the infinities are no values.
#[derive(Clone, Debug)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Box<str>),
}

/// A value that is looked at and not kept.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(&'a str),
}

/// Whole floats up to here are exact as integers.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Value {
    /// `None` for NaN and the infinities.
    pub fn float(number: f64) -> Option<Self> {
        ValueRef::float(number).map(ValueRef::to_value)
    }

    /// `None` for null, arrays and objects.
    pub fn from_json(json: &Json) -> Option<Self> {
        match json {
            Json::Bool(bool) => Some(Self::Bool(*bool)),
            Json::Number(number) => match number.as_i64() {
                Some(int) => Some(Self::Int(int)),
                None => Self::float(number.as_f64()?),
            },
            Json::String(text) => Some(Self::Str(text.as_str().into())),
            _ => None,
        }
    }

    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Bool(bool) => ValueRef::Bool(*bool),
            Self::Int(int) => ValueRef::Int(*int),
            Self::Float(float) => ValueRef::Float(*float),
            Self::Str(text) => ValueRef::Str(text),
        }
    }

    pub fn number(&self) -> Option<f64> {
        self.as_ref().number()
    }
}

impl<'a> ValueRef<'a> {
    pub fn float(number: f64) -> Option<Self> {
        if !number.is_finite() {
            return None;
        }
        let is_whole = number.fract() == 0.0 && number.abs() < EXACT;
        Some(if is_whole { Self::Int(number as i64) } else { Self::Float(number) })
    }

    pub fn to_value(self) -> Value {
        match self {
            Self::Bool(bool) => Value::Bool(bool),
            Self::Int(int) => Value::Int(int),
            Self::Float(float) => Value::Float(float),
            Self::Str(text) => Value::Str(text.into()),
        }
    }

    pub fn number(self) -> Option<f64> {
        match self {
            Self::Int(int) => Some(int as f64),
            Self::Float(float) => Some(float),
            Self::Bool(_) | Self::Str(_) => None,
        }
    }

    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Numbers with numbers, texts with texts, truth with truth; `None` between kinds.
    pub fn compare(self, other: ValueRef<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), ValueRef::Int(b)) => Some(a.cmp(&b)),
            (Self::Str(a), ValueRef::Str(b)) => Some(a.cmp(b)),
            (Self::Bool(a), ValueRef::Bool(b)) => Some(a.cmp(&b)),
            _ => Some(self.number()?.total_cmp(&other.number()?)),
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) | Self::Float(_) => 1,
            Self::Str(_) => 2,
        }
    }
}

impl Hash for ValueRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Self::Bool(bool) => bool.hash(state),
            Self::Int(int) => int.hash(state),
            Self::Float(float) => float.to_bits().hash(state),
            Self::Str(text) => text.hash(state),
        }
    }
}

impl PartialEq for ValueRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Str(a), Self::Str(b)) => a == b,
            _ => false,
        }
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for Value {}

impl Equivalent<Value> for ValueRef<'_> {
    fn equivalent(&self, key: &Value) -> bool {
        *self == key.as_ref()
    }
}

impl Ord for Value {
    /// Truth before numbers before texts.
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.as_ref(), other.as_ref());
        a.compare(b).unwrap_or_else(|| a.rank().cmp(&b.rank()))
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(bool) => serializer.serialize_bool(*bool),
            Self::Int(int) => serializer.serialize_i64(*int),
            Self::Float(float) => serializer.serialize_f64(*float),
            Self::Str(text) => serializer.serialize_str(text),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(bool) => bool.fmt(f),
            Self::Int(int) => int.fmt(f),
            Self::Float(float) => float.fmt(f),
            Self::Str(text) => text.fmt(f),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}
