//! What goes when there is too much: what came first goes first, of whatever kind it is.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{ToSql, Transaction, params};

use super::now;

/// Traces that one transaction takes.
const TRACES: usize = 32;
/// Log events and occurrences that one takes.
const ROWS: usize = 1_000;
/// Links to pruned traces that still say so; 60 bytes each.
const TOMBSTONES: i64 = 100_000;

const DAY_NANOS: i64 = 24 * 60 * 60 * 1_000_000_000;

/// What one step removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pruned {
    pub(super) traces: u64,
    pub(super) spans: u64,
    pub(super) logs: u64,
    pub(super) occurrences: u64,
}

/// Removes a bit of the oldest kind; nothing, when there is nothing.
pub(super) fn prune_oldest(transaction: &Transaction<'_>) -> rusqlite::Result<Pruned> {
    let oldest = |sql| -> rusqlite::Result<Option<i64>> {
        let mut statement = transaction.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        rows.next()?.map(|row| row.get(0)).transpose()
    };
    // `listed` is the arrival, or earlier where a sender's clock is.
    let kinds = [
        oldest("SELECT listed FROM traces ORDER BY id LIMIT 1")?,
        oldest("SELECT received FROM logs ORDER BY id LIMIT 1")?,
        oldest("SELECT received FROM occurrences ORDER BY id LIMIT 1")?,
    ];
    let first = kinds.iter().enumerate().filter_map(|(kind, time)| Some(((*time)?, kind))).min();
    match first {
        None => Ok(Pruned::default()),
        Some((_, 0)) => traces(transaction),
        Some((_, 1)) => {
            let logs = remove_logs(transaction, "ORDER BY id", &[])?;
            Ok(Pruned { logs, ..Pruned::default() })
        }
        Some(_) => occurrences(transaction),
    }
}

/// Removes a bit of what nobody sees any more: events of streams that were deleted, and those older than their group
/// keeps them.
pub(super) fn sweep(transaction: &Transaction<'_>) -> rusqlite::Result<Pruned> {
    let deleted: Vec<i64> = transaction
        .prepare_cached("SELECT id FROM log_streams WHERE log_group IS NULL LIMIT 1")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut logs = 0;
    for stream in deleted {
        logs += remove_logs(transaction, "WHERE stream = ?", &[&stream])?;
        if logs == 0 {
            transaction.prepare_cached("DELETE FROM log_streams WHERE id = ?")?.execute([stream])?;
        }
    }
    let limited: Vec<(i64, i64)> = transaction
        .prepare_cached(
            "SELECT s.id, g.retention_days FROM log_streams s JOIN log_groups g ON g.id = s.log_group
             WHERE g.retention_days IS NOT NULL AND s.events > 0",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (stream, days) in limited {
        let least = now() - days * DAY_NANOS;
        logs += remove_logs(transaction, "WHERE stream = ? AND time < ?", &[&stream, &least])?;
    }
    Ok(Pruned { logs, ..Pruned::default() })
}

/// Whole traces, those that came first.
fn traces(transaction: &Transaction<'_>) -> rusqlite::Result<Pruned> {
    let oldest: Vec<(i64, Vec<u8>, u64)> = transaction
        .prepare_cached("SELECT id, trace_id, span_count FROM traces ORDER BY id LIMIT ?")?
        .query_map([TRACES], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let Some((last, ..)) = oldest.last() else { return Ok(Pruned::default()) };
    let time = now();
    for (id, trace_id, _) in &oldest {
        transaction.prepare_cached("DELETE FROM spans WHERE trace = ?")?.execute([id])?;
        transaction.prepare_cached("DELETE FROM documents WHERE trace = ?")?.execute([id])?;
        transaction.prepare_cached("DELETE FROM traces WHERE id = ?")?.execute([id])?;
        transaction
            .prepare_cached("INSERT OR REPLACE INTO tombstones (trace_id, pruned) VALUES (?, ?)")?
            .execute(params![trace_id, time])?;
    }
    transaction.prepare_cached("DELETE FROM origins WHERE last_trace <= ?")?.execute([last])?;
    transaction
        .prepare_cached("DELETE FROM tombstones WHERE id <= (SELECT max(id) FROM tombstones) - ?")?
        .execute([TOMBSTONES])?;
    let spans = oldest.iter().map(|(_, _, spans)| spans).sum();
    Ok(Pruned { traces: oldest.len() as u64, spans, ..Pruned::default() })
}

/// Some of the events that `which` chooses.
fn remove_logs(
    transaction: &Transaction<'_>,
    which: &str,
    arguments: &[&dyn ToSql],
) -> rusqlite::Result<u64> {
    let sql = format!("SELECT id, stream, octet_length(message) + 26 FROM logs {which} LIMIT {ROWS}");
    let found: Vec<(i64, i64, i64)> = transaction
        .prepare_cached(&sql)?
        .query_map(arguments, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut streams: HashMap<i64, (i64, i64)> = HashMap::new();
    let mut delete = transaction.prepare_cached("DELETE FROM logs WHERE id = ?")?;
    for (id, stream, bytes) in &found {
        delete.execute([id])?;
        let (events, total) = streams.entry(*stream).or_default();
        *events += 1;
        *total += bytes;
    }
    for (stream, (events, bytes)) in streams {
        transaction
            .prepare_cached("UPDATE log_streams SET events = events - ?2, bytes = bytes - ?3 WHERE id = ?1")?
            .execute([stream, events, bytes])?;
    }
    Ok(found.len() as u64)
}

/// Those that came first; an error goes with its last occurrence.
fn occurrences(transaction: &Transaction<'_>) -> rusqlite::Result<Pruned> {
    let found: Vec<(i64, i64)> = transaction
        .prepare_cached("SELECT id, error FROM occurrences ORDER BY id LIMIT ?")?
        .query_map([ROWS], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (id, error) in &found {
        transaction.prepare_cached("DELETE FROM occurrences WHERE id = ?")?.execute([id])?;
        transaction.prepare_cached("UPDATE errors SET kept = kept - 1 WHERE id = ?")?.execute([error])?;
    }
    for error in found.iter().map(|(_, error)| *error).collect::<BTreeSet<_>>() {
        let gone =
            transaction.prepare_cached("DELETE FROM errors WHERE id = ? AND kept <= 0")?.execute([error])?;
        if gone > 0 {
            transaction.prepare_cached("DELETE FROM error_people WHERE error = ?")?.execute([error])?;
        }
    }
    Ok(Pruned { occurrences: found.len() as u64, ..Pruned::default() })
}
