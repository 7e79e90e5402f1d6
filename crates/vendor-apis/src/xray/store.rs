//! What the console keeps for us. We know neither its tables nor its files.

use std::time::Duration;

use ::xray::Document;
use ::xray::TraceId;
use ::xray::segment::{Rejected, read};
use futures::future::BoxFuture;

use super::span::Span;
pub use crate::Unavailable;

/// A document that was accepted: as it came, and as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    pub text: String,
    pub document: Document,
}

/// What became of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub stored: u64,
    /// Of an id that has a complete document already.
    pub duplicates: u64,
    /// The trace holds as many as it may.
    pub trace_too_large: u64,
}

/// Which traces a query looks at, by when they began: `[start, end)` since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub start: Duration,
    pub end: Duration,
}

/// Where a page of traces ended; opaque to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub i64, pub i64);

/// A trace in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    pub id: TraceId,
    /// Since 1970.
    pub start: Duration,
    pub cursor: Cursor,
}

/// All that is known of a trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// As received.
    pub documents: Vec<String>,
    /// Spans that came by OTLP and have no document of their own.
    pub spans: Vec<Span>,
    /// There was more than the store gives at once.
    pub limit_exceeded: bool,
}

/// The way to what is kept. Each call returns when its work is durable or done.
pub trait Store: Send + Sync {
    fn put(&self, documents: Vec<Received>) -> BoxFuture<'_, Result<Outcome, Unavailable>>;

    /// The newest first, after `after`.
    fn list(
        &self,
        window: Window,
        after: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Listed>, Unavailable>>;

    /// `None` when nothing of it was ever received.
    fn trace(&self, id: TraceId) -> BoxFuture<'_, Result<Option<Trace>, Unavailable>>;

    /// Groups and sampling rules, as [`Store::save_settings`] was given them.
    fn settings(&self) -> BoxFuture<'_, Result<Option<String>, Unavailable>>;

    fn save_settings(&self, settings: String) -> BoxFuture<'_, Result<(), Unavailable>>;
}

impl Received {
    /// Reads one document, as `PutTraceSegments` and the daemon's datagrams carry it.
    pub fn read(text: &str) -> Result<Self, Rejected> {
        // Newlines around it are harmless to X-Ray, and no part of the document.
        let text = text.trim_matches(['\n', '\r', ' ', '\t']);
        Ok(Self { document: read(text)?, text: text.to_owned() })
    }
}
