use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use super::store::Unavailable;

/// An error as AWS's clients read it: rest-json, the kind in a header and in the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct ApiError {
    pub status: StatusCode,
    /// The name of the exception in the model of the API.
    pub kind: &'static str,
    pub message: String,
}

impl ApiError {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "InvalidRequestException", message: message.into() }
    }

    pub fn rule_limit(message: impl Into<String>) -> Self {
        Self { kind: "RuleLimitExceededException", ..Self::invalid(message) }
    }

    /// Nothing at this path.
    pub fn unknown_operation() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            kind: "UnknownOperationException",
            message: "X-Ray has no such operation, or it is not kept here".to_owned(),
        }
    }

    /// A caller who may not read.
    pub fn access_denied() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            kind: "UnrecognizedClientException",
            message: "this console asks for its token: send CONSOLE_TOKEN as the access key id".to_owned(),
        }
    }

    /// A page of another origin: AWS's clients never say an `Origin`.
    pub fn foreign_origin() -> Self {
        Self {
            kind: "AccessDeniedException",
            message: "not for pages of other origins".to_owned(),
            ..Self::access_denied()
        }
    }
}

impl From<Unavailable> for ApiError {
    /// What AWS's clients wait and try again for.
    fn from(unavailable: Unavailable) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            kind: "ThrottledException",
            message: unavailable.to_string(),
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
            .json(json!({ "__type": self.kind, "Message": self.message, "message": self.message }))
    }
}
