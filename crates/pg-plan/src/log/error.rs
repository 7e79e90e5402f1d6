//! Errors by what they are, and their messages without values.

/// Postgres quotes names and values alike. The classes below quote names (constraints, columns, roles), but for a syntax
/// error, which quotes the text; a data exception (22) quotes what could not be read. See "PostgreSQL Error Codes" in its
/// documentation.
pub fn without_values(message: &str, code: &str) -> String {
    const QUOTE_NAMES: [&str; 6] = ["08", "23", "28", "3D", "3F", "42"];
    const SYNTAX_ERROR: &str = "42601";
    let names = code != SYNTAX_ERROR && QUOTE_NAMES.iter().any(|class| code.starts_with(class));
    match (message.find('"'), message.rfind('"')) {
        // A value may hold quotes of its own.
        (Some(first), Some(last)) if !names => {
            let after = if last > first { &message[last + 1..] } else { "" };
            format!("{}\"?\"{after}", &message[..first])
        }
        _ => message.to_owned(),
    }
}

/// As Postgres' table of codes calls it, in words; by its class where the code is a rare one. A cancelled statement by
/// who cancelled it.
pub(super) fn name(code: &str, message: &str) -> String {
    let name = match code {
        "57014" if message.contains("statement timeout") => "statement timeout",
        "57014" if message.contains("user request") => "statement canceled",
        "57014" => "query canceled",
        "55P03" if message.contains("lock timeout") => "lock timeout",
        "55P03" => "lock not available",
        "40P01" => "deadlock detected",
        "40001" => "serialization failure",
        "25P02" => "in failed transaction",
        "25P03" => "idle in transaction timeout",
        "57P01" => "admin shutdown",
        "57P05" => "idle session timeout",
        "23502" => "not null violation",
        "23503" => "foreign key violation",
        "23505" => "unique violation",
        "23514" => "check violation",
        "23P01" => "exclusion violation",
        "22012" => "division by zero",
        "42501" => "insufficient privilege",
        "42601" => "syntax error",
        "42703" => "undefined column",
        "42P01" => "undefined table",
        "53100" => "disk full",
        "53200" => "out of memory",
        "53300" => "too many connections",
        "P0001" => "raised exception",
        _ => match code.get(..2).unwrap_or_default() {
            "08" => "connection exception",
            "22" => "data exception",
            "23" => "integrity constraint violation",
            "25" => "invalid transaction state",
            "28" => "invalid authorization",
            "40" => "transaction rollback",
            "42" => "syntax error or access rule violation",
            "53" => "insufficient resources",
            "54" => "program limit exceeded",
            "55" => "object not in prerequisite state",
            "57" => "operator intervention",
            "58" => "system error",
            "P0" => "PL/pgSQL error",
            "XX" => "internal error",
            _ => return format!("error {code}"),
        },
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_names_and_no_values() {
        for (code, message, expect) in [
            (
                "22P02",
                r#"invalid input syntax for type uuid: "a "b" c""#,
                r#"invalid input syntax for type uuid: "?""#,
            ),
            (
                "22003",
                r#"value "99" is out of range for type integer"#,
                r#"value "?" is out of range for type integer"#,
            ),
            ("22003", r#"cut off: "99"#, r#"cut off: "?""#),
            ("42601", r#"syntax error at or near "'secret'""#, r#"syntax error at or near "?""#),
            ("42703", r#"column "nothing" does not exist"#, r#"column "nothing" does not exist"#),
            ("23505", r#"duplicate key violates "posts_pkey""#, r#"duplicate key violates "posts_pkey""#),
            ("", r#"of a stranger: ""#, r#"of a stranger: "?""#),
            ("40P01", "deadlock detected", "deadlock detected"),
        ] {
            assert_eq!(without_values(message, code), expect, "{code}");
        }
    }

    #[test]
    fn a_rare_code_is_named_by_its_class() {
        assert_eq!(name("57014", "canceling statement due to user request"), "statement canceled");
        assert_eq!(name("22P02", ""), "data exception");
        assert_eq!(name("HV000", ""), "error HV000");
    }
}
