//! Log events on disk, as `vendor-apis` keeps them. What the console's own API asks is in `search`.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, params};
use tokio::sync::watch;
use vendor_apis::Counters;
use vendor_apis::cloudwatch::store::{From, Streams};
use vendor_apis::cloudwatch::{
    Event, Group, Line, NewEvent, Page, Position, Query, Store, StoreError, Stream,
};

use super::now;
use super::read::Reader;
use super::write::Writer;

/// Groups at a time; CloudWatch allows a million.
const MAX_GROUPS: i64 = 1_000;
/// Streams at a time, of all groups. Beyond it the oldest one that is empty makes room.
const MAX_STREAMS: i64 = 10_000;
/// Batches of more bytes are read where they keep no connection waiting.
const READ_INLINE: usize = 64 << 10;
const MILLI: i64 = 1_000_000;

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The way of `vendor-apis` to the store.
#[derive(Clone)]
pub(crate) struct Logs {
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
    pub(crate) counters: Arc<Counters>,
    /// The newest event's row.
    pub(crate) news: watch::Sender<i64>,
}

/// As it goes into `logs`.
struct LogRow {
    time: i64,
    line: Line,
    message: String,
}

impl Store for Logs {
    fn create_group(&self, name: String, tags: BTreeMap<String, String>) -> Answer<'_, ()> {
        self.write(1, move |transaction, _| {
            if group_id(transaction, &name)?.is_some() {
                return Ok(Err(StoreError::GroupExists));
            }
            let count: i64 =
                transaction.query_row("SELECT count(*) FROM log_groups", [], |row| row.get(0))?;
            if count >= MAX_GROUPS {
                return Ok(Err(StoreError::LimitExceeded));
            }
            transaction
                .prepare_cached("INSERT INTO log_groups (name, created, tags) VALUES (?, ?, ?)")?
                .execute(params![name, now(), to_json(&tags)])?;
            Ok(Ok(()))
        })
    }

    fn delete_group(&self, name: String) -> Answer<'_, ()> {
        self.write(1, move |transaction, _| {
            let Some(group) = group_id(transaction, &name)? else { return Ok(Err(StoreError::NoGroup)) };
            transaction.execute("UPDATE log_streams SET log_group = NULL WHERE log_group = ?", [group])?;
            transaction.execute("DELETE FROM log_groups WHERE id = ?", [group])?;
            Ok(Ok(()))
        })
    }

    fn set_retention(&self, group: String, days: Option<u32>) -> Answer<'_, ()> {
        self.write(1, move |transaction, _| {
            let changed = transaction
                .execute("UPDATE log_groups SET retention_days = ?2 WHERE name = ?1", params![group, days])?;
            Ok(if changed == 1 { Ok(()) } else { Err(StoreError::NoGroup) })
        })
    }

    fn set_tags(&self, group: String, tags: BTreeMap<String, String>) -> Answer<'_, ()> {
        self.write(1, move |transaction, _| {
            let changed = transaction
                .execute("UPDATE log_groups SET tags = ?2 WHERE name = ?1", [&group, &to_json(&tags)])?;
            Ok(if changed == 1 { Ok(()) } else { Err(StoreError::NoGroup) })
        })
    }

    fn groups(&self) -> Answer<'_, Vec<Group>> {
        self.read(|connection| {
            let groups = connection
                .prepare_cached(
                    "SELECT g.name, g.created, g.retention_days, g.tags, coalesce(sum(s.bytes), 0)
                     FROM log_groups g LEFT JOIN log_streams s ON s.log_group = g.id
                     GROUP BY g.id ORDER BY g.name",
                )?
                .query_map([], |row| {
                    Ok(Group {
                        name: row.get(0)?,
                        created: row.get::<_, i64>(1)? / MILLI,
                        retention_days: row.get(2)?,
                        tags: serde_json::from_str(row.get_ref(3)?.as_str()?).unwrap_or_default(),
                        bytes: row.get(4)?,
                    })
                })?
                .collect::<Result<_, _>>()?;
            Ok(Ok(groups))
        })
    }

    fn create_stream(&self, group: String, name: String) -> Answer<'_, ()> {
        self.write(1, move |transaction, _| {
            let Some(group) = group_id(transaction, &group)? else { return Ok(Err(StoreError::NoGroup)) };
            let count: i64 =
                transaction.query_row("SELECT count(*) FROM log_streams", [], |row| row.get(0))?;
            if count >= MAX_STREAMS {
                let removed = transaction.execute(
                    "DELETE FROM log_streams WHERE id = (SELECT min(id) FROM log_streams WHERE events = 0)",
                    [],
                )?;
                if removed == 0 {
                    return Ok(Err(StoreError::LimitExceeded));
                }
            }
            let added = transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO log_streams (log_group, name, created) VALUES (?, ?, ?)",
                )?
                .execute(params![group, name, now()])?;
            Ok(if added == 1 { Ok(()) } else { Err(StoreError::StreamExists) })
        })
    }

    fn delete_stream(&self, group: String, name: String) -> Answer<'_, ()> {
        self.write(1, move |transaction, _| {
            Ok(match stream(transaction, &group, &name)? {
                Err(error) => Err(error),
                Ok((stream, _)) => {
                    transaction.execute("UPDATE log_streams SET log_group = NULL WHERE id = ?", [stream])?;
                    Ok(())
                }
            })
        })
    }

    fn streams(&self, group: String) -> Answer<'_, Vec<Stream>> {
        self.read(move |connection| {
            let Some(group) = group_id(connection, &group)? else { return Ok(Err(StoreError::NoGroup)) };
            let millis = |time: Option<i64>| time.map(|time| time.div_euclid(MILLI));
            let streams = connection
                .prepare_cached(
                    "SELECT name, created, first, last, ingested, bytes FROM log_streams
                     WHERE log_group = ? ORDER BY name",
                )?
                .query_map([group], |row| {
                    Ok(Stream {
                        name: row.get(0)?,
                        created: row.get::<_, i64>(1)? / MILLI,
                        first_event: millis(row.get(2)?),
                        last_event: millis(row.get(3)?),
                        last_ingestion: millis(row.get(4)?),
                        bytes: row.get(5)?,
                    })
                })?
                .collect::<Result<_, _>>()?;
            Ok(Ok(streams))
        })
    }

    fn retention(&self, group: String, name: String) -> Answer<'_, Option<u32>> {
        self.read(move |connection| {
            Ok(stream(connection, &group, &name)?.map(|(_, retention_days)| retention_days))
        })
    }

    fn put(&self, group: String, name: String, events: Vec<NewEvent>) -> Answer<'_, ()> {
        async move {
            let bytes: usize = events.iter().map(|event| event.message.len()).sum();
            let rows = if bytes <= READ_INLINE {
                rows(events)
            } else {
                let read = tokio::task::spawn_blocking(move || rows(events));
                read.await.map_err(|_| StoreError::Unavailable)?
            };
            let count = rows.len();
            let (counters, news) = (self.counters.clone(), self.news.clone());
            let put =
                move |transaction: &Transaction<'_>, arrival| put(transaction, &group, &name, &rows, arrival);
            let committed = move |outcome: &Result<i64, StoreError>| {
                if let Ok(last) = outcome {
                    counters.stored(count as u64);
                    news.send_replace(*last);
                }
            };
            self.writer.run(count, put, committed).await.map_err(|_| StoreError::Unavailable)?.map(drop)
        }
        .boxed()
    }

    fn events(&self, query: Query) -> Answer<'_, Page> {
        self.read(move |connection| events(connection, &query))
    }
}

