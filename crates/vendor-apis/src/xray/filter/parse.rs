//! Tokens to an expression.
//!
//! ```text
//! or      = and *( OR and )
//! and     = unary *( [AND] unary )          ok !partial duration < 3
//! unary   = [ "!" ] primary
//! primary = "(" or ")" | keyword [ op value ] | service(..) [ "{" or "}" ] | edge(..) [ "{" or "}" ]
//!         | annotation.key [ op value ] | annotation[key] .. | group.name = ".." | rootcause.x.y [ "{" or "}" ]
//! ```

use super::FilterError;
use super::lex::{Token, tokens};

/// Parentheses and braces within each other; deeper ones are refused before the stack is.
const MAX_DEPTH: usize = 32;
/// Characters of an expression.
const MAX_CHARS: usize = 4_096;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Flag(Flag),
    Number(Number, Operator, f64),
    /// `None`: whether there is a value.
    Text(Text, Option<(Operator, String)>),
    Annotation(String, Option<Comparison>),
    Service(Matcher, Option<Box<Expr>>),
    Edge(Matcher, Matcher, Option<Box<Expr>>),
    Group {
        by_arn: bool,
        operator: Operator,
        value: String,
    },
    RootCause(RootCause, Level, Option<Box<Expr>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    Ok,
    Error,
    Throttle,
    Fault,
    Partial,
    Inferred,
    First,
    Last,
    Remote,
    Root,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    ResponseTime,
    Duration,
    HttpStatus,
    Index,
    Coverage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    HttpUrl,
    HttpMethod,
    HttpUserAgent,
    HttpClientIp,
    User,
    Name,
    Kind,
    Message,
    AvailabilityZone,
    InstanceId,
    ResourceArn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Is,
    IsNot,
    Less,
    LessOrSame,
    More,
    MoreOrSame,
    Contains,
    BeginsWith,
    EndsWith,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(f64),
    Bool(bool),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) operator: Operator,
    pub(crate) value: Value,
}

/// Which services; `None` is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Matcher {
    pub(crate) name: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) account_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RootCause {
    Fault,
    Error,
    ResponseTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Service,
    Entity,
    Exception,
}

