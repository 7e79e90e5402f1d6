use service::Problem;

/// What the gateway refuses by itself. What a neighbour refuses is handed on in its words (`service::upstream`), who
/// may not call is told by `service::identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("the message is empty")]
    MessageBlank,
    #[error("the message has {0} characters; at most {max} fit", max = crate::input::MAX_MESSAGE_CHARS)]
    MessageTooLong(usize),
    #[error("nobody has that handle")]
    NoSuchHandle,
    #[error("no activity has that id; an id is a uuid")]
    NoSuchActivity,
    #[error("there is nothing at this path")]
    NoSuchRoute,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::MessageBlank | Error::MessageTooLong(_) => Problem::invalid(error.to_string()),
            Error::NoSuchHandle | Error::NoSuchActivity | Error::NoSuchRoute => {
                Problem::not_found(error.to_string())
            }
        }
    }
}