impl Logs {
    fn write<T: Send + 'static>(
        &self,
        weight: usize,
        work: impl FnOnce(&Transaction<'_>, i64) -> rusqlite::Result<Result<T, StoreError>> + Send + 'static,
    ) -> Answer<'_, T> {
        let done = self.writer.clone();
        async move { done.run(weight, work, |_| ()).await.map_err(|_| StoreError::Unavailable)? }.boxed()
    }

    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, StoreError>> + Send + 'static,
    ) -> Answer<'_, T> {
        async move {
            self.reader.read(query).await.map_err(|error| {
                tracing::error!(%error, "query failed");
                StoreError::Unavailable
            })?
        }
        .boxed()
    }
}

fn to_json(tags: &BTreeMap<String, String>) -> String {
    serde_json::to_string(tags).expect("texts are always JSON")
}

fn rows(events: Vec<NewEvent>) -> Vec<LogRow> {
    let row = |NewEvent { timestamp, message }| {
        let line = Line::read(&message);
        // What the message says is finer than the milliseconds of the API, if it is the same time at all.
        let finer = line.time.filter(|time| time.div_euclid(MILLI) == timestamp);
        LogRow { time: finer.unwrap_or_else(|| timestamp.saturating_mul(MILLI)), line, message }
    };
    events.into_iter().map(row).collect()
}

