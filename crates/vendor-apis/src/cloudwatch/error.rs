use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use super::store::StoreError;
use crate::body::BodyError;

/// An error as AWS's clients read it: JSON 1.1, the kind in a header and in the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct ApiError {
    pub status: StatusCode,
    /// The name of the exception in the model of the API.
    pub kind: &'static str,
    pub message: String,
}

impl ApiError {
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    /// A member that breaks the model, in the words of AWS.
    pub(crate) fn constraint(value: &str, member: &str, constraint: &str) -> Self {
        Self::invalid(format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
        ))
    }

    pub(crate) fn missing(member: &str) -> Self {
        Self::invalid(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    }

    pub(crate) fn unknown_operation() -> Self {
        Self::new(
            "UnknownOperationException",
            "CloudWatch Logs has no such operation, or it is not kept here",
        )
    }

    /// A caller who may not read.
    pub fn access_denied() -> Self {
        Self::new(
            "UnrecognizedClientException",
            "this console asks for its token: send CONSOLE_TOKEN as the access key id",
        )
    }

    /// A page of another origin: AWS's clients never say an `Origin`.
    pub(crate) fn foreign_origin() -> Self {
        Self::new("AccessDeniedException", "not for pages of other origins")
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let kind = match error {
            StoreError::NoGroup | StoreError::NoStream => "ResourceNotFoundException",
            StoreError::GroupExists | StoreError::StreamExists => "ResourceAlreadyExistsException",
            StoreError::LimitExceeded => "LimitExceededException",
            // What AWS's clients wait and try again for.
            StoreError::Unavailable => {
                return Self {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    ..Self::new("ServiceUnavailableException", error.to_string())
                };
            }
        };
        Self::new(kind, error.to_string())
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(_) => Self {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                ..Self::new("RequestEntityTooLargeException", error.to_string())
            },
            _ => Self::new("SerializationException", error.to_string()),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status)
            .insert_header(("x-amzn-errortype", self.kind))
            .content_type("application/x-amz-json-1.1")
            .body(json!({ "__type": self.kind, "message": self.message }).to_string())
    }
}
