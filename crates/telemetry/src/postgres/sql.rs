//! As much of SQL as a span's name needs, and its text without the values.

/// A longer text is cut: it is there to be recognised.
const TEXT_LIMIT: usize = 4096;

/// What a statement does, and to what.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    /// `SELECT`, `INSERT`, `BEGIN`: the verb in capitals.
    pub(super) operation: String,
    /// The table of the outermost clause, as it is written; else the first one inside.
    pub(super) collection: Option<String>,
    /// Whether the number of affected rows means something.
    pub(super) writes: bool,
}

/// The text with each literal replaced by `?`, without comments, on one line. Placeholders (`$1`) stay.
pub(super) fn sanitise(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    for token in Lexer(sql) {
        match token {
            // Comments are blanks to SQL; they may hold anything.
            Token::Blank if text.is_empty() || text.ends_with(' ') => {}
            Token::Blank => text.push(' '),
            Token::Literal => text.push('?'),
            Token::Word(word) | Token::Quoted(word) | Token::Symbol(word) => text.push_str(word),
        }
    }
    text.truncate(text.trim_end().len());
    if text.len() > TEXT_LIMIT {
        text.truncate(text.floor_char_boundary(TEXT_LIMIT));
        text.push_str("...");
    }
    text
}

pub(super) fn summarise(sql: &str) -> Summary {
    let tokens: Vec<Token<'_>> = Lexer(sql).filter(|token| !matches!(token, Token::Blank)).collect();
    let mut operation: Option<String> = None;
    let mut with = false;
    // `WITH page AS (...)`: names that look like tables and are none.
    let mut named = Vec::new();
    // For each open parenthesis, whether a query stands in it; `extract(epoch FROM t)` names no table.
    let mut queries: Vec<bool> = Vec::new();
    let (mut outer, mut inside) = (None, None);

    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Symbol("(") => {
                queries
                    .push(tokens.get(at + 1).is_some_and(|next| next.is_any(&["SELECT", "WITH", "VALUES"])));
            }
            Token::Symbol(")") => drop(queries.pop()),
            Token::Word(word) => {
                if operation.is_none() && queries.is_empty() {
                    if at == 0 && token.is("WITH") {
                        with = true;
                    } else if !with || token.is_any(&VERBS) {
                        operation = Some(word.to_ascii_uppercase());
                    } else if tokens[at - 1].is_any(&["WITH", "RECURSIVE"]) || tokens[at - 1].is_symbol(",") {
                        named.push(*word);
                    }
                }
                let in_query = queries.last().copied().unwrap_or(true);
                if outer.is_some() || !in_query || !names_a_table(&tokens, at) {
                    continue;
                }
                let table =
                    table(&tokens[at + 1..], token.is("INTO")).filter(|t| !named.contains(&t.as_str()));
                let slot = if queries.is_empty() { &mut outer } else { &mut inside };
                if slot.is_none() {
                    *slot = table;
                }
            }
            _ => {}
        }
    }
    let operation = operation.unwrap_or_default();
    let known = VERBS.contains(&operation.as_str());
    Summary {
        writes: known && operation != "SELECT",
        collection: outer.or(inside).filter(|_| known),
        operation,
    }
}

const VERBS: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"];

