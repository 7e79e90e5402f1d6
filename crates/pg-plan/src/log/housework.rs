//! What the server does by itself: autovacuum and checkpoints, with the numbers of their messages.
//!
//! The words are those of `heap_vacuum_rel` (`vacuumlazy.c`), `do_analyze_rel` (`analyze.c`) and `LogCheckpointEnd`
//! (`xlog.c`), Postgres 15 to 18.

use super::record::Record;
use super::{LogSpan, duration};
use crate::span::Value;
use crate::{keys, text};

/// The line's beginning, the words before and after the number, and our key.
type Figure = (&'static str, &'static str, &'static str, &'static str);

const VACUUM: &[Figure] = &[
    ("pages: ", "", " removed", keys::VACUUM_PAGES_REMOVED),
    ("pages: ", "", " remain", keys::VACUUM_PAGES_REMAIN),
    ("pages: ", "", " scanned", keys::VACUUM_PAGES_SCANNED),
    ("tuples: ", "", " removed", keys::VACUUM_ROWS_REMOVED),
    ("tuples: ", "", " remain", keys::VACUUM_ROWS_REMAIN),
    ("tuples: ", "", " are dead", keys::VACUUM_ROWS_DEAD),
    ("buffer usage: ", "", " hits", keys::VACUUM_BUFFERS_HIT),
    ("buffer usage: ", "", " misses", keys::VACUUM_BUFFERS_READ),
    // Since 17.
    ("buffer usage: ", "", " reads", keys::VACUUM_BUFFERS_READ),
    ("buffer usage: ", "", " dirtied", keys::VACUUM_BUFFERS_DIRTIED),
    ("WAL usage: ", "", " bytes", keys::VACUUM_WAL_BYTES),
];

const CHECKPOINT: &[Figure] = &[
    ("", "wrote ", " buffers", keys::CHECKPOINT_BUFFERS),
    ("", "", " WAL file(s) added", keys::CHECKPOINT_WAL_ADDED),
    ("", "", " removed", keys::CHECKPOINT_WAL_REMOVED),
    ("", "", " recycled", keys::CHECKPOINT_WAL_RECYCLED),
    ("", "write=", " s", keys::CHECKPOINT_WRITE),
    ("", "sync=", " s", keys::CHECKPOINT_SYNC),
    ("", "sync files=", "", keys::CHECKPOINT_SYNC_FILES),
    ("", "distance=", " kB", keys::CHECKPOINT_DISTANCE),
];

pub(super) fn read(record: &Record) -> Option<LogSpan> {
    let message = &record.message;
    for kind in ["checkpoint", "restartpoint"] {
        if let Some(rest) = message.strip_prefix(kind).and_then(|rest| rest.strip_prefix(" complete: ")) {
            let seconds = figure(rest, "", "total=", " s")?;
            let mut span = record.span(kind.to_owned()).lasted(duration(seconds * 1e3));
            figures(&mut span, rest, CHECKPOINT);
            return Some(span);
        }
    }
    let rest = message.strip_prefix("automatic ")?;
    let (what, rest) = rest.split_once(" of table \"")?;
    // `vacuum`, `aggressive vacuum`, `.. to prevent wraparound`, `analyze`.
    let (task, aggressive) = match what {
        "analyze" => ("autoanalyze", false),
        _ if what.ends_with("vacuum") || what.ends_with("vacuum to prevent wraparound") => {
            ("autovacuum", what != "vacuum")
        }
        _ => return None,
    };
    let (table, rest) = rest.split_once('"')?;
    let seconds = figure(rest, "system usage: ", "elapsed: ", " s")?;
    let mut span = record.span(String::new()).lasted(duration(seconds * 1e3));
    let (database, table) = table.split_once('.').unwrap_or(("", table));
    let table = text::name(table);
    span.name = format!("{task} {table}");
    if !database.is_empty() {
        span.attributes.push((keys::DB_NAMESPACE, Value::Text(text::name(database))));
    }
    span.attributes.push((keys::DB_COLLECTION_NAME, Value::Text(table)));
    if aggressive {
        span.attributes.push((keys::VACUUM_AGGRESSIVE, Value::Bool(true)));
    }
    figures(&mut span, rest, VACUUM);
    Some(span)
}

fn figures(span: &mut LogSpan, message: &str, wanted: &[Figure]) {
    for &(line, before, after, key) in wanted {
        if let Some(number) = figure(message, line, before, after) {
            let value = if number.fract() == 0.0 { Value::Int(number as i64) } else { Value::Float(number) };
            span.attributes.push((key, value));
        }
    }
}

/// In the line that begins with `line`, the number of the piece that is `before`, number, `after`, anything.
fn figure(message: &str, line: &str, before: &str, after: &str) -> Option<f64> {
    let line = message.lines().find_map(|text| text.trim_start().strip_prefix(line))?;
    line.split([',', ';']).find_map(|piece| {
        // `system usage: CPU: user: 0.00 s, system: 0.00 s, elapsed: 0.01 s`
        let piece = piece.trim_start().strip_prefix(before)?;
        let end = piece.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(piece.len());
        piece[end..].starts_with(after).then(|| piece[..end].parse().ok()).flatten()
    })
}
