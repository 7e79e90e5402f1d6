//! The `sql` block. X-Ray stores what it gets, so literals and passwords are taken out here.

use super::attributes::Attributes;
use super::{name, short};
use crate::limits::MAX_STRING_CHARS;
use crate::segment::Sql;
use crate::span::Span;

/// Systems that speak SQL, by the old names and by the stable ones.
const SYSTEMS: [&str; 19] = [
    "db2",
    "derby",
    "hive",
    "mariadb",
    "mssql",
    "mysql",
    "oracle",
    "postgresql",
    "sqlite",
    "teradata",
    "other_sql",
    "ibm.db2",
    "microsoft.sql_server",
    "oracle.db",
    "cockroachdb",
    "redshift",
    "aws.redshift",
    "trino",
    "clickhouse",
];

pub(super) fn sql(span: &Span, attributes: &mut Attributes) -> Option<Sql> {
    let system = attributes.first_text(&["db.system.name", "db.system"]).filter(|it| SYSTEMS.contains(it))?;
    attributes.take_text(&["db.system.name", "db.system"]);
    let database = attributes.take_text(&["db.namespace", "db.name"]).unwrap_or_default();
    let server = attributes.take_text(&["db.connection_string"]).map(name::without_password);
    let server = server.or_else(|| server_address(attributes)).unwrap_or_else(|| "localhost".to_owned());
    let query = attributes.take_text(&["db.query.text", "db.statement"]);
    let user =
        ["db.user", "user.name"].into_iter().find_map(|key| attributes.take_short(key, MAX_STRING_CHARS));
    Some(Sql {
        connection_string: Some(format!("{server}/{database}")),
        url: (!span.name.is_empty()).then(|| span.name.to_owned()),
        sanitized_query: query.map(|query| sanitize(query, double_quotes_are_text(system))),
        database_type: Some(system.to_owned()),
        user,
        ..Sql::default()
    })
}

fn server_address(attributes: &Attributes) -> Option<String> {
    let host = attributes.text("server.address").and_then(|host| short(host, MAX_STRING_CHARS))?;
    Some(attributes.int("server.port").map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

/// MySQL and its kin, unless told otherwise; in every other dialect double quotes enclose a name.
fn double_quotes_are_text(system: &str) -> bool {
    matches!(system, "mysql" | "mariadb" | "clickhouse" | "hive")
}

/// The statement with every literal replaced by `?` and without comments.
///
/// It reads tokens and knows no grammar, so it works on a statement that was cut off, too: a text that does not end
/// is a literal to the end.
pub fn sanitize(statement: &str, double_quotes_are_text: bool) -> String {
    let mut clean = String::with_capacity(statement.len());
    let mut rest = statement;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let in_word = clean.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
        let (write, length) = match c {
            '\'' => ("?", quoted(rest, '\'', backslashes(&clean, double_quotes_are_text))),
            '"' if double_quotes_are_text => ("?", quoted(rest, '"', true)),
            '"' | '`' => {
                let length = quoted(rest, c, false);
                (&rest[..length], length)
            }
            '-' if after.starts_with('-') => ("", rest.find('\n').unwrap_or(rest.len())),
            '#' if double_quotes_are_text => ("", rest.find('\n').unwrap_or(rest.len())),
            '/' if after.starts_with('*') => ("", comment(rest)),
            '$' if !in_word => dollar_quoted(rest).map_or_else(
                || {
                    // A placeholder: `$1`.
                    let length = 1 + after.bytes().take_while(u8::is_ascii_digit).count();
                    (&rest[..length], length)
                },
                |length| ("?", length),
            ),
            '0'..='9' if !in_word => ("?", number(rest)),
            '.' if !in_word && after.starts_with(|c: char| c.is_ascii_digit()) => ("?", number(rest)),
            _ => (&rest[..c.len_utf8()], c.len_utf8()),
        };
        clean.push_str(write);
        rest = &rest[length..];
    }
    clean.trim().to_owned()
}

/// A backslash escapes in MySQL, and in Postgres after `E`.
fn backslashes(before: &str, mysql: bool) -> bool {
    let mut last = before.chars().rev();
    let escape = matches!(last.next(), Some('e' | 'E'));
    mysql || (escape && !last.next().is_some_and(|c| c.is_alphanumeric() || c == '_'))
}

/// The length of a quoted text from its opening quote; a doubled quote does not end it.
fn quoted(text: &str, quote: char, backslashes: bool) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((index, c)) = chars.next() {
        if c == '\\' && backslashes {
            chars.next();
        } else if c == quote {
            if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
            } else {
                return index + 1;
            }
        }
    }
    text.len()
}

