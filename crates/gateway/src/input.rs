//! What is checked before anybody else is asked: it saves a call, and the answer is as clear as the service's own.

use uuid::Uuid;

use crate::error::Error;

pub(crate) const MAX_MESSAGE_CHARS: usize = 280;
const MAX_HANDLE: usize = 24;

/// 1 to 280 characters, as the activities service counts them.
pub(crate) fn message(text: &str) -> Result<(), Error> {
    match text.trim().chars().count() {
        0 => Err(Error::MessageBlank),
        n if n > MAX_MESSAGE_CHARS => Err(Error::MessageTooLong(n)),
        _ => Ok(()),
    }
}

/// A handle that cannot exist does not exist. What passes needs no escaping in a path.
pub(crate) fn handle(text: &str) -> Result<&str, Error> {
    let valid = (1..=MAX_HANDLE).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if valid { Ok(text) } else { Err(Error::NoSuchHandle) }
}

/// The same for an activity.
pub(crate) fn uuid(text: &str) -> Result<Uuid, Error> {
    text.parse().map_err(|_| Error::NoSuchActivity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let check = |text: &str, expect: bool| assert_eq!(message(text).is_ok(), expect, "{text:?}");
        check("crud", true);
        check(&"ü".repeat(280), true);
        check(&format!("  {}\n", "x".repeat(280)), true);
        check(&"x".repeat(281), false);
        check("", false);
        check(" \n\t ", false);
    }

    #[test]
    fn handles() {
        let check = |text: &str, expect: bool| assert_eq!(handle(text).is_ok(), expect, "{text:?}");
        check("andrew_brown1", true);
        check("Worf", true);
        check("", false);
        check(&"x".repeat(25), false);
        check("a/b", false);
        check("a b", false);
        check("..", false);
        check("ä", false);
    }
}
