/// What is searched for: 1 to 100 characters, in the language of web searches (`"a phrase"`, `or`, `-not`), which
/// Postgres's `websearch_to_tsquery` takes from anybody without a syntax error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TermError {
    #[error("the search term is empty")]
    Blank,
    #[error("the search term has {0} characters; at most {max} are taken", max = Term::MAX_CHARS)]
    TooLong(usize),
    #[error("the search term holds a control character")]
    Control,
}

impl Term {
    const MAX_CHARS: usize = 100;

    pub(crate) fn parse(text: &str) -> Result<Self, TermError> {
        let text = text.trim();
        match text.chars().count() {
            0 => Err(TermError::Blank),
            n if n > Self::MAX_CHARS => Err(TermError::TooLong(n)),
            _ if text.chars().any(char::is_control) => Err(TermError::Control),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl AsRef<str> for Term {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
