//! Typed pieces of SQL. The table is of texts and ClickHouse's functions want types, so every piece knows what it may be.

use std::collections::HashMap;
use std::ops::Range;

use crate::spec::{Combination, Filter, FilterOp, Named, SpecError, is_relational};
use crate::table::{DURATION, NETWORK, PARENT_ID, SPAN_ID, TRACE_ID};
use crate::value::Value;

/// What reads as a number; with zeros before it, it is a code of some sort.
pub(super) const NUMBER: &str = r"^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$";
const NO_NUMBER: &str = "CAST(NULL, 'Nullable(Float64)')";
const NO_TEXT: &str = "CAST(NULL, 'Nullable(String)')";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    /// A Float64.
    Number,
    Text,
    /// A text that is a number or a truth where it reads as one: an attribute.
    Any,
}

#[derive(Clone, Debug)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) kind: Kind,
}

impl Sql {
    pub(super) fn new(text: impl Into<String>, kind: Kind) -> Self {
        Self { text: text.into(), kind }
    }

    fn may_be(&self, kind: Kind) -> bool {
        self.kind == kind || self.kind == Kind::Any
    }
}

/// Pieces by name, for one SELECT. What is made of others gets an alias: a text that repeats its parts would grow
/// twofold with each step of nesting.
pub(super) struct Pieces {
    prefix: char,
    /// `expression AS alias`.
    pub(super) list: Vec<String>,
    aliases: HashMap<String, String>,
    pub(super) columns: HashMap<String, Sql>,
}

impl Pieces {
    pub(super) fn new(prefix: char) -> Self {
        Self { prefix, list: Vec::new(), aliases: HashMap::new(), columns: HashMap::new() }
    }

    /// Defines each calculated field, which may use those before it.
    pub(super) fn define(&mut self, fields: &[Named]) -> Result<(), SpecError> {
        for (place, field) in fields.iter().enumerate() {
            let path = || format!("calculated_fields[{place}].expression");
            for name in field.parsed.columns() {
                self.column(name, path)?;
            }
            let piece = self.expression(&field.parsed).map_err(|message| SpecError::new(path(), message))?;
            self.columns.insert(field.name.clone(), piece);
        }
        Ok(())
    }

    /// A column of the query; `path` is where it names it.
    pub(super) fn column(&mut self, name: &str, path: impl Fn() -> String) -> Result<Sql, SpecError> {
        if let Some(known) = self.columns.get(name) {
            return Ok(known.clone());
        }
        if is_relational(name) {
            let message = format!("\"{name}\": columns of other spans of the trace are Honeycomb's only");
            return Err(SpecError::new(path(), message));
        }
        if name == NETWORK {
            let message =
                format!("\"{name}\" is found by following each call, which is not done on ClickHouse");
            return Err(SpecError::new(path(), message));
        }
        let Sql { text, kind } = column(name);
        let piece = self.alias(text, kind);
        self.columns.insert(name.to_owned(), piece.clone());
        Ok(piece)
    }

    pub(super) fn alias(&mut self, text: String, kind: Kind) -> Sql {
        if let Some(known) = self.aliases.get(&text) {
            return Sql::new(known, kind);
        }
        let alias = format!("{}{}", self.prefix, self.list.len());
        self.list.push(format!("{text} AS {alias}"));
        self.aliases.insert(text, alias.clone());
        Sql::new(alias, kind)
    }

    /// The number that the cell is; null for a text that is none.
    pub(super) fn number(&mut self, cell: &Sql) -> String {
        let x = &cell.text;
        match cell.kind {
            Kind::Number => x.clone(),
            Kind::Any => self.alias(reads_as_number(x), Kind::Number).text,
            _ => NO_NUMBER.to_owned(),
        }
    }

