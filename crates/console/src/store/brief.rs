//! Spans as columns: what the waterfall of a very large trace is drawn from. A quarter of the bytes of one object a
//! span, and read by a browser in a fifth of the time.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use rusqlite::types::FromSql;
use rusqlite::{Connection, Row};
use serde::Serialize;

use super::read::{ReadError, Reader, span_id};

/// A part of a trace; the columns have one entry for each span.
#[derive(Default, Serialize)]
struct Columns {
    /// 16 hex digits for each span, one after the other.
    span_id: String,
    /// The same; zeros where there is no parent.
    parent_span_id: String,
    /// Places in `names` and in `services`.
    name: Vec<usize>,
    service: Vec<usize>,
    /// As OTLP numbers them.
    kind: Vec<i32>,
    status: Vec<i32>,
    /// Nanoseconds since the start of the trace.
    start: Vec<i64>,
    duration: Vec<i64>,
    names: Vec<String>,
    services: Vec<String>,
    /// By the span's place in this part; most have none.
    status_message: BTreeMap<usize, String>,
}

/// Texts, each once, by the order in which they were first seen.
#[derive(Default)]
struct Texts(HashMap<String, usize>);

impl Reader {
    /// Spans by their rows. Rows that were pruned since are left out.
    pub(crate) async fn columns(&self, trace: i64, start: i64, rows: Vec<i64>) -> Result<String, ReadError> {
        self.read(move |connection| columns(connection, trace, start, &rows)).await
    }
}

impl Texts {
    fn place(&mut self, text: &str) -> usize {
        if let Some(place) = self.0.get(text) {
            return *place;
        }
        let place = self.0.len();
        self.0.insert(text.to_owned(), place);
        place
    }

    fn in_order(self) -> Vec<String> {
        let mut texts: Vec<_> = self.0.into_iter().collect();
        texts.sort_unstable_by_key(|(_, place)| *place);
        texts.into_iter().map(|(text, _)| text).collect()
    }
}

fn columns(connection: &Connection, trace: i64, start: i64, rows: &[i64]) -> rusqlite::Result<String> {
    let mut columns = Columns::default();
    let (mut names, mut services) = (Texts::default(), Texts::default());
    let mut statement = connection.prepare_cached(
        "SELECT s.span_id, s.parent_span_id, s.name, o.service, s.kind, s.status, s.start, s.duration, s.status_message
         FROM spans s JOIN origins o ON o.id = s.origin WHERE s.id = ?1 AND s.trace = ?2",
    )?;
    for id in rows {
        let mut found = statement.query([*id, trace])?;
        let Some(row) = found.next()? else { continue };
        let place = columns.name.len();
        push_id(&mut columns.span_id, Some(row.get(0)?));
        push_id(&mut columns.parent_span_id, row.get(1)?);
        columns.name.push(names.place(row.get_ref(2)?.as_str()?));
        columns.service.push(services.place(row.get_ref(3)?.as_str()?));
        push(&mut columns.kind, row, 4)?;
        push(&mut columns.status, row, 5)?;
        columns.start.push(row.get::<_, i64>(6)?.saturating_sub(start));
        push(&mut columns.duration, row, 7)?;
        if let Some(message) = row.get(8)? {
            columns.status_message.insert(place, message);
        }
    }
    columns.names = names.in_order();
    columns.services = services.in_order();
    Ok(serde_json::to_string(&columns).expect("text keys are always JSON"))
}

fn push<T: FromSql>(column: &mut Vec<T>, row: &Row<'_>, at: usize) -> rusqlite::Result<()> {
    column.push(row.get(at)?);
    Ok(())
}

fn push_id(column: &mut String, id: Option<[u8; 8]>) {
    match id {
        Some(bytes) => write!(column, "{}", span_id(bytes)).expect("a String takes all"),
        None => column.push_str("0000000000000000"),
    }
}
