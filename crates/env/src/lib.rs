#![doc = include_str!("../README.md")]

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A snapshot of the environment. Tests build one with [`Env::from_pairs`].
#[derive(Clone, Debug, Default)]
pub struct Env {
    variables: BTreeMap<String, String>,
}

/// Why a process does not start: one variable, what is wrong with it, and a value that would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}; for example {variable}={example}")]
pub struct ConfigError {
    pub variable: String,
    pub problem: String,
    pub example: String,
}

/// A value that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Env {
    /// The environment of this process. Variables that are not UTF-8 are left out.
    pub fn from_process() -> Self {
        Self::from_pairs(
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        )
    }

    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self { variables: pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect() }
    }

    /// The same environment with one variable set; used by the launcher for the roles it starts.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// The trimmed value; `None` when unset or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|v| v.trim()).filter(|v| !v.is_empty())
    }

    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.get(name).map(Secret::from)
    }

    /// Parses `name`, or gives `None` when it is unset. `example` is a value that would do.
    pub fn parse<T: FromStr>(&self, name: &str, example: &str) -> Result<Option<T>, ConfigError>
    where
        T::Err: fmt::Display,
    {
        self.get(name)
            .map(|value| {
                value.parse().map_err(|e: T::Err| ConfigError::bad(name, value, &e.to_string(), example))
            })
            .transpose()
    }

    pub fn parse_or<T: FromStr>(&self, name: &str, default: T, example: &str) -> Result<T, ConfigError>
    where
        T::Err: fmt::Display,
    {
        Ok(self.parse(name, example)?.unwrap_or(default))
    }

    pub fn require<T: FromStr>(&self, name: &str, example: &str) -> Result<T, ConfigError>
    where
        T::Err: fmt::Display,
    {
        self.parse(name, example)?.ok_or_else(|| ConfigError {
            variable: name.to_owned(),
            problem: "is not set".to_owned(),
            example: example.to_owned(),
        })
    }

    /// `true`, `1`, `yes`, `on` and their opposites, in any case.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ConfigError> {
        self.get(name)
            .map(|value| match value.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Ok(true),
                "false" | "0" | "no" | "off" => Ok(false),
                _ => Err(ConfigError::bad(name, value, "is neither true nor false", "true")),
            })
            .transpose()
    }

    /// Whole milliseconds, as all of OpenTelemetry's durations are.
    pub fn millis_or(&self, name: &str, default: Duration) -> Result<Duration, ConfigError> {
        let example = default.as_millis().to_string();
        Ok(self.parse::<u64>(name, &example)?.map_or(default, Duration::from_millis))
    }
}

impl ConfigError {
    /// `value` is quoted, since a stray blank or newline is a common cause.
    pub fn bad(variable: &str, value: &str, problem: &str, example: &str) -> Self {
        Self {
            variable: variable.to_owned(),
            problem: format!("{value:?} {}", with_verb(problem)),
            example: example.to_owned(),
        }
    }
}

impl Secret {
    /// The value itself; for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Takes the same time wherever two texts of one length differ.
    pub fn is(&self, offered: &str) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), offered.as_bytes());
        ours.len() == theirs.len()
            && ours.iter().zip(theirs).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Parsers of the standard library say "invalid digit found in string": put into a sentence.
fn with_verb(problem: &str) -> String {
    let sentence = ["is ", "has ", "must ", "lacks ", "names "].iter().any(|verb| problem.starts_with(verb));
    if sentence { problem.to_owned() } else { format!("is not usable: {problem}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> Env {
        Env::from_pairs([("PORT", "abc"), ("EMPTY", ""), ("BLANK", "  "), ("ON", "Yes"), ("N", " 5 ")])
    }

    #[test]
    fn a_bad_value_is_one_line_with_name_problem_and_example() {
        let error = env().parse::<u16>("PORT", "4567").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"PORT: "abc" is not usable: invalid digit found in string; for example PORT=4567"#
        );
    }

    #[test]
    fn an_empty_variable_is_an_unset_one() {
        assert_eq!(env().get("EMPTY"), None);
        assert_eq!(env().get("BLANK"), None);
        assert_eq!(env().parse_or("EMPTY", 7u16, "1").unwrap(), 7);
        assert_eq!(
            env().require::<u16>("EMPTY", "1").unwrap_err().to_string(),
            "EMPTY: is not set; for example EMPTY=1"
        );
    }

    #[test]
    fn values_are_trimmed_and_flags_have_many_spellings() {
        assert_eq!(env().parse::<u8>("N", "1").unwrap(), Some(5));
        assert_eq!(env().flag("ON").unwrap(), Some(true));
        assert!(env().flag("PORT").is_err());
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::from("s3cret")), "Secret(..)");
    }
}
