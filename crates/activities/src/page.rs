use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest};

use crate::activity::Activity;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::wire;

/// Which page of a feed is asked for: `?before=<next of the page before>&limit=<1 to 100>`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageRequest {
    pub(crate) before: Cursor,
    limit: u8,
}

/// One page of a feed, and where the next one begins.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) activities: Vec<Activity>,
    pub(crate) next: Option<Cursor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit is a number from 1 to {}", PageRequest::MAX_LIMIT)]
pub(crate) struct LimitError;

impl PageRequest {
    /// The users service looks up 100 profiles at once.
    const MAX_LIMIT: u8 = 100;
    const DEFAULT_LIMIT: u8 = 20;

    fn parse(query: &wire::PageQuery) -> Result<Self, Error> {
        let limit = match query.limit.as_deref() {
            None => Self::DEFAULT_LIMIT,
            Some(limit) => {
                limit.parse().ok().filter(|limit| (1..=Self::MAX_LIMIT).contains(limit)).ok_or(LimitError)?
            }
        };
        let before = query.before.as_deref().map_or(Ok(Cursor::START), str::parse)?;
        Ok(Self { before, limit })
    }

    /// One more than is shown, to learn whether there is a next page.
    pub(crate) fn rows(self) -> i64 {
        i64::from(self.limit) + 1
    }
}

impl FromRequest for PageRequest {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            Query::<wire::PageQuery>::from_query(request.query_string())
                .map_err(Error::Query)
                .and_then(|query| Self::parse(&query)),
        )
    }
}

impl Page {
    /// `activities` are the [`PageRequest::rows`] that the store found.
    pub(crate) fn new(request: PageRequest, mut activities: Vec<Activity>) -> Self {
        let more = activities.len() > usize::from(request.limit);
        activities.truncate(usize::from(request.limit));
        let next = activities.last().filter(|_| more).map(Cursor::from);
        Self { activities, next }
    }
}
