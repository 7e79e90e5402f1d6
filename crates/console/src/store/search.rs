//! Log events as the console's own API asks for them: of all groups, by text, level, trace.

use rusqlite::{Connection, ToSql};
use vendor_apis::cloudwatch::line;
use vendor_apis::cloudwatch::pattern::Pattern;
use xray::{SpanId, TraceId};

use super::read::{ReadError, Reader, span_id, trace_id};
use crate::wire::{LogEvent, LogGroup};

/// Bytes of messages in an answer.
const MAX_BYTES: usize = 4 << 20;
/// Events that a filter pattern looks at for one answer; what it did not find among them the next page goes on with.
const MAX_SEARCHED: usize = 100_000;

/// Which events.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogFilter {
    pub(crate) text: Text,
    pub(crate) group: Option<String>,
    pub(crate) stream: Option<String>,
    pub(crate) service: Option<String>,
    /// Any of these; none is all.
    pub(crate) levels: Vec<&'static str>,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) span_id: Option<SpanId>,
    /// Nanoseconds since 1970, inclusive.
    pub(crate) start: Option<i64>,
    /// Exclusive.
    pub(crate) end: Option<i64>,
}

/// What the message must hold.
#[derive(Clone, Debug, Default)]
pub(crate) enum Text {
    #[default]
    Any,
    /// By the index of words.
    Words(Words),
    /// A filter pattern of CloudWatch's, which has to look at each message.
    Pattern(Pattern),
}

/// One term at least.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) terms: Vec<Term>,
}

/// With a letter or a digit in it: without there is no word, and FTS5 would find nothing.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub(crate) text: String,
    /// Its last word is whole.
    pub(crate) is_phrase: bool,
    /// The message must not have it.
    pub(crate) is_without: bool,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Before this event, by time and row; by row alone where words are looked for.
    Before(i64, i64),
    /// What came after this row, in order of arrival.
    After(i64),
}

#[derive(Debug, Default)]
pub(crate) struct LogPage {
    pub(crate) events: Vec<LogEvent>,
    /// The last one that was looked at, if there may be more behind it: time and row.
    pub(crate) next: Option<(i64, i64)>,
}

impl Words {
    /// `timed "connection pool" -debug`: words by their beginning, phrases as they are, what must not be there.
    /// `None` when there is no word in it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut terms = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (is_without, term) = match rest.strip_prefix('-') {
                Some(term) => (true, term),
                None => (false, rest),
            };
            let (term, is_phrase, after) = if let Some(term) = term.strip_prefix('"') {
                let (term, after) = term.split_once('"').unwrap_or((term, ""));
                (term, true, after)
            } else {
                let end = term.find(char::is_whitespace).unwrap_or(term.len());
                (&term[..end], false, &term[end..])
            };
            if term.contains(char::is_alphanumeric) {
                terms.push(Term { text: term.to_owned(), is_phrase, is_without });
            }
            rest = after.trim_start();
        }
        (!terms.is_empty()).then_some(Self { terms })
    }

    /// Expressions of FTS5: what must be there, and what must not.
    fn expressions(&self) -> [Option<String>; 2] {
        [(false, " AND "), (true, " OR ")].map(|(is_without, between)| {
            let terms = self.terms.iter().filter(|term| term.is_without == is_without);
            let terms: Vec<_> = terms
                .map(|term| {
                    let beginning = if term.is_phrase { "" } else { " *" };
                    format!("\"{}\"{beginning}", term.text.replace('"', "\"\""))
                })
                .collect();
            (!terms.is_empty()).then(|| terms.join(between))
        })
    }
}

impl Reader {
    pub(crate) async fn logs(
        &self,
        filter: LogFilter,
        place: Place,
        limit: usize,
    ) -> Result<LogPage, ReadError> {
        self.read(move |connection| logs(connection, &filter, place, limit)).await
    }

    pub(crate) async fn log_groups(&self) -> Result<Vec<LogGroup>, ReadError> {
        self.read(log_groups).await
    }

    /// The newest event's row.
    pub(crate) async fn last_log(&self) -> Result<i64, ReadError> {
        let last = "SELECT coalesce(max(id), 0) FROM logs";
        self.read(|connection| connection.query_row(last, [], |row| row.get(0))).await
    }
}

impl LogFilter {
    /// Whether pages are in order of arrival: the index of words is, and sorting all that was found takes too long.
    pub(crate) fn is_by_arrival(&self) -> bool {
        matches!(&self.text, Text::Words(words) if words.terms.iter().any(|term| !term.is_without))
    }