pub(crate) fn parse(text: &str) -> Result<Expr, FilterError> {
    if text.chars().count() > MAX_CHARS {
        return Err(FilterError { at: MAX_CHARS, problem: format!("longer than {MAX_CHARS} characters") });
    }
    let mut parser = Parser { tokens: tokens(text)?, place: 0, depth: 0, braces: 0 };
    let expr = parser.or()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.error("expected AND, OR or the end")),
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    place: usize,
    depth: usize,
    /// Within how many `{`.
    braces: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.place].0
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        if token != Token::End {
            self.place += 1;
        }
        token
    }

    fn error(&self, problem: impl Into<String>) -> FilterError {
        FilterError { at: self.tokens[self.place].1, problem: problem.into() }
    }

    fn error_before(&self, problem: impl Into<String>) -> FilterError {
        FilterError { at: self.tokens[self.place.saturating_sub(1)].1, problem: problem.into() }
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(found) if *found == sign);
        if found {
            self.place += 1;
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), FilterError> {
        if self.takes(sign) { Ok(()) } else { Err(self.error(format!("expected `{sign}`"))) }
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word));
        if found {
            self.place += 1;
        }
        found
    }

    fn or(&mut self) -> Result<Expr, FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("more than {MAX_DEPTH} parentheses and braces within each other")));
        }
        let mut any = vec![self.and()?];
        while self.takes_word("OR") {
            any.push(self.and()?);
        }
        self.depth -= 1;
        Ok(if any.len() == 1 { any.remove(0) } else { Expr::Or(any) })
    }

    fn and(&mut self) -> Result<Expr, FilterError> {
        let mut all = vec![self.unary()?];
        loop {
            let is_next = match self.peek() {
                Token::Word(word) => !word.eq_ignore_ascii_case("OR"),
                Token::Sign(sign) => matches!(*sign, "!" | "("),
                _ => false,
            };
            if !is_next {
                break;
            }
            self.takes_word("AND");
            all.push(self.unary()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    fn unary(&mut self) -> Result<Expr, FilterError> {
        let mut negated = false;
        while self.takes("!") {
            negated = !negated;
        }
        let expr = self.primary()?;
        Ok(if negated { Expr::Not(Box::new(expr)) } else { expr })
    }

    fn primary(&mut self) -> Result<Expr, FilterError> {
        if self.takes("(") {
            let expr = self.or()?;
            self.expect(")")?;
            return Ok(expr);
        }
        let Token::Word(word) = self.peek().clone() else {
            return Err(self.error("expected a keyword such as `fault` or `responsetime`"));
        };
        let keyword = word.to_ascii_lowercase();
        if let Some(key) = keyword.strip_prefix("annotation.").map(|_| &word["annotation.".len()..]) {
            let key = key.to_owned();
            if key.is_empty() {
                return Err(self.error("expected the key of an annotation"));
            }
            return self.annotation(key);
        }
        if let Some(flag) = flag(&keyword) {
            self.next();
            return self.flag(flag);
        }
        if let Some(number) = number(&keyword) {
            self.next();
            let operator = self.operator(&NUMERIC, "a comparison such as `> 5`")?;
            return Ok(Expr::Number(number, operator, self.number()?));
        }
        if let Some(text) = text(&keyword) {
            self.next();
            if self.operator_ahead().is_none() {
                return Ok(Expr::Text(text, None));
            }
            let operator = self.operator(&TEXTUAL, "a comparison of texts such as `= \"..\"`")?;
            return Ok(Expr::Text(text, Some((operator, self.text()?))));
        }
        match keyword.as_str() {
            "annotation" => {
                self.next();
                self.expect("[")?;
                self.place -= 1;
                self.annotation_in_brackets()
            }
            "service" => {
                self.next();
                self.expect("(")?;
                let matcher = if self.takes(")") { Matcher::default() } else { self.matcher_and(")")? };
                Ok(Expr::Service(matcher, self.braces()?))
            }
            "edge" => {
                self.next();
                self.expect("(")?;
                let from = self.matcher_and(",")?;
                let to = self.matcher_and(")")?;
                Ok(Expr::Edge(from, to, self.braces()?))
            }
            "group.name" | "group.arn" => {
                self.next();
                let operator = self.operator(&[Operator::Is, Operator::IsNot], "`=` or `!=`")?;
                Ok(Expr::Group { by_arn: keyword == "group.arn", operator, value: self.text()? })
            }
            _ => self.root_cause(&keyword, &word),
        }
    }

    fn flag(&mut self, flag: Flag) -> Result<Expr, FilterError> {
        let expr = Expr::Flag(flag);
        let Some(operator) = self.operator_ahead() else { return Ok(expr) };
        if !matches!(operator, Operator::Is | Operator::IsNot) {
            return Err(self.error("a flag is only compared by `=` and `!=`"));
        }
        self.next();
        let expected = if self.takes_word("true") {
            true
        } else if self.takes_word("false") {
            false
        } else {
            return Err(self.error("expected `true` or `false`"));
        };
        let holds = expected == (operator == Operator::Is);
        Ok(if holds { expr } else { Expr::Not(Box::new(expr)) })
    }

    fn annotation_in_brackets(&mut self) -> Result<Expr, FilterError> {
        self.expect("[")?;
        let key = match self.next() {
            Token::Word(key) | Token::Text(key) => key,
            Token::Number(number) => number.to_string(),
            _ => return Err(self.error_before("expected the key of an annotation")),
        };
        if !matches!(self.peek(), Token::Sign("]")) {
            return Err(self.error("expected `]`"));
        }
        self.annotation(key)
    }

    /// At the token after which a comparison may come.
    fn annotation(&mut self, key: String) -> Result<Expr, FilterError> {
        if self.braces > 0 {
            return Err(self.error("annotations are of a trace: they do not stand within braces"));
        }
        self.next();
        if self.operator_ahead().is_none() {
            return Ok(Expr::Annotation(key, None));
        }
        let operator = self.operator(&ANY, "a comparison")?;
        let value = match self.next() {
            Token::Text(text) => Value::Text(text),
            Token::Number(number) => Value::Number(number),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Value::Bool(true),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Value::Bool(false),
            _ => return Err(self.error_before("expected a text in double quotes, a number, true or false")),
        };
        Ok(Expr::Annotation(key, Some(Comparison { operator, value })))
    }

    fn matcher_and(&mut self, end: &str) -> Result<Matcher, FilterError> {
        let matcher = match self.next() {
            Token::Text(name) => Matcher { name: Some(name), ..Matcher::default() },
            Token::Word(word) if word.eq_ignore_ascii_case("id") => {
                self.expect("(")?;
                self.id()?
            }
            _ => return Err(self.error_before("expected a name in double quotes, or `id(..)`")),
        };
        self.expect(end)?;
        Ok(matcher)
    }

    /// After `id(`.
    fn id(&mut self) -> Result<Matcher, FilterError> {
        let mut matcher = Matcher::default();
        while !self.takes(")") {
            let Token::Word(field) = self.next() else {
                return Err(self.error_before("expected name, type or account.id"));
            };
            let slot = match field.to_ascii_lowercase().as_str() {
                "name" => &mut matcher.name,
                "type" => &mut matcher.kind,
                "account.id" => &mut matcher.account_id,
                _ => return Err(self.error_before("expected name, type or account.id")),
            };
            self.expect(":")?;
            *slot = Some(self.text()?);
            if !self.takes(",") && !matches!(self.peek(), Token::Sign(")")) {
                return Err(self.error("expected `,` or `)`"));
            }
        }
        Ok(matcher)
    }

    fn braces(&mut self) -> Result<Option<Box<Expr>>, FilterError> {
        if !self.takes("{") {
            return Ok(None);
        }
        if self.takes("}") {
            return Ok(None);
        }
        self.braces += 1;
        let expr = self.or()?;
        self.braces -= 1;
        self.expect("}")?;
        Ok(Some(Box::new(expr)))
    }

    fn root_cause(&mut self, keyword: &str, word: &str) -> Result<Expr, FilterError> {
        let unknown = || self.error(format!("`{word}` is no keyword"));
        let (cause, level) =
            keyword.strip_prefix("rootcause.").and_then(|rest| rest.split_once('.')).ok_or_else(unknown)?;
        let cause = match cause {
            "fault" => RootCause::Fault,
            "error" => RootCause::Error,
            "responsetime" => RootCause::ResponseTime,
            _ => return Err(unknown()),
        };
        let level = match level {
            "service" => Level::Service,
            "entity" => Level::Entity,
            "exception" => Level::Exception,
            _ => return Err(unknown()),
        };
        self.next();
        Ok(Expr::RootCause(cause, level, self.braces()?))
    }

    fn operator_ahead(&self) -> Option<Operator> {
        match self.peek() {
            Token::Sign("=") => Some(Operator::Is),
            Token::Sign("!=") => Some(Operator::IsNot),
            Token::Sign("<") => Some(Operator::Less),
            Token::Sign("<=") => Some(Operator::LessOrSame),
            Token::Sign(">") => Some(Operator::More),
            Token::Sign(">=") => Some(Operator::MoreOrSame),
            Token::Word(word) => match word.to_ascii_uppercase().as_str() {
                "CONTAINS" => Some(Operator::Contains),
                "BEGINSWITH" => Some(Operator::BeginsWith),
                "ENDSWITH" => Some(Operator::EndsWith),
                _ => None,
            },
            _ => None,
        }
    }

    fn operator(&mut self, allowed: &[Operator], what: &str) -> Result<Operator, FilterError> {
        match self.operator_ahead().filter(|operator| allowed.contains(operator)) {
            Some(operator) => {
                self.next();
                Ok(operator)
            }
            None => Err(self.error(format!("expected {what}"))),
        }
    }

    fn number(&mut self) -> Result<f64, FilterError> {
        match self.next() {
            Token::Number(number) => Ok(number),
            Token::End => Err(self.error("expected a number")),
            _ => Err(self.error_before("expected a number")),
        }
    }

    fn text(&mut self) -> Result<String, FilterError> {
        match self.next() {
            Token::Text(text) => Ok(text),
            Token::End => Err(self.error("expected a text in double quotes")),
            _ => Err(self.error_before("expected a text in double quotes")),
        }
    }
}

const NUMERIC: [Operator; 6] = [
    Operator::Is,
    Operator::IsNot,
    Operator::Less,
    Operator::LessOrSame,
    Operator::More,
    Operator::MoreOrSame,
];
const TEXTUAL: [Operator; 5] =
    [Operator::Is, Operator::IsNot, Operator::Contains, Operator::BeginsWith, Operator::EndsWith];
const ANY: [Operator; 9] = [
    Operator::Is,
    Operator::IsNot,
    Operator::Less,
    Operator::LessOrSame,
    Operator::More,
    Operator::MoreOrSame,
    Operator::Contains,
    Operator::BeginsWith,
    Operator::EndsWith,
];

fn flag(keyword: &str) -> Option<Flag> {
    Some(match keyword {
        "ok" => Flag::Ok,
        "error" => Flag::Error,
        "throttle" => Flag::Throttle,
        "fault" => Flag::Fault,
        "partial" => Flag::Partial,
        "inferred" => Flag::Inferred,
        "first" => Flag::First,
        "last" => Flag::Last,
        "remote" => Flag::Remote,
        "root" => Flag::Root,
        _ => return None,
    })
}

fn number(keyword: &str) -> Option<Number> {
    Some(match keyword {
        "responsetime" => Number::ResponseTime,
        "duration" => Number::Duration,
        "http.status" => Number::HttpStatus,
        "index" => Number::Index,
        "coverage" => Number::Coverage,
        _ => return None,
    })
}

fn text(keyword: &str) -> Option<Text> {
    Some(match keyword {
        "http.url" => Text::HttpUrl,
        "http.method" => Text::HttpMethod,
        "http.useragent" => Text::HttpUserAgent,
        "http.clientip" => Text::HttpClientIp,
        "user" => Text::User,
        "name" => Text::Name,
        "type" => Text::Kind,
        "message" => Text::Message,
        "availabilityzone" => Text::AvailabilityZone,
        "instance.id" => Text::InstanceId,
        "resource.arn" => Text::ResourceArn,
        _ => return None,
    })
}
