//! Characters to tokens.

use super::FilterError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// Keywords, functions, keys: letters, digits and `_ . -`.
    Word(String),
    Text(String),
    Number(f64),
    /// One of `= != < <= > >= ! ( ) { } [ ] , : #`.
    Sign(&'static str),
    End,
}

/// The longer ones first.
const SIGNS: [&str; 16] = ["!=", "<=", ">=", "=", "<", ">", "!", "(", ")", "{", "}", "[", "]", ",", ":", "#"];

/// Tokens with where they begin, the last one [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text[..text.len() - rest.len()].chars().count();
        let error = |problem: String| FilterError { at, problem };
        let Some(first) = rest.chars().next() else {
            tokens.push((Token::End, at));
            return Ok(tokens);
        };
        if first == '"' {
            let (token, after) =
                text_literal(&rest[1..]).ok_or_else(|| error("this text has no closing quote".to_owned()))?;
            tokens.push((token, at));
            rest = after;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push((Token::Sign(sign), at));
            rest = &rest[sign.len()..];
        } else if first.is_alphanumeric() || matches!(first, '_' | '-' | '.') {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')));
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            let is_number = first.is_ascii_digit() || first == '-' || first == '.';
            tokens.push((
                match word.parse::<f64>() {
                    Ok(number) if is_number && number.is_finite() => Token::Number(number),
                    _ => Token::Word(word.to_owned()),
                },
                at,
            ));
            rest = after;
        } else if first == '\'' {
            return Err(error("texts stand in double quotes".to_owned()));
        } else {
            return Err(error(format!("`{}` means nothing here", first.escape_default())));
        }
    }
}

/// After the opening quote; `\"` and `\\` are the characters themselves.
fn text_literal(rest: &str) -> Option<(Token, &str)> {
    let mut text = String::new();
    let mut characters = rest.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return Some((Token::Text(text), &rest[place + 1..])),
            '\\' => match characters.next()?.1 {
                escaped @ ('"' | '\\') => text.push(escaped),
                other => text.extend(['\\', other]),
            },
            other => text.push(other),
        }
    }
    None
}
