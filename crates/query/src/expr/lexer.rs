//! Text -> words.

use super::ExprError;
use crate::value::Value;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Column(String),
    Literal(Option<Value>),
    Name(String),
    /// `( ) , ! * / % - + < <= > >= = !=`
    Symbol(&'static str),
    End,
}

const SYMBOLS: [&str; 15] = ["<=", ">=", "!=", "(", ")", ",", "!", "*", "/", "%", "-", "+", "<", ">", "="];

/// What a column name may hold without quotes.
fn is_of_column(letter: char) -> bool {
    letter.is_alphanumeric() || "_./:=+?-".contains(letter)
}

/// The words with the byte at which each begins, `End` last.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExprError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = if letter.is_whitespace() {
            at += letter.len_utf8();
            continue;
        } else if let Some(name) = rest.strip_prefix('$') {
            column(name, at)?
        } else if letter == '"' || letter == '`' {
            let (text, length) = quoted(rest, at)?;
            (Token::Literal(Some(Value::Str(text.into()))), length)
        } else if letter.is_ascii_digit() || letter == '.' {
            number(rest, at)?
        } else if letter.is_alphabetic() || letter == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (word(&rest[..length]), length)
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            (Token::Symbol(symbol), symbol.len())
        } else {
            return Err(error(at, format!("{letter:?} means nothing here")));
        };
        tokens.push((at, token));
        at += length;
    }
    tokens.push((at, Token::End));
    Ok(tokens)
}

pub(super) fn error(at: usize, message: impl Into<String>) -> ExprError {
    ExprError { at, message: message.into() }
}

fn column(name: &str, at: usize) -> Result<(Token, usize), ExprError> {
    if name.starts_with(['"', '`']) {
        let (text, length) = quoted(name, at + 1)?;
        return Ok((Token::Column(text), length + 1));
    }
    let length = name.find(|c: char| !is_of_column(c)).unwrap_or(name.len());
    if length == 0 {
        return Err(error(at, "a column's name must follow $"));
    }
    Ok((Token::Column(name[..length].to_owned()), length + 1))
}

/// With Go's escapes between double quotes, raw between back-ticks.
fn quoted(text: &str, at: usize) -> Result<(String, usize), ExprError> {
    let is_raw = text.starts_with('`');
    let mut result = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((place, letter)) = letters.next() {
        match letter {
            '`' if is_raw => return Ok((result, place + 1)),
            '"' if !is_raw => return Ok((result, place + 1)),
            '\\' if !is_raw => {
                let (_, escaped) = letters.next().ok_or_else(|| error(at, "the text does not end"))?;
                let length = match escaped {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => {
                        let Some(letter) = unescape(escaped) else {
                            return Err(error(at + place, format!("\\{escaped} is no escape")));
                        };
                        result.push(letter);
                        continue;
                    }
                };
                let hex: String = letters.by_ref().take(length).map(|(_, digit)| digit).collect();
                let code = u32::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == length);
                match code.and_then(char::from_u32) {
                    Some(letter) => result.push(letter),
                    None => return Err(error(at + place, format!("\\{escaped}{hex} is no letter"))),
                }
            }
            _ => result.push(letter),
        }
    }
    Err(error(at, "the text does not end"))
}

fn unescape(letter: char) -> Option<char> {
    Some(match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        '\\' | '"' | '\'' => letter,
        _ => return None,
    })
}

fn number(text: &str, at: usize) -> Result<(Token, usize), ExprError> {
    let mut length = 0;
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(length) {
        let is_exponent_sign = matches!(byte, b'+' | b'-') && matches!(bytes[length - 1], b'e' | b'E');
        if !(byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E') || length > 0 && is_exponent_sign) {
            break;
        }
        length += 1;
    }
    let digits = &text[..length];
    let value = match digits.parse::<i64>() {
        Ok(int) => Some(Value::Int(int)),
        Err(_) => digits.parse().ok().and_then(Value::float),
    };
    match value {
        Some(value) => Ok((Token::Literal(Some(value)), length)),
        None => Err(error(at, format!("{digits} is no number"))),
    }
}

fn word(word: &str) -> Token {
    match word {
        "true" => Token::Literal(Some(Value::Bool(true))),
        "false" => Token::Literal(Some(Value::Bool(false))),
        "null" => Token::Literal(None),
        _ => Token::Name(word.to_owned()),
    }
}
