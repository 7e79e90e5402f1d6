use std::fmt;

/// `andrewbrown`: 2 to 24 of `a-z`, `0-9` and `_`. Upper case is folded, so that `@Coco` and `@coco` are one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle(String);

#[derive(Debug, thiserror::Error)]
#[error("a handle has 2 to 24 letters, digits or underscores")]
pub struct BadHandle;

impl Handle {
    pub fn parse(text: &str) -> Result<Self, BadHandle> {
        let valid =
            (2..=24).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if valid { Ok(Self(text.to_ascii_lowercase())) } else { Err(BadHandle) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(Handle::parse(text).ok().as_ref().map(Handle::as_str), expect, "{text:?}");
    }

    #[test]
    fn letters_digits_and_underscores() {
        check("andrewbrown", Some("andrewbrown"));
        check("Coco", Some("coco"));
        check("a1_", Some("a1_"));
        check("a", None);
        check("", None);
        check("andrew brown", None);
        check("@coco", None);
        check("çoco", None);
        check("coco\n", None);
        check("<b>x</b>", None);
        check(&"x".repeat(24), Some(&"x".repeat(24)));
        check(&"x".repeat(25), None);
    }
}
