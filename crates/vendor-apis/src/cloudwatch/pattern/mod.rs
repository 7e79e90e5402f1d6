//! Filter patterns of `FilterLogEvents`: parsed, with errors that say where, and judged.
//!
//! The syntax is that of "Filter pattern syntax for metric filters, subscription filters, filter log events, and Live
//! Tail" in the CloudWatch Logs user guide.

mod compare;
mod json;
mod lex;
mod space;
mod terms;

use self::json::Json;
use self::space::Space;
use self::terms::Terms;

pub use self::lex::PatternError;

/// A parsed filter pattern.
#[derive(Clone, Debug)]
pub struct Pattern(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Terms(Terms),
    Json(Json),
    Space(Space),
}

impl Pattern {
    /// An empty pattern matches everything.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let trimmed = text.trim();
        Ok(Self(match trimmed.as_bytes().first() {
            Some(b'{') => Kind::Json(Json::parse(trimmed)?),
            Some(b'[') => Kind::Space(Space::parse(trimmed)?),
            _ => Kind::Terms(Terms::parse(trimmed)?),
        }))
    }

    pub fn matches(&self, message: &str) -> bool {
        match &self.0 {
            Kind::Terms(terms) => terms.matches(message),
            Kind::Json(json) => json.matches(message),
            Kind::Space(space) => space.matches(message),
        }
    }
}
