//! The spans of statements, after OpenTelemetry's conventions for database clients and for PostgreSQL.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::global::{self, BoxedSpan, BoxedTracer};
use opentelemetry::trace::{Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use pg_plan::log::without_values;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgQueryResult, PgRow};
use sqlx::{Either, Error, SqlStr};

use super::lock::{Holder, Waiter, Watch, Watched};
use super::plan::{self, Hearing, Report, Slot};
use super::server::Server;
use super::sql;
use crate::attributes::{
    DB_COLLECTION_NAME, DB_NAMESPACE, DB_OPERATION_NAME, DB_POOL_MAX_CONNECTIONS, DB_QUERY_TEXT,
    DB_RESPONSE_AFFECTED_ROWS, DB_RESPONSE_RETURNED_ROWS, DB_RESPONSE_STATUS_CODE, DB_SYSTEM_NAME,
    ERROR_TYPE, EXCEPTION_MESSAGE, EXCEPTION_TYPE, POSTGRESQL_LOCK_HOLDER_PID, POSTGRESQL_LOCK_HOLDER_STATE,
    POSTGRESQL_LOCK_HOLDER_TRACEPARENT, POSTGRESQL_LOCK_OBJECT, SERVER_ADDRESS, SERVER_PORT,
    THROUGHLINE_LINK,
};
use crate::current;
use crate::propagation::traceparent::Traceparent;

/// A shorter wait for a connection is no span: most statements find one at once, and opening one takes some
/// milliseconds.
const WAIT_SHOWN: Duration = Duration::from_millis(20);

/// What all spans of one database have in common.
#[derive(Debug)]
pub(super) struct Target(Vec<KeyValue>);

/// The CLIENT span of one statement. It ends when dropped, so a cancelled statement has one too.
pub(super) struct Statement {
    span: Option<BoxedSpan>,
    began: SystemTime,
    clock: Instant,
    /// What the server says of it, and the text that tells its own plan from others.
    heard: Option<(Slot, SqlStr)>,
    /// Whether somebody asks what it waits for, if it waits.
    watched: Option<Watched>,
    /// It lost against another transaction, in this way.
    refused: Option<&'static str>,
    writes: bool,
    rows: u64,
    affected: u64,
    finished: bool,
}

/// Whether the current work is sampled, and wants spans.
pub(super) fn is_sampled(cx: &Context) -> bool {
    cx.span().span_context().is_sampled() && !cx.is_telemetry_suppressed()
}

/// The first message of a sampled transaction. Everything in it is made of typed ids, so it is hex and dashes: 55
/// bytes of the 63 that an `application_name` may have.
pub(super) fn begin_sql(span: &SpanContext, server: &Server) -> String {
    let traceparent = Traceparent::from(span);
    let mut sql = format!("BEGIN; SET LOCAL application_name='{traceparent}'");
    if let Some(id) = xray::TraceId::from_bytes(span.trace_id().to_bytes()) {
        let _ = write!(sql, "; SET LOCAL throughline.xray_trace_id='{id}'");
    }
    for setting in server.settings() {
        let _ = write!(sql, "; SET LOCAL {setting}");
    }
    sql
}

/// A context with the span that lasts from BEGIN to COMMIT.
pub(super) fn transaction(outer: &Context, target: &Target) -> Context {
    let builder = tracer()
        .span_builder("transaction")
        .with_kind(SpanKind::Internal)
        .with_attributes(target.0.iter().cloned());
    outer.with_span(tracer().build_with_context(builder, outer))
}

/// The span of a wait for one of `most` connections that began at `asked` and ends now.
pub(super) fn waited(cx: &Context, target: &Target, most: u32, asked: SystemTime, error: Option<&Error>) {
    if error.is_none() && asked.elapsed().unwrap_or_default() < WAIT_SHOWN {
        return;
    }
    let builder = tracer()
        .span_builder("acquire connection")
        .with_kind(SpanKind::Internal)
        .with_start_time(asked)
        .with_attributes(target.0.iter().cloned());
    let mut span = tracer().build_with_context(builder, cx);
    span.set_attribute(KeyValue::new(DB_POOL_MAX_CONNECTIONS, i64::from(most)));
    if let Some(error) = error {
        record(&mut span, error);
    }
}