    pub(super) fn text(&mut self, cell: &Sql) -> String {
        let x = &cell.text;
        match cell.kind {
            Kind::Text => x.clone(),
            Kind::Any => {
                let text = format!("if(match({x}, '{NUMBER}') OR {x} IN ('true', 'false'), NULL, {x})");
                self.alias(text, Kind::Text).text
            }
            _ => NO_TEXT.to_owned(),
        }
    }

    fn truth(&mut self, cell: &Sql) -> String {
        let x = &cell.text;
        match cell.kind {
            Kind::Any => {
                let text = format!("multiIf({x} = 'true', true, {x} = 'false', false, NULL)");
                self.alias(text, Kind::Bool).text
            }
            _ => x.clone(),
        }
    }

    /// In arithmetic, where a text that is no number counts as 0.
    pub(super) fn loose_number(&mut self, cell: &Sql) -> String {
        let x = &cell.text;
        let text = match cell.kind {
            Kind::Number => return x.clone(),
            Kind::Null => return NO_NUMBER.to_owned(),
            Kind::Bool => format!("CAST({x}, 'Nullable(Float64)')"),
            Kind::Text | Kind::Any => {
                let is_true =
                    if cell.kind == Kind::Any { format!("{x} = 'true', 1, ") } else { String::new() };
                let number = reads_as_number(&format!("trimBoth({x})"));
                format!("multiIf(isNull({x}), NULL, {is_true}ifNull({number}, 0))")
            }
        };
        self.alias(text, Kind::Number).text
    }

    /// Never null.
    pub(super) fn is_true(&mut self, cell: &Sql) -> String {
        let x = &cell.text;
        match cell.kind {
            Kind::Null => "false".to_owned(),
            Kind::Bool => format!("ifNull({x}, false)"),
            Kind::Number => format!("ifNull({x} != 0, false)"),
            Kind::Text => format!("ifNull({x} = 'true', false)"),
            Kind::Any => {
                let number = self.number(cell);
                format!("(ifNull({x} = 'true', false) OR ifNull({number} != 0, false))")
            }
        }
    }

    /// A comparison; false for nulls and between kinds, never null.
    pub(super) fn compare(&mut self, left: &Sql, op: &str, right: &Sql) -> String {
        let mut arms = Vec::new();
        for kind in [Kind::Bool, Kind::Number, Kind::Text] {
            if left.may_be(kind) && right.may_be(kind) {
                let of_kind = match kind {
                    Kind::Bool => Self::truth,
                    Kind::Number => Self::number,
                    _ => Self::text,
                };
                arms.push(format!("ifNull({} {op} {}, false)", of_kind(self, left), of_kind(self, right)));
            }
        }
        if arms.is_empty() { "false".to_owned() } else { format!("({})", arms.join(" OR ")) }
    }

    /// The condition of some filters.
    pub(super) fn filters(
        &mut self,
        filters: &[Filter],
        combination: Combination,
        path: &str,
    ) -> Result<String, SpecError> {
        let mut conditions = Vec::new();
        for (place, filter) in filters.iter().enumerate() {
            let cell = self.column(&filter.column, || format!("{path}filters[{place}].column"))?;
            conditions.push(self.filter(filter, &cell));
        }
        let word = if combination == Combination::And { " AND " } else { " OR " };
        Ok(if conditions.is_empty() { "true".to_owned() } else { format!("({})", conditions.join(word)) })
    }

