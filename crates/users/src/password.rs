use std::fmt;

/// A password that somebody chose: 8 to 128 characters, no other rule (OWASP ASVS 5.0, 6.2.1 and 6.2.5). Not printed.
#[derive(Clone)]
pub(crate) struct Password(String);

#[derive(Debug, thiserror::Error)]
#[error("a password has 8 to 128 characters")]
pub(crate) struct BadPassword;

impl Password {
    pub(crate) fn parse(text: String) -> Result<Self, BadPassword> {
        if (8..=128).contains(&text.chars().count()) { Ok(Self(text)) } else { Err(BadPassword) }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: bool) {
        assert_eq!(Password::parse(text.to_owned()).is_ok(), expect, "{} characters", text.chars().count());
    }

    #[test]
    fn eight_to_128_characters() {
        check("1234567", false);
        check("12345678", true);
        check("пароль12", true);
        check(&"x".repeat(128), true);
        check(&"x".repeat(129), false);
        check("", false);
    }

    #[test]
    fn it_is_not_printed() {
        assert_eq!(format!("{:?}", Password::parse("correct horse".to_owned()).unwrap()), "Password(..)");
    }
}