/// Whether a table's name follows the word at `at`.
fn names_a_table(tokens: &[Token<'_>], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|i| &tokens[i]);
    match &tokens[at] {
        word if word.is_any(&["INTO", "JOIN"]) => true,
        // Not `IS DISTINCT FROM`.
        word if word.is("FROM") => {
            !(before(1).is_some_and(|t| t.is("DISTINCT"))
                && before(2).is_some_and(|t| t.is_any(&["IS", "NOT"])))
        }
        // Not `FOR UPDATE`, `DO UPDATE`.
        word if word.is("UPDATE") => before(1).is_none_or(|t| t.is_symbol(")") || t.is_symbol("(")),
        _ => false,
    }
}

/// `[ONLY] name[.name]`; none for a subquery, and none for a function's call unless `columns` may follow.
fn table(tokens: &[Token<'_>], columns: bool) -> Option<String> {
    let mut rest = tokens.iter().skip_while(|token| token.is_any(&["ONLY", "LATERAL"])).peekable();
    let mut name = String::new();
    loop {
        match rest.next()? {
            Token::Word(word) | Token::Quoted(word) => name.push_str(word),
            _ => return None,
        }
        match rest.peek() {
            Some(next) if next.is_symbol(".") => name.push('.'),
            Some(next) if next.is_symbol("(") && !columns => return None,
            _ => return Some(name),
        }
        rest.next();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Blank,
    /// A string or a number.
    Literal,
    Word(&'a str),
    Quoted(&'a str),
    /// A placeholder or a single character.
    Symbol(&'a str),
}

impl Token<'_> {
    fn is(&self, keyword: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self, Token::Symbol(s) if *s == symbol)
    }
}

/// PostgreSQL's lexical structure (documentation, 4.1). What is not closed goes on to the end.
struct Lexer<'a>(&'a str);

impl<'a> Lexer<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.0.split_at(bytes);
        self.0 = rest;
        taken
    }

    /// The length of a quoted piece that begins at `from`: up to its closing quote, where a doubled one does not
    /// close, nor one after a backslash if `escapes`.
    fn quoted(&self, from: usize, quote: u8, escapes: bool) -> usize {
        let bytes = self.0.as_bytes();
        let mut at = from + 1;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' if escapes => at += 2,
                byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
                byte if byte == quote => return at + 1,
                _ => at += 1,
            }
        }
        bytes.len()
    }

    /// The length of a comment that may hold others.
    fn comment(&self) -> usize {
        let bytes = self.0.as_bytes();
        let (mut at, mut depth) = (2, 1);
        while at < bytes.len() {
            match &bytes[at..] {
                [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
                [b'*', b'/', ..] if depth == 1 => return at + 2,
                [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
                _ => at += 1,
            }
        }
        bytes.len()
    }

    fn while_in(&self, from: usize, in_token: impl Fn(u8) -> bool) -> usize {
        self.0.bytes().skip(from).position(|byte| !in_token(byte)).map_or(self.0.len(), |more| from + more)
    }
}

/// Letters of other scripts are part of names in Postgres.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let bytes = self.0.as_bytes();
        let (&first, second) = (bytes.first()?, bytes.get(1).copied().unwrap_or_default());
        let (length, literal) = match first {
            b'-' if second == b'-' => {
                self.take(self.while_in(0, |byte| byte != b'\n'));
                return Some(Token::Blank);
            }
            b'/' if second == b'*' => {
                self.take(self.comment());
                return Some(Token::Blank);
            }
            byte if byte.is_ascii_whitespace() => {
                self.take(self.while_in(0, |byte| byte.is_ascii_whitespace()));
                return Some(Token::Blank);
            }
            b'"' => return Some(Token::Quoted(self.take(self.quoted(0, b'"', false)))),
            b'\'' => (self.quoted(0, b'\'', false), true),
            // E'..', B'..', X'..', N'..', U&'..'
            b'e' | b'E' if second == b'\'' => (self.quoted(1, b'\'', true), true),
            b'b' | b'B' | b'x' | b'X' | b'n' | b'N' if second == b'\'' => {
                (self.quoted(1, b'\'', false), true)
            }
            b'u' | b'U' if second == b'&' && bytes.get(2) == Some(&b'\'') => {
                (self.quoted(2, b'\'', false), true)
            }
            b'$' if second.is_ascii_digit() => (self.while_in(1, |byte| byte.is_ascii_digit()), false),
            // $tag$ .. $tag$
            b'$' if second == b'$' || second == b'_' || second.is_ascii_alphabetic() || second >= 0x80 => {
                match self.0[1..].find('$').map(|end| &self.0[..end + 2]) {
                    Some(tag) => {
                        let body = &self.0[tag.len()..];
                        let end = body.find(tag).map_or(self.0.len(), |end| tag.len() + end + tag.len());
                        (end, true)
                    }
                    None => (1, false),
                }
            }
            b'0'..=b'9' => (self.number(), true),
            b'.' if second.is_ascii_digit() => (self.number(), true),
            byte if is_word(byte) => return Some(Token::Word(self.take(self.while_in(0, is_word)))),
            _ => (1, false),
        };
        let text = self.take(length);
        Some(if literal { Token::Literal } else { Token::Symbol(text) })
    }
}