fn group_id(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM log_groups WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// The stream's row, and its group's retention.
fn stream(
    connection: &Connection,
    group: &str,
    name: &str,
) -> rusqlite::Result<Result<(i64, Option<u32>), StoreError>> {
    let found: Option<(Option<i64>, Option<u32>)> = connection
        .prepare_cached(
            "SELECT s.id, g.retention_days FROM log_groups g
             LEFT JOIN log_streams s ON s.log_group = g.id AND s.name = ?2 WHERE g.name = ?1",
        )?
        .query_row([group, name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match found {
        None => Err(StoreError::NoGroup),
        Some((None, _)) => Err(StoreError::NoStream),
        Some((Some(stream), retention)) => Ok((stream, retention)),
    })
}

/// Gives the row of the last one.
fn put(
    transaction: &Transaction<'_>,
    group: &str,
    name: &str,
    rows: &[LogRow],
    arrival: i64,
) -> rusqlite::Result<Result<i64, StoreError>> {
    let stream = match stream(transaction, group, name)? {
        Ok((stream, _)) => stream,
        Err(error) => return Ok(Err(error)),
    };
    let mut insert = transaction.prepare_cached(
        "INSERT INTO logs (stream, time, received, level, service, trace_id, span_id, message)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut bytes = 0;
    for LogRow { time, line, message } in rows {
        bytes += message.len() + 26;
        insert.execute(params![
            stream,
            time,
            arrival,
            line.level,
            line.service,
            line.trace_id.map(xray::TraceId::to_bytes),
            line.span_id.map(xray::SpanId::to_bytes),
            message,
        ])?;
    }
    let last = transaction.last_insert_rowid();
    let times = || rows.iter().map(|row| row.time);
    transaction
        .prepare_cached(
            "UPDATE log_streams SET events = events + ?2, bytes = bytes + ?3, ingested = ?4,
                 first = min(coalesce(first, ?5), ?5), last = max(coalesce(last, ?6), ?6)
             WHERE id = ?1",
        )?
        .execute(params![stream, rows.len(), bytes, arrival, times().min(), times().max()])?;
    Ok(Ok(last))
}

fn events(connection: &Connection, query: &Query) -> rusqlite::Result<Result<Page, StoreError>> {
    let Some(group) = group_id(connection, &query.group)? else { return Ok(Err(StoreError::NoGroup)) };
    let mut streams: Vec<(i64, String)> = connection
        .prepare_cached("SELECT id, name FROM log_streams WHERE log_group = ? ORDER BY id")?
        .query_map([group], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    match &query.streams {
        Streams::All => {}
        Streams::Prefix(prefix) => streams.retain(|(_, name)| name.starts_with(prefix)),
        Streams::Named(names) => streams.retain(|(_, name)| names.contains(name)),
    }
    if streams.is_empty() && matches!(query.streams, Streams::Named(_)) {
        return Ok(Err(StoreError::NoStream));
    }
    // One stream has an index of its own; several are picked out of all, in order of time.
    let chosen = match &streams[..] {
        [(id, _)] => format!("stream = {id}"),
        many => {
            let ids: Vec<String> = many.iter().map(|(id, _)| id.to_string()).collect();
            format!("+stream IN ({})", ids.join(","))
        }
    };
    let (compare, order, position) = match query.from {
        From::After(position) => (">", "ASC", position),
        From::Before(position) => ("<", "DESC", position),
    };
    let sql = format!(
        "SELECT id, time, received, stream, message FROM logs
         WHERE {chosen} AND (time, id) {compare} (?, ?) AND time >= ? AND time < ?
         ORDER BY time {order}, id {order} LIMIT ?"
    );
    let nanos = |millis: Option<i64>, open| millis.map_or(open, |millis| millis.saturating_mul(MILLI));
    let (start, end) = (nanos(query.start, i64::MIN), nanos(query.end, i64::MAX));
    let limit = query.limit + 1;
    let arguments: [&dyn ToSql; 5] = [&position.time, &position.id, &start, &end, &limit];
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(arguments)?;
    let mut page = Page { events: Vec::new(), is_last: true };
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let message: String = row.get(4)?;
        bytes += message.len();
        if page.events.len() == query.limit || (bytes > query.max_bytes && !page.events.is_empty()) {
            page.is_last = false;
            break;
        }
        let (time, stream): (i64, i64) = (row.get(1)?, row.get(3)?);
        let name = streams.iter().find(|(id, _)| *id == stream).map(|(_, name)| name.clone());
        page.events.push(Event {
            position: Position { time, id: row.get(0)? },
            timestamp: time.div_euclid(MILLI),
            stream: name.unwrap_or_default(),
            ingestion_time: row.get::<_, i64>(2)?.div_euclid(MILLI),
            message,
        });
    }
    Ok(Ok(page))
}
