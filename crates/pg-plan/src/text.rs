//! Text without values: a plan prints the real ones even where the statement says `$1`.

/// A longer condition is cut: it is there to be recognised.
const LIMIT: usize = 1024;
/// Postgres' own names have at most 63 bytes (NAMEDATALEN); others may say more.
const NAME_LIMIT: usize = 128;

/// A condition or a statement with each literal replaced by `?`, without comments, on one line.
///
/// Kept are names, placeholders (`$1`) and the numbers of `SubPlan 1` and `InitPlan 2`. Lexical structure:
/// PostgreSQL's documentation, 4.1. What is not closed is a literal to the end.
pub(crate) fn strip(sql: &str) -> String {
    let bytes = sql.as_bytes();
    let mut out = String::with_capacity(sql.len().min(LIMIT));
    let mut at = 0;
    while at < bytes.len() && out.len() <= LIMIT {
        let next = bytes.get(at + 1).copied().unwrap_or_default();
        match bytes[at] {
            byte if byte.is_ascii_whitespace() || byte.is_ascii_control() => {
                blank(&mut out);
                at += 1;
            }
            b'-' if next == b'-' => {
                blank(&mut out);
                at = bytes[at..]
                    .iter()
                    .position(|b| matches!(b, b'\n' | b'\r'))
                    .map_or(bytes.len(), |n| at + n);
            }
            b'/' if next == b'*' => {
                blank(&mut out);
                at = comment(bytes, at);
            }
            b'"' => {
                let end = quoted(bytes, at, false);
                out.extend(sql[at..end].chars().map(|c| if c.is_control() { ' ' } else { c }));
                at = end;
            }
            b'\'' => match string(bytes, at, prefix(&mut out)) {
                Some(end) => {
                    out.push('?');
                    at = end;
                }
                // `\'` in a plain string ends it or not, by a setting of the server's: neither guess is safe.
                None => return "?".to_owned(),
            },
            b'$' if next.is_ascii_digit() => {
                let end = run(bytes, at + 1, |b| b.is_ascii_digit());
                out.push_str(&sql[at..end]);
                at = end;
            }
            b'$' => {
                at = dollar(sql, at);
                out.push('?');
            }
            byte if byte.is_ascii_digit() || (byte == b'.' && next.is_ascii_digit()) => {
                let end = number(bytes, at);
                let counted = ["SubPlan ", "InitPlan "].iter().any(|word| out.ends_with(word));
                out.push_str(if counted { &sql[at..end] } else { "?" });
                at = end;
            }
            byte if is_word(byte) => {
                let end = run(bytes, at, |b| is_word(b) || b.is_ascii_digit() || b == b'$');
                out.push_str(&sql[at..end]);
                at = end;
            }
            byte => {
                out.push(char::from(byte));
                at += 1;
            }
        }
    }
    out.truncate(out.trim_end().len());
    cut(out, LIMIT)
}

/// The name of a table, an index, a node: one line, of bounded length.
pub(crate) fn name(text: &str) -> String {
    let text: String =
        text.chars().take(NAME_LIMIT + 1).map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(text, NAME_LIMIT)
}

/// A list of expressions as one text.
pub(crate) fn join(list: &[String]) -> String {
    cut(list.join(", "), LIMIT)
}

fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push_str("...");
    }
    text
}

fn blank(out: &mut String) {
    if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Letters of other scripts are part of names in Postgres.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn run(bytes: &[u8], from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|&b| !belongs(b)).map_or(bytes.len(), |n| from + n)
}

/// Takes the prefix of a string off again (`E'..'`, `B'..'`, `U&'..'`) and says whether backslashes escape.
fn prefix(out: &mut String) -> bool {
    let word =
        |out: &String, n: usize| !out[..out.len() - n].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    for (text, escapes) in [("E", true), ("e", true), ("U&", false), ("u&", false)]
        .into_iter()
        .chain(["B", "b", "X", "x", "N", "n"].map(|p| (p, false)))
    {
        if out.ends_with(text) && word(out, text.len()) {
            out.truncate(out.len() - text.len());
            return escapes;
        }
    }
    false
}

