//! Errors on disk: occurrences, grouped by fingerprint and environment.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, params};
use serde_json::Value;
use vendor_apis::rollbar::show::Shown;
use vendor_apis::rollbar::{self, DeployChange, Item, Put};
use vendor_apis::{Counters, Unavailable};
use xray::TraceId;

use super::read::{Cursor, ReadError, Reader, span_id, trace_id};
use super::write::{Overloaded, Writer};
use crate::stats::Stats;
use crate::wire::{Deploy, ErrorDetail, ErrorGroup, ErrorStatus, Occurrence};

/// Occurrences that are kept of one error, the newest; the others are in its count.
const MAX_OCCURRENCES: i64 = 1_000;
/// People that are told apart in one error.
const MAX_PEOPLE: i64 = 10_000;
/// Deploys that are kept.
const MAX_DEPLOYS: i64 = 1_000;
/// Deploys that are shown beside an error.
const SHOWN_DEPLOYS: i64 = 20;

/// The way of `vendor-apis` to the store, and of the API.
#[derive(Clone)]
pub(crate) struct Errors {
    pub(crate) writer: Writer,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stats: Arc<Stats>,
}

/// Which errors.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorFilter {
    /// `true`: active ones and regressions; `false`: resolved ones.
    pub(crate) is_active: Option<bool>,
    pub(crate) service: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) trace_id: Option<TraceId>,
}

impl rollbar::Store for Errors {
    fn put(&self, item: Item) -> BoxFuture<'_, Result<Put, Unavailable>> {
        let (counters, stats) = (self.counters.clone(), self.stats.clone());
        let committed = move |(put, pruned): &(Put, u64)| {
            stats.pruned_occurrences.add(*pruned);
            match put {
                Put::Stored(_) => counters.stored(1),
                Put::Duplicate => counters.duplicates(1),
            }
        };
        async move {
            let put = move |transaction: &Transaction<'_>, arrival| put(transaction, &item, arrival);
            let (put, _) = self.writer.run(4, put, committed).await.map_err(|_| Unavailable)?;
            Ok(put)
        }
        .boxed()
    }

    fn put_deploy(&self, deploy: rollbar::Deploy) -> BoxFuture<'_, Result<i64, Unavailable>> {
        async move {
            let put = move |transaction: &Transaction<'_>, arrival| put_deploy(transaction, &deploy, arrival);
            self.writer.run(1, put, |_| ()).await.map_err(|_| Unavailable)
        }
        .boxed()
    }

    fn change_deploy(&self, id: i64, change: DeployChange) -> BoxFuture<'_, Result<bool, Unavailable>> {
        async move {
            let change = move |transaction: &Transaction<'_>, _| {
                let changed = transaction
                    .prepare_cached(
                        "UPDATE deploys SET status = coalesce(?2, status), comment = coalesce(?3, comment)
                         WHERE id = ?1",
                    )?
                    .execute(params![id, change.status, change.comment])?;
                Ok(changed == 1)
            };
            self.writer.run(1, change, |_| ()).await.map_err(|_| Unavailable)
        }
        .boxed()
    }
}

impl Errors {
    /// `false` when there is no such error. One that is reopened is active, not a regression.
    pub(crate) async fn set_status(&self, id: i64, is_resolved: bool) -> Result<bool, Overloaded> {
        let set = move |transaction: &Transaction<'_>, _| {
            let status = if is_resolved { ErrorStatus::Resolved } else { ErrorStatus::Active };
            let changed = transaction
                .prepare_cached("UPDATE errors SET status = ?2 WHERE id = ?1")?
                .execute(params![id, status.as_str()])?;
            Ok(changed == 1)
        };
        self.writer.run(1, set, |_| ()).await
    }
}

impl Reader {
    /// Those seen last first.
    pub(crate) async fn errors(
        &self,
        filter: ErrorFilter,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<ErrorGroup>, Option<Cursor>), ReadError> {
        self.read(move |connection| errors(connection, &filter, before, limit)).await
    }