    fn sql(&self, place: Place) -> (String, Vec<Box<dyn ToSql>>) {
        let mut conditions: Vec<&str> = Vec::new();
        let mut arguments: Vec<Box<dyn ToSql>> = Vec::new();
        let mut add = |condition: &'static str, argument: Box<dyn ToSql>| {
            conditions.push(condition);
            arguments.push(argument);
        };
        let mut from = "logs l";
        if let Text::Words(words) = &self.text {
            let [with, without] = words.expressions();
            if let Some(with) = with {
                from = "logs_text CROSS JOIN logs l ON l.id = logs_text.rowid";
                let with = match without {
                    Some(without) => format!("({with}) NOT ({without})"),
                    None => with.clone(),
                };
                add("logs_text MATCH ?", Box::new(with));
            } else if let Some(without) = without {
                add(
                    "l.id NOT IN (SELECT rowid FROM logs_text WHERE logs_text MATCH ?)",
                    Box::new(without.clone()),
                );
            }
        }
        let of_text = |text: &Option<String>| text.clone().map(|text| Box::new(text) as Box<dyn ToSql>);
        if let Some(group) = of_text(&self.group) {
            add("g.name = ?", group);
        }
        if let Some(stream) = of_text(&self.stream) {
            add("s.name = ?", stream);
        }
        if let Some(service) = of_text(&self.service) {
            add("l.service = ?", service);
        }
        if let Some(id) = self.trace_id {
            add("l.trace_id = ?", Box::new(id.to_bytes()));
        }
        if let Some(id) = self.span_id {
            add("l.span_id = ?", Box::new(id.to_bytes()));
        }
        if let Some(start) = self.start {
            add("l.time >= ?", Box::new(start));
        }
        if let Some(end) = self.end {
            add("l.time < ?", Box::new(end));
        }
        if !self.levels.is_empty() {
            let levels = serde_json::to_string(&self.levels).expect("names are always JSON");
            add("l.level IN (SELECT value FROM json_each(?))", Box::new(levels));
        }
        let order = match place {
            Place::After(id) => {
                add(if self.is_by_arrival() { "logs_text.rowid > ?" } else { "l.id > ?" }, Box::new(id));
                if self.is_by_arrival() { "logs_text.rowid" } else { "l.id" }
            }
            Place::Before(_, id) if self.is_by_arrival() => {
                add("logs_text.rowid < ?", Box::new(id));
                "logs_text.rowid DESC"
            }
            Place::Before(time, id) => {
                conditions.push("(l.time, l.id) < (?, ?)");
                arguments.extend([Box::new(time) as Box<dyn ToSql>, Box::new(id)]);
                "l.time DESC, l.id DESC"
            }
        };
        let conditions = conditions.join(" AND ");
        let sql = format!(
            "SELECT l.id, l.time, g.name, s.name, l.level, l.service, l.trace_id, l.span_id, l.message
             FROM {from} CROSS JOIN log_streams s ON s.id = l.stream CROSS JOIN log_groups g ON g.id = s.log_group
             WHERE {conditions} ORDER BY {order}"
        );
        (sql, arguments)
    }
}

fn logs(
    connection: &Connection,
    filter: &LogFilter,
    place: Place,
    limit: usize,
) -> rusqlite::Result<LogPage> {
    let (sql, arguments) = filter.sql(place);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(arguments))?;
    let mut page = LogPage::default();
    let (mut bytes, mut searched, mut last) = (0, 0, None);
    while let Some(row) = rows.next()? {
        if page.events.len() == limit || bytes > MAX_BYTES || searched == MAX_SEARCHED {
            page.next = last;
            break;
        }
        searched += 1;
        let (id, time): (i64, i64) = (row.get(0)?, row.get(1)?);
        last = Some((time, id));
        let message = row.get_ref(8)?.as_str()?;
        if matches!(&filter.text, Text::Pattern(pattern) if !pattern.matches(message)) {
            continue;
        }
        bytes += message.len();
        page.events.push(LogEvent {
            id: id.to_string(),
            time_unix_nano: time,
            group: row.get(2)?,
            stream: row.get(3)?,
            level: row.get(4)?,
            service: row.get(5)?,
            message: message.to_owned(),
            trace_id: row.get::<_, Option<_>>(6)?.map(|bytes| trace_id(bytes).to_w3c()),
            span_id: row.get::<_, Option<_>>(7)?.map(|bytes| span_id(bytes).to_string()),
            fields: line::fields(message),
        });
    }
    Ok(page)
}

fn log_groups(connection: &Connection) -> rusqlite::Result<Vec<LogGroup>> {
    let mut groups: Vec<LogGroup> = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT g.name, g.retention_days, s.name, coalesce(s.events, 0), coalesce(s.bytes, 0)
         FROM log_groups g LEFT JOIN log_streams s ON s.log_group = g.id ORDER BY g.name, s.name",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        if groups.last().is_none_or(|group| group.name != name) {
            let retention_days = row.get(1)?;
            groups.push(LogGroup { name, streams: Vec::new(), retention_days, events: 0, bytes: 0 });
        }
        let group = groups.last_mut().expect("one was pushed");
        group.streams.extend(row.get::<_, Option<String>>(2)?);
        group.events += row.get::<_, u64>(3)?;
        group.bytes += row.get::<_, u64>(4)?;
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_expressions_of_fts5() {
        let check = |text: &str, with: Option<&str>, without: Option<&str>| {
            let found = Words::parse(text).map_or([None, None], |words| words.expressions());
            assert_eq!(found, [with, without].map(|it| it.map(str::to_owned)), "{text:?}");
        };
        check("", None, None);
        check("pool", Some("\"pool\" *"), None);
        check("pool tim", Some("\"pool\" * AND \"tim\" *"), None);
        check("\"pool timed out\" -debug", Some("\"pool timed out\""), Some("\"debug\" *"));
        check("-\"not this\" -that", None, Some("\"not this\" OR \"that\" *"));
        check("user_id=17", Some("\"user_id=17\" *"), None);
        check("never closed\"", Some("\"never\" * AND \"closed\"\"\" *"), None);
        check("\"never closed", Some("\"never closed\""), None);
        check("!! -- * ( ) ^", None, None);
        check("a NEAR(b) OR *", Some("\"a\" * AND \"NEAR(b)\" * AND \"OR\" *"), None);
    }
}