/// Where the string ends; `None` if that cannot be known.
fn string(bytes: &[u8], at: usize, escapes: bool) -> Option<usize> {
    let end = quoted(bytes, at, escapes);
    let doubtful = !escapes && bytes[at..end].windows(2).any(|pair| pair == b"\\'");
    (!doubtful).then_some(end)
}

/// Up to the closing quote, where a doubled one does not close.
fn quoted(bytes: &[u8], at: usize, escapes: bool) -> usize {
    let quote = bytes[at];
    let mut at = at + 1;
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

/// Comments nest.
fn comment(bytes: &[u8], at: usize) -> usize {
    let (mut at, mut depth) = (at + 2, 1);
    while at < bytes.len() && depth > 0 {
        match &bytes[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    at.min(bytes.len())
}

/// `$tag$ .. $tag$`; a lone `$` begins none, and is left out too.
fn dollar(sql: &str, at: usize) -> usize {
    let tag = run(sql.as_bytes(), at + 1, |b| is_word(b) || b.is_ascii_digit());
    if sql.as_bytes().get(tag) != Some(&b'$') {
        return at + 1;
    }
    let tag = &sql[at..=tag];
    let body = at + tag.len();
    sql[body..].find(tag).map_or(sql.len(), |end| body + end + tag.len())
}

/// 42, 3.5, .001, 1e-10, 0x2A, 1_000.
fn number(bytes: &[u8], at: usize) -> usize {
    let end = run(bytes, at, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'));
    match (bytes[end - 1], bytes.get(end)) {
        (b'e' | b'E', Some(b'+' | b'-')) => run(bytes, end + 1, |b| b.is_ascii_digit()),
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_its_shape_and_loses_its_values() {
        let check = |sql: &str, expect: &str| assert_eq!(strip(sql), expect, "{sql}");
        check("(follower = 8)", "(follower = ?)");
        check("(id = ANY ('{1,2}'::integer[]))", "(id = ANY (?::integer[]))");
        check("(body ~~ '%it''s%'::text)", "(body ~~ ?::text)");
        check(r"(body = E'a\'b secret')", "(body = ?)");
        check("(b = B'01' AND x = x'ff' AND u = U&'\\0041')", "(b = ? AND x = ? AND u = ?)");
        check("((n)::numeric > $1)", "((n)::numeric > $1)");
        check("((n)::numeric > (InitPlan 2).col1)", "((n)::numeric > (InitPlan 2).col1)");
        check("(NOT (hashed SubPlan 1))", "(NOT (hashed SubPlan 1))");
        check("t1.c2 = 1.5e-10 OR t1.c2 = .5", "t1.c2 = ? OR t1.c2 = ?");
        check("(name = 'type'::name)", "(name = ?::name)");
        check(r#"("odd ""name 7" = 7)"#, r#"("odd ""name 7" = ?)"#);
        check("größe = 'ß'", "größe = ?");
        check("select 1 -- secret\n + $$secret$$ /* a /* b */ secret */, $q$x $$ y$q$", "select ? + ? , ?");
        check("'never closed", "?");
        check("$never$ closed", "?");
        check("a $ b", "a ? b");
        check("/* never closed", "");
        check("", "");
    }

    #[test]
    fn where_a_string_ends_is_never_guessed() {
        assert_eq!(strip(r"a = 'x\' or b = 'secret'"), "?");
        assert_eq!(strip(r"a = 'x\'secret'"), "?");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert!(strip(&"ä".repeat(9_999)).len() <= LIMIT + 3);
        assert_eq!(name(&"ä".repeat(9_999)).len(), NAME_LIMIT + 3);
        assert_eq!(name("a\nb"), "a b");
    }
}
