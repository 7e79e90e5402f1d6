//! Filter expressions of `GetTraceSummaries` and of groups.

mod eval;
mod lex;
mod parse;

pub(crate) use eval::{Filter, root_causes};
pub(crate) use parse::{
    Comparison, Expr, Flag, Level, Matcher, Number, Operator, RootCause, Text, Value, parse,
};

/// Why an expression is none, and where: the number of characters before the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter expression is not valid at character {at}: {problem}")]
pub struct FilterError {
    pub at: usize,
    pub problem: String,
}