impl Target {
    pub(super) fn new(options: &PgConnectOptions) -> Self {
        let mut attributes = vec![
            KeyValue::new(DB_SYSTEM_NAME, "postgresql"),
            // Postgres' own default where the URL names none.
            KeyValue::new(
                DB_NAMESPACE,
                options.get_database().unwrap_or_else(|| options.get_username()).to_owned(),
            ),
        ];
        match options.get_socket() {
            Some(socket) => attributes.push(KeyValue::new(SERVER_ADDRESS, socket.display().to_string())),
            None => attributes.extend([
                KeyValue::new(SERVER_ADDRESS, options.get_host().to_owned()),
                KeyValue::new(SERVER_PORT, i64::from(options.get_port())),
            ]),
        }
        Self(attributes)
    }
}

impl Statement {
    /// Named `SELECT activities`: what is done, and to which table.
    pub(super) fn start(parent: &Context, target: &Target, text: &str) -> Self {
        let summary = sql::summarise(text);
        let mut attributes = Vec::with_capacity(target.0.len() + 6);
        attributes.extend(target.0.iter().cloned());
        attributes.push(KeyValue::new(DB_QUERY_TEXT, sql::sanitise(text)));
        let mut name = summary.operation.clone();
        attributes.push(KeyValue::new(DB_OPERATION_NAME, summary.operation));
        if let Some(collection) = summary.collection {
            name.push(' ');
            name.push_str(&collection);
            attributes.push(KeyValue::new(DB_COLLECTION_NAME, collection));
        }
        let (began, clock) = (SystemTime::now(), Instant::now());
        let tracer = tracer();
        let builder = tracer
            .span_builder(name)
            .with_kind(SpanKind::Client)
            .with_start_time(began)
            .with_attributes(attributes);
        let span = Some(tracer.build_with_context(builder, parent));
        Self {
            span,
            began,
            clock,
            heard: None,
            watched: None,
            refused: None,
            writes: summary.writes,
            rows: 0,
            affected: 0,
            finished: false,
        }
    }

    /// For work that is not sampled.
    pub(super) fn none() -> Self {
        let (began, clock) = (SystemTime::UNIX_EPOCH, Instant::now());
        Self {
            span: None,
            began,
            clock,
            heard: None,
            watched: None,
            refused: None,
            writes: false,
            rows: 0,
            affected: 0,
            finished: true,
        }
    }

    /// From now on what the server says of the statement becomes spans below this one.
    pub(super) fn listen(&mut self, sql: SqlStr) {
        self.heard = Some((Slot::new(self.clock), sql));
    }

    /// From now on somebody asks who is in the way, if it takes long. `session`: the transaction's span, if the server
    /// was told.
    pub(super) fn watch(&mut self, watch: &Arc<Watch>, session: Option<&SpanContext>) {
        let Some((slot, _)) = &self.heard else { return };
        let id = session.unwrap_or_else(|| self.span_context()).span_id();
        let waiter = session.map_or(Waiter::Process, |session| Waiter::Session(session.clone()));
        self.watched = Some(watch.watch(self.clock, id, waiter, slot.clone()));
    }

    /// The statement's work, heard if [`Statement::listen`] was called.
    pub(super) fn hearing<T>(&self, work: T) -> Hearing<T> {
        Hearing::new(work, self.heard.as_ref().map(|(slot, _)| slot.clone()))
    }

    pub(super) fn span_context(&self) -> &SpanContext {
        self.span.as_ref().map_or(&SpanContext::NONE, |span| span.span_context())
    }

