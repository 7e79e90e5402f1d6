//! What the extractors of actix answer to bad input, as problems.

use std::io;

use actix_web::error::{JsonPayloadError, PathError, PayloadError, QueryPayloadError};
use actix_web::web::{JsonConfig, PathConfig, QueryConfig};

use super::guard::body_too_slow;
use crate::Problem;

pub(super) fn json_config(limit: usize) -> JsonConfig {
    JsonConfig::default().limit(limit).error_handler(move |error, _| {
        match error {
            JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => {
                Problem::too_large(limit)
            }
            JsonPayloadError::ContentType => {
                Problem::unsupported_media_type("the body must be application/json")
            }
            JsonPayloadError::Payload(error) => payload_problem(&error, limit),
            // serde names the field and the line, which are the caller's own.
            JsonPayloadError::Deserialize(error) => Problem::bad_request(format!("malformed JSON: {error}")),
            error => Problem::internal(&error),
        }
        .into()
    })
}

pub(super) fn query_config() -> QueryConfig {
    QueryConfig::default().error_handler(|error, _| {
        match error {
            QueryPayloadError::Deserialize(error) => Problem::bad_request(format!("bad query: {error}")),
            error => Problem::bad_request(format!("bad query: {error}")),
        }
        .into()
    })
}

/// A path that does not parse (an id that is no UUID) names nothing that exists.
pub(super) fn path_config() -> PathConfig {
    PathConfig::default()
        .error_handler(|_: PathError, _| Problem::not_found("there is nothing at this path").into())
}

/// Why a body could not be read, as the caller may know it.
pub fn payload_problem(error: &PayloadError, limit: usize) -> Problem {
    match error {
        PayloadError::Overflow => Problem::too_large(limit),
        PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut => body_too_slow(),
        error => Problem::bad_request(format!("the body did not arrive whole: {error}")),
    }
}