    /// With the newest occurrences, before the one of this row if given.
    pub(crate) async fn error(
        &self,
        id: i64,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Option<ErrorDetail>, ReadError> {
        self.read(move |connection| error(connection, id, before, limit)).await
    }

    /// Log events, errors and occurrences that the store holds.
    pub(crate) async fn counts(&self) -> Result<(u64, u64, u64), ReadError> {
        self.read(|connection| {
            connection.query_row(
                "SELECT (SELECT coalesce(sum(events), 0) FROM log_streams), count(*), coalesce(sum(kept), 0)
                 FROM errors",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
        })
        .await
    }
}

/// What became of it, and how many occurrences made room.
fn put(transaction: &Transaction<'_>, item: &Item, arrival: i64) -> rusqlite::Result<(Put, u64)> {
    let is_known: bool = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM occurrences WHERE uuid = ?)")?
        .query_row([&item.uuid], |row| row.get(0))?;
    if is_known {
        return Ok((Put::Duplicate, 0));
    }
    let trace = item.trace_id.map(TraceId::to_bytes);
    // The level stays that of the first one, as Rollbar's.
    let (error, kept, people): (i64, i64, i64) = transaction
        .prepare_cached(
            "INSERT INTO errors (environment, fingerprint, title, level, service, context, status, count, kept, people,
                 first_seen, last_seen, last_trace)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'active', ?9, 1, 0, ?7, ?7, ?8)
             ON CONFLICT (environment, fingerprint) DO UPDATE SET
                 title = excluded.title, service = excluded.service, context = excluded.context,
                 status = CASE status WHEN 'resolved' THEN 'regression' ELSE status END,
                 count = count + excluded.count, kept = kept + 1,
                 first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen),
                 last_trace = coalesce(excluded.last_trace, last_trace)
             RETURNING id, kept, people",
        )?
        .query_row(
            params![
                item.environment,
                item.fingerprint,
                item.title,
                item.level,
                item.service,
                item.context,
                item.time,
                trace,
                item.weight,
            ],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
    if let Some(person) = item.person.as_ref().filter(|_| people < MAX_PEOPLE) {
        let is_new = transaction
            .prepare_cached("INSERT OR IGNORE INTO error_people (error, person) VALUES (?, ?)")?
            .execute(params![error, person])?;
        if is_new == 1 {
            transaction
                .prepare_cached("UPDATE errors SET people = people + 1 WHERE id = ?")?
                .execute([error])?;
        }
    }
    transaction
        .prepare_cached(
            "INSERT INTO occurrences (error, uuid, time, received, trace_id, span_id, person, code_version, data)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            error,
            item.uuid,
            item.time,
            arrival,
            trace,
            item.span_id.map(xray::SpanId::to_bytes),
            item.person,
            item.code_version,
            item.data,
        ])?;
    let occurrence = transaction.last_insert_rowid();
    if kept <= MAX_OCCURRENCES {
        return Ok((Put::Stored(occurrence), 0));
    }
    transaction
        .prepare_cached(
            "DELETE FROM occurrences WHERE id = (SELECT min(id) FROM occurrences WHERE error = ?)",
        )?
        .execute([error])?;
    transaction.prepare_cached("UPDATE errors SET kept = kept - 1 WHERE id = ?")?.execute([error])?;
    Ok((Put::Stored(occurrence), 1))
}