    /// Passes `result` on; an error ends the span.
    pub(super) fn check<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.finished = true;
            self.refused = lost(error);
            if let Some(span) = &mut self.span {
                record(span, error);
            }
        }
        result
    }

    pub(super) fn count(&mut self, step: &Either<PgQueryResult, PgRow>) {
        match step {
            Either::Left(result) => self.affected += result.rows_affected(),
            Either::Right(_) => self.rows += 1,
        }
    }

    pub(super) fn count_rows(&mut self, rows: u64) {
        self.rows += rows;
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        let Some(span) = &mut self.span else { return };
        if self.rows > 0 || !self.writes {
            span.set_attribute(KeyValue::new(DB_RESPONSE_RETURNED_ROWS, self.rows as i64));
        }
        if self.affected > 0 && self.writes {
            span.set_attribute(KeyValue::new(DB_RESPONSE_AFFECTED_ROWS, self.affected as i64));
        }
        if !self.finished {
            // Its future was dropped: a caller's deadline, a client gone, or a stream that was read far enough.
            span.add_event("cancelled", Vec::new());
        }
        drop(self.watched.take());
        let holder = self.heard.as_ref().and_then(|(slot, _)| slot.holder());
        if let Some(how) = self.refused {
            let peer = holder.as_ref().and_then(|holder| holder.span.as_ref());
            let peer = peer.map(|span| {
                KeyValue::new(POSTGRESQL_LOCK_HOLDER_TRACEPARENT, Traceparent::from(span).to_string())
            });
            span.add_event(how, peer.into_iter().collect());
        }
        if let Some(holder) = holder {
            held_up(span, holder);
        }
        let took = self.clock.elapsed();
        span.end_with_timestamp(self.began + took);
        if let Some((slot, sql)) = self.heard.take() {
            plan::submit(Report { parent: span.span_context().clone(), began: self.began, took, sql, slot });
        }
    }
}

/// Says who was in the way; a link leads to its trace.
fn held_up(span: &mut BoxedSpan, holder: Holder) {
    span.set_attribute(KeyValue::new(POSTGRESQL_LOCK_OBJECT, holder.object));
    span.set_attribute(KeyValue::new(POSTGRESQL_LOCK_HOLDER_PID, i64::from(holder.pid)));
    if let Some(state) = holder.state {
        span.set_attribute(KeyValue::new(POSTGRESQL_LOCK_HOLDER_STATE, state));
    }
    if let Some(peer) = holder.span {
        span.set_attribute(KeyValue::new(
            POSTGRESQL_LOCK_HOLDER_TRACEPARENT,
            Traceparent::from(&peer).to_string(),
        ));
        span.add_link(peer, vec![KeyValue::new(THROUGHLINE_LINK, "lock holder")]);
    }
}

/// The two ways in which Postgres ends one of several transactions for the others' sake; the caller may try again.
fn lost(error: &Error) -> Option<&'static str> {
    match error.as_database_error()?.code()?.as_ref() {
        "40P01" => Some("deadlock"),
        "40001" => Some("serialization failure"),
        _ => None,
    }
}

/// Asked for each time, since a store may be older than `telemetry::init`.
pub(super) fn tracer() -> BoxedTracer {
    global::tracer("throughline-telemetry")
}

/// Status, type and SQLSTATE, and the exception itself as an event.
fn record(span: &mut BoxedSpan, error: &Error) {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let kind = kind(error);
    if let Some(code) = &code {
        span.set_attribute(KeyValue::new(DB_RESPONSE_STATUS_CODE, code.to_string()));
    }
    span.set_attribute(KeyValue::new(ERROR_TYPE, code.as_deref().unwrap_or(kind).to_owned()));
    // sqlx's own text adds the line of Postgres' source to the server's message.
    let message = match error.as_database_error() {
        Some(refusal) => without_values(refusal.message(), code.as_deref().unwrap_or_default()),
        None => error.to_string(),
    };
    let exception =
        vec![KeyValue::new(EXCEPTION_TYPE, kind), KeyValue::new(EXCEPTION_MESSAGE, message.clone())];
    span.add_event("exception", exception);
    current::tell(&message);
    span.set_status(Status::error(message));
}

/// The variant's name: of few values, as an `error.type` has to be.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::Database(_) => "sqlx::Error::Database",
        Error::Io(_) => "sqlx::Error::Io",
        Error::Tls(_) => "sqlx::Error::Tls",
        Error::Protocol(_) => "sqlx::Error::Protocol",
        Error::PoolTimedOut => "sqlx::Error::PoolTimedOut",
        Error::PoolClosed => "sqlx::Error::PoolClosed",
        Error::WorkerCrashed => "sqlx::Error::WorkerCrashed",
        Error::BeginFailed => "sqlx::Error::BeginFailed",
        Error::Encode(_) => "sqlx::Error::Encode",
        Error::Decode(_) | Error::ColumnDecode { .. } => "sqlx::Error::Decode",
        _ => "sqlx::Error",
    }
}
