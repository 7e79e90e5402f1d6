//! Log lines, from the exporter's other table.

use query::clickhouse::quote;
use serde_json::Value;
use service::Problem;
use vendor_apis::cloudwatch::line;

use super::api::not_implemented;
use super::store::{AskError, Store};
use super::traces::{attributes, nanos, text};
use crate::api::logs::{DEFAULT_LIMIT, ListQuery, MAX_LIMIT};
use crate::api::set;
use crate::api::traces::cursor;
use crate::store::{Cursor, LogFilter, Term, Text};
use crate::wire::{LogEvent, Logs};

/// OTLP's numbers in fours; a sender that gives none has words of its own.
const LEVEL: &str = "multiIf(SeverityNumber = 0, lower(SeverityText), SeverityNumber < 5, 'trace', SeverityNumber < 9, 'debug', \
    SeverityNumber < 13, 'info', SeverityNumber < 17, 'warn', SeverityNumber < 21, 'error', 'fatal')";

/// What is listed, the newest first.
pub(super) struct List {
    filter: LogFilter,
    before: Option<Cursor>,
    limit: usize,
}

impl List {
    pub(super) fn parse(query: ListQuery) -> Result<Self, Problem> {
        let ListQuery { before, limit, filter } = query;
        let filter = filter.parse()?;
        if matches!(filter.text, Text::Pattern(_)) {
            return Err(not_implemented(
                "filter patterns are CloudWatch's; on ClickHouse words are looked for",
            ));
        }
        if filter.group.is_some() || filter.stream.is_some() {
            return Err(not_implemented(
                "groups and streams are CloudWatch's, which ClickHouse does not hold",
            ));
        }
        Ok(Self {
            filter,
            before: set(before).map(|text| cursor(&text)).transpose()?,
            limit: limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT),
        })
    }
}

/// Where nothing narrows the time, of the day before the newest line, or before the last page: whole tables are large.
pub(super) async fn list(store: &Store, list: &List) -> Result<Logs, AskError> {
    let table = &store.logs;
    let List { filter, before, limit } = list;
    let time = |nanos: i64| format!("fromUnixTimestamp64Nano(toInt64({nanos}))");
    let mut conditions = vec!["true".to_owned()];
    if let Some(id) = filter.trace_id {
        conditions.push(format!("TraceId = {}", quote(&id.to_w3c())));
    } else if filter.start.is_none() {
        let newest = before.map_or(format!("(SELECT max(Timestamp) FROM {table})"), |(at, _)| time(at));
        conditions.push(format!("Timestamp > {newest} - INTERVAL 1 DAY"));
    }
    if let Some(id) = filter.span_id {
        conditions.push(format!("SpanId = {}", quote(&id.to_string())));
    }
    if let Some(service) = &filter.service {
        conditions.push(format!("ServiceName = {}", quote(service)));
    }
    conditions.extend(filter.start.map(|start| format!("Timestamp >= {}", time(start))));
    conditions.extend(filter.end.map(|end| format!("Timestamp < {}", time(end))));
    if let Some((at, id)) = before {
        conditions.push(format!("Timestamp <= {} AND (t, id) < ({at}, {id})", time(*at)));
    }
    if !filter.levels.is_empty() {
        let levels: Vec<_> = filter.levels.iter().map(|level| quote(level)).collect();
        conditions.push(format!("{LEVEL} IN ({})", levels.join(", ")));
    }
    if let Text::Words(words) = &filter.text {
        conditions.extend(words.terms.iter().map(holds));
    }
    // A row has no id of its own; whole numbers as texts, which every server writes alike.
    let sql = format!(
        "SELECT toString(toUnixTimestamp64Nano(Timestamp) AS t), toString(toInt64(bitShiftRight(sipHash64(TraceId, SpanId, Body), 1)) AS id), \
         {LEVEL}, ServiceName, TraceId, SpanId, Body, LogAttributes FROM {table} WHERE {} ORDER BY t DESC, id DESC LIMIT {}",
        conditions.join(" AND "),
        limit + 1,
    );
    let mut events: Vec<LogEvent> = store.ask(sql).await?.iter().map(|row| event(row)).collect();
    let more = events.len() > *limit;
    events.truncate(*limit);
    let next = events.last().filter(|_| more).map(|last| format!("{}.{}", last.time_unix_nano, last.id));
    Ok(Logs { events, next })
}

/// Whether a message has a term, word by word in any case, as the index of this machine's store would say; but accents count.
fn holds(term: &Term) -> String {
    const BETWEEN: &str = r"[^\pL\pN]";
    let words = term.text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.collect::<Vec<_>>().join(&format!("{BETWEEN}+"));
    let end = if term.is_phrase { format!("($|{BETWEEN})") } else { String::new() };
    let not = if term.is_without { "NOT " } else { "" };
    format!("{not}match(Body, {})", quote(&format!("(?i)(^|{BETWEEN}){words}{end}")))
}

fn event(row: &[Value]) -> LogEvent {
    let filled = |place: usize| Some(text(row, place)).filter(|text| !text.is_empty());
    let message = text(row, 6);
    // What the message says of itself, then what was said beside it.
    let mut fields = match serde_json::from_str(&message) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    fields.extend(attributes(row.get(7)));
    LogEvent {
        id: text(row, 1),
        time_unix_nano: nanos(row, 0),
        group: String::new(),
        stream: String::new(),
        level: line::level(&text(row, 2)).map(str::to_owned),
        service: filled(3),
        message,
        trace_id: filled(4),
        span_id: filled(5),
        fields: Some(fields).filter(|fields| !fields.is_empty()),
    }
}