fn put_deploy(
    transaction: &Transaction<'_>,
    deploy: &rollbar::Deploy,
    arrival: i64,
) -> rusqlite::Result<i64> {
    let rollbar::Deploy { environment, revision, status, user, comment } = deploy;
    transaction
        .prepare_cached(
            "INSERT INTO deploys (environment, revision, status, user, comment, time) VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![environment, revision, status, user, comment, arrival])?;
    let id = transaction.last_insert_rowid();
    transaction.prepare_cached("DELETE FROM deploys WHERE id <= ?")?.execute([id - MAX_DEPLOYS])?;
    Ok(id)
}

const GROUP: &str =
    "SELECT id, fingerprint, title, level, status, environment, service, context, count, people,
    first_seen, last_seen, last_trace FROM errors";

fn errors(
    connection: &Connection,
    filter: &ErrorFilter,
    before: Option<Cursor>,
    limit: usize,
) -> rusqlite::Result<(Vec<ErrorGroup>, Option<Cursor>)> {
    let (seen, id) = before.unwrap_or((i64::MAX, i64::MAX));
    let mut sql = format!("{GROUP} WHERE (last_seen, id) < (?, ?)");
    let mut arguments: Vec<Box<dyn ToSql>> = vec![Box::new(seen), Box::new(id)];
    match filter.is_active {
        Some(true) => sql += " AND status <> 'resolved'",
        Some(false) => sql += " AND status = 'resolved'",
        None => {}
    }
    if let Some(service) = &filter.service {
        sql += " AND service = ?";
        arguments.push(Box::new(service.clone()));
    }
    if let Some(environment) = &filter.environment {
        sql += " AND environment = ?";
        arguments.push(Box::new(environment.clone()));
    }
    if let Some(id) = filter.trace_id {
        sql += " AND id IN (SELECT error FROM occurrences WHERE trace_id = ?)";
        arguments.push(Box::new(id.to_bytes()));
    }
    sql += " ORDER BY last_seen DESC, id DESC LIMIT ?";
    arguments.push(Box::new(limit + 1));
    let mut groups: Vec<(i64, ErrorGroup)> = connection
        .prepare_cached(&sql)?
        .query_map(rusqlite::params_from_iter(arguments), |row| Ok((row.get(0)?, group(row)?)))?
        .collect::<Result<_, _>>()?;
    let is_more = groups.len() > limit;
    groups.truncate(limit);
    let next = groups.last().filter(|_| is_more).map(|(id, group)| (group.last_seen_unix_nano, *id));
    Ok((groups.into_iter().map(|(_, group)| group).collect(), next))
}

fn group(row: &Row<'_>) -> rusqlite::Result<ErrorGroup> {
    Ok(ErrorGroup {
        id: row.get::<_, i64>(0)?.to_string(),
        fingerprint: row.get(1)?,
        title: row.get(2)?,
        level: row.get(3)?,
        status: ErrorStatus::of(row.get_ref(4)?.as_str()?),
        environment: row.get(5)?,
        service: row.get(6)?,
        context: row.get(7)?,
        count: row.get(8)?,
        people: row.get(9)?,
        first_seen_unix_nano: row.get(10)?,
        last_seen_unix_nano: row.get(11)?,
        last_trace_id: row.get::<_, Option<_>>(12)?.map(|bytes| trace_id(bytes).to_w3c()),
    })
}

fn error(
    connection: &Connection,
    id: i64,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<Option<ErrorDetail>> {
    let connection = connection.unchecked_transaction()?;
    let found =
        connection.prepare_cached(&format!("{GROUP} WHERE id = ?"))?.query_row([id], group).optional()?;
    let Some(group) = found else { return Ok(None) };
    let mut occurrences: Vec<(i64, Occurrence)> = connection
        .prepare_cached(
            "SELECT id, uuid, time, trace_id, span_id, person, code_version, data FROM occurrences
             WHERE error = ? AND id < ? ORDER BY id DESC LIMIT ?",
        )?
        .query_map(params![id, before.unwrap_or(i64::MAX), limit + 1], |row| {
            Ok((row.get(0)?, occurrence(row)?))
        })?
        .collect::<Result<_, _>>()?;
    let is_more = occurrences.len() > limit;
    occurrences.truncate(limit);
    let next = occurrences.last().filter(|_| is_more).map(|(id, _)| id.to_string());
    let deploys = connection
        .prepare_cached(
            "SELECT id, environment, revision, status, user, comment, time FROM deploys
             WHERE environment = ? ORDER BY id DESC LIMIT ?",
        )?
        .query_map(params![group.environment, SHOWN_DEPLOYS], |row| {
            Ok(Deploy {
                id: row.get::<_, i64>(0)?.to_string(),
                environment: row.get(1)?,
                revision: row.get(2)?,
                status: row.get(3)?,
                user: row.get(4)?,
                comment: row.get(5)?,
                time_unix_nano: row.get(6)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let occurrences = occurrences.into_iter().map(|(_, occurrence)| occurrence).collect();
    Ok(Some(ErrorDetail { group, occurrences, next, deploys }))
}

fn occurrence(row: &Row<'_>) -> rusqlite::Result<Occurrence> {
    let data: Value = serde_json::from_str(row.get_ref(7)?.as_str()?).unwrap_or_default();
    let text = |key: &str| data[key].as_str().map(str::to_owned);
    Ok(Occurrence {
        uuid: row.get(1)?,
        time_unix_nano: row.get(2)?,
        trace_id: row.get::<_, Option<_>>(3)?.map(|bytes| trace_id(bytes).to_w3c()),
        span_id: row.get::<_, Option<_>>(4)?.map(|bytes| span_id(bytes).to_string()),
        person: row.get(5)?,
        code_version: row.get(6)?,
        level: text("level"),
        context: text("context"),
        shown: Shown::of(&data),
    })
}
