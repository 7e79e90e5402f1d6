use actix_web::error::QueryPayloadError;
use service::Problem;

use crate::cursor::CursorError;
use crate::lab::FaultError;
use crate::message::MessageError;
use crate::page::LimitError;
use crate::store::StoreError;
use crate::term::TermError;
use crate::ttl::TtlError;

/// All that a route can fail with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    Ttl(#[from] TtlError),
    #[error(transparent)]
    Term(#[from] TermError),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error(transparent)]
    Fault(#[from] FaultError),
    #[error("the query string cannot be read")]
    Query(#[source] QueryPayloadError),
    #[error("no such activity, or its time is over")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match &error {
            Error::Message(_) | Error::Ttl(_) | Error::Term(_) | Error::Limit(_) | Error::Fault(_) => {
                Problem::invalid(error.to_string())
            }
            Error::Cursor(_) | Error::Query(_) => Problem::bad_request(error.to_string()),
            Error::NotFound => Problem::not_found(error.to_string()),
            Error::Store(StoreError::Away(cause)) => {
                tracing::warn!(%cause, "the database is away");
                Problem::unavailable("the database is away; try again in a moment")
            }
            Error::Store(cause) => Problem::internal(cause),
        }
    }
}

impl From<Error> for actix_web::Error {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}
