//! What was found, as a table for people and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) destination: String,
    pub(super) check: &'static str,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub(super) enum Outcome {
    Pass { detail: String },
    Fail(Trouble),
    Skipped { detail: String },
}

/// What is wrong, and what to do about it, each in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Trouble {
    pub(super) cause: String,
    pub(super) fix: String,
}

/// One destination's findings, in the order of looking. After the first that fails there is nothing more to see.
pub(super) struct Examination {
    destination: String,
    pub(super) findings: Vec<Finding>,
}

impl Trouble {
    pub(super) fn new(cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { cause: one_line(&cause.into()), fix: one_line(&fix.into()) }
    }
}

impl Examination {
    pub(super) fn of(destination: impl Into<String>) -> Self {
        Self { destination: destination.into(), findings: Vec::new() }
    }

    /// `None` when the rest has no point.
    pub(super) fn note(&mut self, check: &'static str, result: Result<String, Trouble>) -> Option<()> {
        let passed = result.is_ok();
        self.push(
            check,
            result.map_or_else(Outcome::Fail, |detail| Outcome::Pass { detail: one_line(&detail) }),
        );
        passed.then_some(())
    }

    pub(super) fn skip(&mut self, check: &'static str, detail: &str) {
        self.push(check, Outcome::Skipped { detail: detail.to_owned() });
    }

    fn push(&mut self, check: &'static str, outcome: Outcome) {
        self.findings.push(Finding { destination: self.destination.clone(), check, outcome });
    }
}

pub(super) fn is_well(findings: &[Finding]) -> bool {
    !findings.iter().any(|it| matches!(it.outcome, Outcome::Fail(_)))
}

pub(super) fn as_table(findings: &[Finding]) -> String {
    let width = |of: fn(&Finding) -> &str| findings.iter().map(|it| of(it).len()).max().unwrap_or(0);
    let (destination, check) = (width(|it| &it.destination), width(|it| it.check));
    let mut text = String::new();
    let mut last = "";
    for it in findings {
        let name = if it.destination == last { "" } else { &it.destination };
        last = &it.destination;
        let (mark, detail) = match &it.outcome {
            Outcome::Pass { detail } => ("pass", detail),
            Outcome::Fail(trouble) => ("FAIL", &trouble.cause),
            Outcome::Skipped { detail } => ("-", detail),
        };
        let _ = writeln!(text, "{mark:4}  {name:destination$}  {:check$}  {detail}", it.check);
        if let Outcome::Fail(Trouble { fix, .. }) = &it.outcome {
            let _ = writeln!(text, "{:4}  {:destination$}  {:check$}  fix: {fix}", "", "", "");
        }
    }
    text
}

/// Answers of strangers are quoted: no line of theirs may look like one of ours.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}
