/// What a post says: 1 to 280 characters, without blanks around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("the message is empty")]
    Blank,
    #[error("the message has {0} characters; at most {max} fit", max = Message::MAX_CHARS)]
    TooLong(usize),
    #[error("the message holds a control character other than a line break or a tab")]
    Control,
}

impl Message {
    /// Characters as people count them: Unicode scalar values, as Postgres's `char_length` counts.
    pub(crate) const MAX_CHARS: usize = 280;

    pub(crate) fn parse(text: &str) -> Result<Self, MessageError> {
        let text = text.trim();
        match text.chars().count() {
            0 => return Err(MessageError::Blank),
            n if n > Self::MAX_CHARS => return Err(MessageError::TooLong(n)),
            _ => {}
        }
        // Postgres refuses NUL in text; the others have no place in a post and garble a terminal.
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(MessageError::Control);
        }
        Ok(Self(text.to_owned()))
    }
}

impl AsRef<str> for Message {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<&str, MessageError>) {
        assert_eq!(Message::parse(text).as_ref().map(AsRef::as_ref), expect.as_ref().copied());
    }

    #[test]
    fn a_message_has_1_to_280_characters() {
        check("crud", Ok("crud"));
        check("  crud\n", Ok("crud"));
        check("two\nlines", Ok("two\nlines"));
        check(&"ü".repeat(280), Ok(&"ü".repeat(280)));
        check(&"ü".repeat(281), Err(MessageError::TooLong(281)));
        check("", Err(MessageError::Blank));
        check(" \n\u{a0}\u{3000}", Err(MessageError::Blank));
        check("nul \0", Err(MessageError::Control));
        check("bell \u{7} rings", Err(MessageError::Control));
    }
}
