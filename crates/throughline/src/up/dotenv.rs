//! `.env`, read by `up` and `doctor`, and by no role. Our own few lines, since the crates for it write into the environment of the process,
//! which races with every thread that reads it; here it is data for the roles.

use env::Env;

/// The lines of `text` under the variables of `env`: what is set for the process wins.
pub(crate) fn under(env: Env, text: &str) -> Result<Env, String> {
    let mut merged = env;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line
            .strip_prefix("export ")
            .unwrap_or(line)
            .split_once('=')
            .ok_or_else(|| format!("line {} is not NAME=value", index + 1))?;
        let name = name.trim();
        if merged.get(name).is_none() {
            merged = merged.with(name, unquoted(value.trim()));
        }
    }
    Ok(merged)
}

/// Quotes keep blanks and `#`; without them ` #` begins a comment.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inner;
        }
    }
    value.split_once(" #").map_or(value, |(value, _)| value.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_people_write_them() {
        let check = |line: &str, expect: Option<&str>| {
            let env = under(Env::default(), line).unwrap();
            assert_eq!(env.get("KEY"), expect, "{line:?}");
        };
        check("KEY=value", Some("value"));
        check("  export KEY = value ", Some("value"));
        check("KEY=\"two words # kept\" # not kept", Some("two words # kept"));
        check("KEY='single'", Some("single"));
        check("KEY=a#b # comment", Some("a#b"));
        check("KEY=a=b", Some("a=b"));
        check("KEY=", None);
        check("# KEY=value", None);
        check("", None);
    }

    #[test]
    fn the_environment_wins_and_a_broken_line_is_named() {
        let env = Env::from_pairs([("KEY", "mine")]);
        assert_eq!(under(env.clone(), "KEY=file\nOTHER=file").unwrap().get("KEY"), Some("mine"));
        assert_eq!(under(env, "A=1\nnonsense").unwrap_err(), "line 2 is not NAME=value");
    }
}