    /// As [`Filter::holds`] says.
    fn filter(&mut self, filter: &Filter, cell: &Sql) -> String {
        use FilterOp::{
            Contains, DoesNotContain, DoesNotEndWith, DoesNotExist, DoesNotStartWith, EndsWith, Equal,
            Exists, Greater, GreaterOrEqual, In, Less, LessOrEqual, NotEqual, NotIn, StartsWith,
        };
        let x = &cell.text;
        let first = filter.values.first();
        match filter.op {
            Exists => format!("isNotNull({x})"),
            DoesNotExist => format!("isNull({x})"),
            Equal | In => self.is_one_of(cell, &filter.values),
            NotEqual | NotIn => format!("NOT {}", self.is_one_of(cell, &filter.values)),
            Greater | GreaterOrEqual | Less | LessOrEqual => first.map_or("false".to_owned(), |value| {
                self.compare(cell, &filter.op.to_string(), &literal(value))
            }),
            StartsWith | EndsWith | Contains => self.has_part(filter.op, cell, first),
            DoesNotStartWith => format!("NOT {}", self.has_part(StartsWith, cell, first)),
            DoesNotEndWith => format!("NOT {}", self.has_part(EndsWith, cell, first)),
            DoesNotContain => format!("NOT {}", self.has_part(Contains, cell, first)),
        }
    }

    fn is_one_of(&mut self, cell: &Sql, values: &[Value]) -> String {
        let mut arms = vec!["false".to_owned()];
        for value in values {
            arms.push(match (cell.kind, value) {
                // The plain comparison, which the table's indexes know.
                (Kind::Any, Value::Str(text)) if matches!(read(text), Value::Str(_)) => {
                    format!("ifNull({} = {}, false)", cell.text, quote(text))
                }
                _ => self.compare(cell, "=", &literal(value)),
            });
        }
        format!("({})", arms.join(" OR "))
    }

    fn has_part(&mut self, op: FilterOp, cell: &Sql, part: Option<&Value>) -> String {
        let Some(Value::Str(part)) = part else { return "false".to_owned() };
        let text = self.text(cell);
        holds_part(op, &text, &quote(part))
    }
}

/// Of two texts; false if one is null.
pub(super) fn holds_part(op: FilterOp, text: &str, part: &str) -> String {
    match op {
        FilterOp::StartsWith => format!("ifNull(startsWith({text}, {part}), false)"),
        FilterOp::EndsWith => format!("ifNull(endsWith({text}, {part}), false)"),
        _ => format!("ifNull(position({text}, {part}) > 0, false)"),
    }
}

/// As a text, whatever it is.
pub(super) fn shown(cell: &Sql) -> String {
    let x = &cell.text;
    match cell.kind {
        Kind::Null => NO_TEXT.to_owned(),
        Kind::Bool => format!("multiIf(isNull({x}), NULL, {x}, 'true', 'false')"),
        // Minus zero is zero.
        Kind::Number => format!("toString({x} + 0)"),
        Kind::Text | Kind::Any => x.clone(),
    }
}

pub(super) fn literal(value: &Value) -> Sql {
    match value {
        Value::Bool(bool) => Sql::new(bool.to_string(), Kind::Bool),
        Value::Int(int) => Sql::new(float(*int as f64), Kind::Number),
        Value::Float(number) => Sql::new(float(*number), Kind::Number),
        Value::Str(text) => Sql::new(quote(text), Kind::Text),
    }
}

/// With a point or an exponent, so that it is a Float64.
pub(super) fn float(number: f64) -> String {
    format!("({number:?})")
}

/// A text literal. Nothing but a backslash or a quote has a meaning within one.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\0', "\\0"))
}

pub(super) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

pub(super) fn reads_as_number(x: &str) -> String {
    format!("if(match({x}, '{NUMBER}'), toFloat64OrNull({x}), NULL)")
}

/// By nearest rank; null without rows. `quantileExact` takes the number after it where a rank is whole.
pub(super) fn percentile(x: &str, filled: &str, thousandth: u16) -> String {
    let count = format!("toUInt64(countIf({filled}))");
    format!(
        "if({count} = 0, NULL, arraySort(groupArrayIf(assumeNotNull({x}), {filled}))[greatest(1, intDiv({count} * {thousandth} + 999, 1000))])"
    )
}

/// Of a row's start, in nanoseconds.
pub(super) fn within(times: Range<i64>) -> String {
    format!(
        "Timestamp >= fromUnixTimestamp64Nano(toInt64({})) AND Timestamp < fromUnixTimestamp64Nano(toInt64({}))",
        times.start, times.end,
    )
}

