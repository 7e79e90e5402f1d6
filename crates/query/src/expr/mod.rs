//! Calculated fields and formulas: Honeycomb's expression language.

mod eval;
mod function;
mod lexer;
mod parser;

use regex::Regex;

use crate::value::Value;
pub(crate) use function::Function;

/// An expression within an expression; deeper is refused, so that no text from outside ends the stack.
pub const MAX_DEPTH: usize = 64;

/// A parsed expression. Its columns are numbered, so that whoever evaluates it looks each up once.
#[derive(Clone, Debug)]
pub struct Expr {
    root: Node,
    columns: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// `None` is null.
    Literal(Option<Value>),
    /// Place in [`Expr::columns`].
    Column(usize),
    Call(Function, Vec<Node>),
    /// A function whose pattern was compiled when the expression was parsed.
    Regex(Function, Box<Node>, Regex),
}

/// What is wrong with an expression, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at {at}: {message}")]
pub struct ExprError {
    pub at: usize,
    pub message: String,
}

impl Expr {
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        parser::parse(text)
    }

    /// What stands after a `$`, each name once.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// Whether it depends on when the row was.
    pub fn tells_time(&self) -> bool {
        self.root.tells_time()
    }
}

impl Node {
    fn tells_time(&self) -> bool {
        match self {
            Self::Literal(_) | Self::Column(_) => false,
            Self::Regex(_, text, _) => text.tells_time(),
            Self::Call(function, arguments) => {
                *function == Function::EventTimestamp || arguments.iter().any(Self::tells_time)
            }
        }
    }
}
