//! Something to break on purpose, in every service: an error with a cause, and a panic. In production
//! (`THROUGHLINE_ENV=production`) these routes do not exist, and [`FAULT_HEADER`] means nothing.

use std::num::ParseIntError;

use actix_web::http::header::HeaderName;
use actix_web::web::{self, ServiceConfig};

use crate::Problem;

/// Which fault of its database the home feed shall have; see `docs/laboratory.md`.
pub const FAULT_HEADER: HeaderName = HeaderName::from_static("x-lab-fault");

#[derive(Debug, thiserror::Error)]
#[error("the answer cannot be read")]
struct UnreadableAnswer(#[source] ParseIntError);

pub(crate) fn register(app: &mut ServiceConfig) {
    app.service(web::resource("/debug/error").get(fail))
        .service(web::resource("/debug/panic").get(fall_over));
}

async fn fail() -> Result<String, Problem> {
    let answer = read("forty-two").map_err(|error| Problem::internal(&error))?;
    Ok(answer.to_string())
}

fn read(text: &str) -> Result<u32, UnreadableAnswer> {
    text.parse().map_err(UnreadableAnswer)
}

async fn fall_over() -> String {
    let answers: Vec<u32> = Vec::new();
    answers[42].to_string()
}