/// Block comments nest in Postgres.
fn comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut index) = (0_u32, 0);
    while index < bytes.len() {
        if bytes[index..].starts_with(b"/*") {
            (depth, index) = (depth + 1, index + 2);
        } else if bytes[index..].starts_with(b"*/") {
            (depth, index) = (depth - 1, index + 2);
            if depth == 0 {
                return index;
            }
        } else {
            index += 1;
        }
    }
    text.len()
}

/// `$$..$$` or `$tag$..$tag$`, with its length; a placeholder is none.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag_length = text[1..].find(|c: char| !(c.is_alphanumeric() || c == '_'))? + 1;
    if !text[tag_length..].starts_with('$') || text[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let tag = &text[..=tag_length];
    let end = text[tag.len()..].find(tag).map(|end| end + 2 * tag.len());
    Some(end.unwrap_or(text.len()))
}

/// `12`, `1.5e-3`, `0xff`.
fn number(text: &str) -> usize {
    let mut previous = ' ';
    text.find(|c: char| {
        let part = c.is_ascii_alphanumeric()
            || c == '.'
            || c == '_'
            || ((c == '-' || c == '+') && matches!(previous, 'e' | 'E') && !text.starts_with("0x"));
        previous = c;
        !part
    })
    .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_literal_leaves_the_process() {
        let check = |statement, expect: &str| assert_eq!(sanitize(statement, false), expect, "{statement}");
        check("", "");
        check("SELECT 1", "SELECT ?");
        check("SELECT * FROM users WHERE id = $1", "SELECT * FROM users WHERE id = $1");
        check("SELECT * FROM t WHERE a = 'it''s' AND b=12.5", "SELECT * FROM t WHERE a = ? AND b=?");
        check("SELECT E'a\\'b', 'c'", "SELECT E?, ?");
        check("SELECT 'a\\' , 'b'", "SELECT ? , ?");
        check("SELECT x.name'", "SELECT x.name?");
        check("INSERT INTO t1 VALUES (1, -2, 3e-5, 0xff, .5)", "INSERT INTO t1 VALUES (?, -?, ?, ?, ?)");
        check("SELECT \"user 1\".\"a\"\"b\" FROM t2", "SELECT \"user 1\".\"a\"\"b\" FROM t2");
        check("SELECT $$secret 'x'$$, $a$ $b$ $a$, $2", "SELECT ?, ?, $2");
        check("SELECT $$never ends", "SELECT ?");
        check("SELECT 'never ends", "SELECT ?");
        check("SELECT 1 -- password=1\nFROM t", "SELECT ? \nFROM t");
        check("SELECT /* a /* b */ 'c' */ x /*open", "SELECT  x");
        check("call update_user_preference( ?, ?, ? )", "call update_user_preference( ?, ?, ? )");
        check("SELECT a$1 FROM \u{fc}ber2 WHERE \u{f6}=1", "SELECT a$1 FROM \u{fc}ber2 WHERE \u{f6}=?");
        check("SELECT a-1, a -- x", "SELECT a-?, a");
        check("$", "$");
        check("$1", "$1");
        check("/*", "");
    }

    #[test]
    fn double_quotes_by_dialect() {
        assert_eq!(sanitize("SELECT \"secret\", `name` # c", true), "SELECT ?, `name`");
        assert_eq!(sanitize("SELECT 'a\\'b'", true), "SELECT ?");
    }

    proptest::proptest! {
        #[test]
        fn no_statement_panics_or_keeps_a_text(statement in "[a-z0-9 '\"$/*\\\\é-]{0,40}", mysql: bool) {
            sanitize(&statement, mysql);
            let with_text = ["SELECT 'qqq' ", &statement].concat();
            proptest::prop_assert!(!sanitize(&with_text, mysql).contains("qqq"));
        }
    }
}
