//! Words -> tree. Tightest first: `!`; `* / %`; `-`; `+`; `< <= > >=`; `= !=`; AND; OR. That `-` binds tighter than
//! `+` is Honeycomb's.

use regex::Regex;

use super::function::Function;
use super::lexer::{Token, error, tokens};
use super::{Expr, ExprError, MAX_DEPTH, Node};
use crate::value::Value;

/// `1+1+1+..` nests to the left, as deep as it is long.
const MAX_OPERATORS: usize = 256;
/// Compiled patterns may not take more memory.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Infix operators by level, loosest first.
const LEVELS: [&[(&str, Function)]; 7] = [
    &[("OR", Function::Or)],
    &[("AND", Function::And)],
    &[("=", Function::Equals), ("!=", Function::Differs)],
    &[("<", Function::Lt), ("<=", Function::Lte), (">", Function::Gt), (">=", Function::Gte)],
    &[("+", Function::Sum)],
    &[("-", Function::Sub)],
    &[("*", Function::Mul), ("/", Function::Div), ("%", Function::Mod)],
];

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    operators: usize,
    columns: Vec<String>,
}

pub(super) fn parse(text: &str) -> Result<Expr, ExprError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, operators: 0, columns: Vec::new() };
    let root = parser.infix(0)?;
    match parser.peek() {
        (_, Token::End) => Ok(Expr { root, columns: parser.columns }),
        (at, _) => Err(error(at, "an operator or the end should be here")),
    }
}

impl Parser {
    fn peek(&self) -> (usize, &Token) {
        let (at, token) = &self.tokens[self.next];
        (*at, token)
    }

    fn take(&mut self) -> (usize, Token) {
        let taken = self.tokens[self.next].clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        taken
    }

    fn is_next(&self, symbol: &str) -> bool {
        match self.peek().1 {
            Token::Symbol(found) => *found == symbol,
            Token::Name(found) => found == symbol,
            _ => false,
        }
    }

    fn expect(&mut self, symbol: &str) -> Result<(), ExprError> {
        if self.is_next(symbol) {
            self.take();
            return Ok(());
        }
        Err(error(self.peek().0, format!("{symbol} should be here")))
    }

    fn infix(&mut self, level: usize) -> Result<Node, ExprError> {
        let Some(operators) = LEVELS.get(level) else { return self.prefix() };
        let mut left = self.infix(level + 1)?;
        while let Some((_, function)) = operators.iter().find(|(symbol, _)| self.is_next(symbol)) {
            let (at, _) = self.take();
            self.operators += 1;
            if self.operators > MAX_OPERATORS {
                return Err(error(at, format!("more than {MAX_OPERATORS} operators")));
            }
            let right = self.infix(level + 1)?;
            left = Node::Call(*function, vec![left, right]);
        }
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Node, ExprError> {
        let (at, _) = self.peek();
        if self.depth >= MAX_DEPTH {
            return Err(error(at, format!("nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let node = self.operand();
        self.depth -= 1;
        node
    }

    fn operand(&mut self) -> Result<Node, ExprError> {
        let (at, token) = self.take();
        match token {
            Token::Literal(value) => Ok(Node::Literal(value)),
            Token::Column(name) => Ok(Node::Column(self.column(name))),
            Token::Symbol("!") => Ok(Node::Call(Function::Not, vec![self.prefix()?])),
            Token::Symbol("-") => match self.prefix()? {
                Node::Literal(Some(Value::Int(int))) => Ok(Node::Literal(Some(Value::Int(-int)))),
                Node::Literal(Some(Value::Float(float))) => Ok(Node::Literal(Some(Value::Float(-float)))),
                node => Ok(Node::Call(Function::Sub, vec![Node::Literal(Some(Value::Int(0))), node])),
            },
            Token::Symbol("(") => {
                let node = self.infix(0)?;
                self.expect(")")?;
                Ok(node)
            }
            Token::Name(name) => {
                self.expect("(")?;
                let mut arguments = Vec::new();
                while !self.is_next(")") {
                    if !arguments.is_empty() {
                        self.expect(",")?;
                    }
                    arguments.push(self.infix(0)?);
                }
                self.expect(")")?;
                call(&name, arguments).map_err(|message| error(at, message))
            }
            Token::End => Err(error(at, "the expression ends too early")),
            Token::Symbol(symbol) => Err(error(at, format!("{symbol} can't begin an expression"))),
        }
    }

    fn column(&mut self, name: String) -> usize {
        self.columns.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.columns.push(name);
            self.columns.len() - 1
        })
    }
}

fn call(name: &str, mut arguments: Vec<Node>) -> Result<Node, String> {
    let function = Function::find(name, arguments.len())?;
    if !function.has_pattern() {
        return Ok(Node::Call(function, arguments));
    }
    let Some(Node::Literal(Some(Value::Str(pattern)))) = arguments.pop() else {
        return Err(format!("the pattern of {name} must be a text"));
    };
    let regex = regex::RegexBuilder::new(&pattern).size_limit(MAX_REGEX_BYTES).build();
    let regex: Regex = regex.map_err(|error| format!("the pattern of {name} is none: {error}"))?;
    let text = arguments.pop().expect("there are two arguments");
    Ok(Node::Regex(function, Box::new(text), regex))
}
