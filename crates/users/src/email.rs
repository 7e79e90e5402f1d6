/// An address that could be one: `local@domain`. Only a mail that arrives proves more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email(String);

#[derive(Debug, thiserror::Error)]
#[error("that is no e-mail address")]
pub(crate) struct BadEmail;

impl Email {
    pub(crate) fn parse(text: &str) -> Result<Self, BadEmail> {
        let (local, domain) = text.rsplit_once('@').ok_or(BadEmail)?;
        // 254 bytes is the longest path that RFC 5321 4.5.3.1.3 lets through.
        let valid = text.len() <= 254
            && !local.is_empty()
            && !local.contains('@')
            && domain.contains('.')
            && domain.split('.').all(|label| !label.is_empty())
            && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if valid { Ok(Self(text.to_lowercase())) } else { Err(BadEmail) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(Email::parse(text).ok().as_ref().map(Email::as_str), expect, "{text:?}");
    }

    #[test]
    fn one_at_sign_and_a_domain() {
        check("Andrew@Example.COM", Some("andrew@example.com"));
        check("a+b@example.co.uk", Some("a+b@example.co.uk"));
        check("", None);
        check("andrew", None);
        check("@example.com", None);
        check("a@b", None);
        check("a@b@example.com", None);
        check("a@example..com", None);
        check("a b@example.com", None);
        check("a@example.com\r\nBcc: x@y.z", None);
        check(&format!("{}@example.com", "a".repeat(250)), None);
    }
}
