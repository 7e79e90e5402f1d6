use service::Problem;

use crate::email::BadEmail;
use crate::handle::BadHandle;
use crate::password::BadPassword;
use crate::store::StoreError;

/// What can go wrong in a request, as far as callers can tell it apart.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Invalid(String),
    #[error("wrong handle or password")]
    WrongCredentials,
    #[error("nobody has the handle @{0}")]
    NoSuchUser(String),
    #[error("that session has ended")]
    SessionEnded,
    #[error("too many sign-ins at once")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a password could not be hashed: {0}")]
    Hash(argon2::password_hash::Error),
    #[error("a token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let said = error.to_string();
        match error {
            Error::Invalid(_) => Problem::invalid(said),
            Error::WrongCredentials | Error::SessionEnded => Problem::unauthorized(said),
            Error::NoSuchUser(_) => Problem::not_found(said),
            Error::Busy => Problem::unavailable(said),
            Error::Store(StoreError::Taken(_)) => Problem::conflict(said),
            // Postgres is away: ours to fix, the caller's to try again.
            Error::Store(error @ StoreError::Unreachable(_)) => Problem::unavailable_because(&error),
            Error::Store(error) => Problem::internal(&error),
            Error::Hash(_) | Error::Sign(_) => Problem::internal(&error),
        }
    }
}

impl From<BadHandle> for Error {
    fn from(error: BadHandle) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<BadEmail> for Error {
    fn from(error: BadEmail) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<BadPassword> for Error {
    fn from(error: BadPassword) -> Self {
        Self::Invalid(error.to_string())
    }
}