/// What the text of an attribute stands for.
pub fn read(text: &str) -> Value {
    let is_number = || {
        let digits = text.strip_prefix('-').unwrap_or(text);
        digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.ends_with(|c: char| c.is_ascii_digit())
            && digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
            && !digits.contains(".e")
            && !digits.contains(".E")
            && !(digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit()))
    };
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if is_number() => match text.parse() {
            Ok(int) => Value::Int(int),
            Err(_) => text.parse().ok().and_then(Value::float).unwrap_or_else(|| Value::from(text)),
        },
        _ => Value::from(text),
    }
}

/// What every span has beside its attributes, and its ids.
pub(super) const FIELDS: [&str; 13] = [
    DURATION,
    "error",
    "library.name",
    "library.version",
    "meta.signal_type",
    "name",
    "service.name",
    "span.kind",
    "span.num_events",
    "span.num_links",
    "status_code",
    "status_message",
    "type",
];

/// All attributes of a span as one map, where [`column`] looks: its own before its resource's before its first exception's.
pub(super) const ATTRIBUTES: &str = "mapUpdate(mapUpdate(mapFilter((k, v) -> startsWith(k, 'exception.'), \
    `Events.Attributes`[indexOf(`Events.Name`, 'exception')]), ResourceAttributes), SpanAttributes)";

/// Honeycomb's names in the exporter's table. The span's own fields win over attributes of the same name, so that the
/// table's key and indexes serve.
fn column(name: &str) -> Sql {
    const IS_ERROR: &str = "StatusCode IN ('Error', 'STATUS_CODE_ERROR')";
    let number = |text: &str| Sql::new(text, Kind::Number);
    let text = |text: &str| Sql::new(text, Kind::Text);
    match name {
        DURATION => number("toFloat64(Duration) / 1000000"),
        TRACE_ID => text("TraceId"),
        SPAN_ID => text("SpanId"),
        PARENT_ID => text("nullIf(ParentSpanId, '')"),
        "service.name" => text("toString(ServiceName)"),
        "name" => text("toString(SpanName)"),
        // Before 0.96 the exporter wrote SPAN_KIND_SERVER.
        "span.kind" | "type" => text("lower(replaceOne(SpanKind, 'SPAN_KIND_', ''))"),
        "status_code" => {
            number(&format!("multiIf({IS_ERROR}, 2., StatusCode IN ('Ok', 'STATUS_CODE_OK'), 1., 0.)"))
        }
        "error" => {
            Sql::new(format!("multiIf({}, {IS_ERROR}, 'true', NULL)", attribute_arms("error")), Kind::Any)
        }
        "status_message" => text("nullIf(StatusMessage, '')"),
        "library.name" => text("nullIf(ScopeName, '')"),
        "library.version" => text("nullIf(ScopeVersion, '')"),
        "meta.signal_type" => text("'trace'"),
        "span.num_events" => number("toFloat64(length(`Events.Name`))"),
        "span.num_links" => number("toFloat64(length(`Links.TraceId`))"),
        name if name.starts_with("exception.") => {
            let of_event = "`Events.Attributes`[indexOf(`Events.Name`, 'exception')]";
            let (arms, name) = (attribute_arms(name), quote(name));
            let of_event = format!("mapContains({of_event}, {name}), {of_event}[{name}]");
            Sql::new(format!("multiIf({arms}, {of_event}, NULL)"), Kind::Any)
        }
        name => Sql::new(format!("multiIf({}, NULL)", attribute_arms(name)), Kind::Any),
    }
}

fn attribute_arms(name: &str) -> String {
    let name = quote(name);
    let of = |map| format!("mapContains({map}, {name}), {map}[{name}]");
    format!("{}, {}", of("SpanAttributes"), of("ResourceAttributes"))
}