impl Lexer<'_> {
    /// 42, 3.5, .001, 1e-10, 0x2A, 1_000.
    fn number(&self) -> usize {
        let mut end = self.while_in(0, |byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_');
        let bytes = self.0.as_bytes();
        if matches!(bytes[end - 1], b'e' | b'E') && matches!(bytes.get(end), Some(b'+' | b'-')) {
            end = self.while_in(end + 1, |byte| byte.is_ascii_digit());
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_shape_and_loses_its_values() {
        let check = |sql, expect: &str| assert_eq!(sanitise(sql), expect, "{sql}");
        check("SELECT 1", "SELECT ?");
        check(
            "select *\n  from t -- why\n where a = $1 and b = 'x''y'",
            "select * from t where a = $1 and b = ?",
        );
        check("/* a /* nested */ b */ SELECT t1.c2 FROM t1", "SELECT t1.c2 FROM t1");
        check(r"SELECT E'it\'s', B'01', U&'\0041', $$a 'b'$$, $q$x $$ y$q$", "SELECT ?, ?, ?, ?, ?");
        check("SELECT -1.5e-10, .5, 0x2A, 1_000, 7::int8", "SELECT -?, ?, ?, ?, ?::int8");
        check(r#"SELECT "odd ""name" FROM "Ta'ble""#, r#"SELECT "odd ""name" FROM "Ta'ble""#);
        check("SELECT 'never closed", "SELECT ?");
        check("SELECT größe FROM maße WHERE ü = 'ß'", "SELECT größe FROM maße WHERE ü = ?");
        check("  ", "");
        assert_eq!(sanitise(&"ä".repeat(3000)).len(), TEXT_LIMIT + 3);
    }

    #[test]
    fn a_statement_is_named_by_what_it_does_to_which_table() {
        let check = |sql, expect: &str| {
            let Summary { operation, collection, .. } = summarise(sql);
            let name = collection.map_or(operation.clone(), |collection| format!("{operation} {collection}"));
            assert_eq!(name, expect, "{sql}");
        };
        check("select * from activities where uuid = $1", "SELECT activities");
        check(
            "SELECT (SELECT count(*) FROM replies r WHERE r.a = a.id) FROM activities a",
            "SELECT activities",
        );
        check("SELECT extract(epoch FROM created_at) FROM public.activities", "SELECT public.activities");
        check("SELECT 1 WHERE a IS NOT DISTINCT FROM b", "SELECT");
        check("SELECT * FROM unnest($1::uuid[]) AS id JOIN users USING (id)", "SELECT users");
        check("SELECT * FROM (SELECT * FROM posts) p", "SELECT posts");
        check("SELECT 1", "SELECT");
        check("INSERT INTO activities (message) SELECT m FROM drafts RETURNING uuid", "INSERT activities");
        check("insert into users values ($1) on conflict (id) do update set a = 1", "INSERT users");
        check("UPDATE ONLY \"Users\" SET a = (SELECT b FROM t)", "UPDATE \"Users\"");
        check("DELETE FROM sessions WHERE expires_at < now()", "DELETE sessions");
        check("WITH page AS (SELECT * FROM activities) SELECT * FROM page", "SELECT activities");
        check(
            "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n+1 FROM t), u AS (SELECT 1) SELECT * FROM t, u",
            "SELECT",
        );
        check("WITH gone AS (DELETE FROM a RETURNING id) INSERT INTO b SELECT id FROM gone", "INSERT b");
        check("MERGE INTO stock s USING sales ON true", "MERGE stock");
        check("SELECT * FROM t FOR UPDATE SKIP LOCKED", "SELECT t");
        check("BEGIN", "BEGIN");
        check("create table t (a int)", "CREATE");
        check("vacuum", "VACUUM");
        check("", "");
        check("( ) ) (", "");
    }
}
