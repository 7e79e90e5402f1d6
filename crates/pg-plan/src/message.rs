//! What one message of Postgres says.

use crate::explain::Explain;
use crate::statement::MAX_MESSAGE;

/// Why a message gives no span. Never with a piece of the message: it may hold values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the message is neither a plan nor a duration nor a lock wait")]
    Unknown,
    #[error("the message has {0} bytes, more than {MAX_MESSAGE}")]
    TooLong(usize),
    /// `auto_explain.log_format` is another, or the plan is deeper than the 128 levels that are read.
    #[error("the plan is no JSON that could be read")]
    Plan,
}

#[derive(Debug)]
pub(crate) enum Message {
    /// A finished statement: its duration in milliseconds and its plan.
    Plan(f64, Box<Explain>),
    /// `log_min_duration_statement`: the duration of a part of the protocol.
    Phase(f64, Phase),
    Lock(Lock),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Parse,
    Bind,
    Execute,
}

/// `log_lock_waits`: a wait that lasted longer than `deadlock_timeout`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lock {
    /// `ShareLock`
    pub(crate) mode: String,
    /// `transaction`, `tuple`, `advisory lock`: without its numbers, since an advisory lock's are chosen by the
    /// application, often from its data.
    pub(crate) object: String,
    pub(crate) transaction: Option<u64>,
    pub(crate) outcome: &'static str,
    pub(crate) waited: f64,
}

pub(crate) fn parse(text: &str) -> Result<Message, Error> {
    if text.len() > MAX_MESSAGE {
        return Err(Error::TooLong(text.len()));
    }
    if let Some(rest) = text.strip_prefix("duration: ") {
        return duration(rest);
    }
    lock(text).map(Message::Lock).ok_or(Error::Unknown)
}

/// `0.009 ms  plan:\n{json}`, or `0.009 ms  bind name: text`.
fn duration(rest: &str) -> Result<Message, Error> {
    let (millis, rest) = rest.split_once(" ms  ").ok_or(Error::Unknown)?;
    let millis = number(millis).ok_or(Error::Unknown)?;
    if let Some(json) = rest.strip_prefix("plan:") {
        return match serde_json::from_str(json) {
            Ok(explain) => Ok(Message::Plan(millis, Box::new(explain))),
            // serde's own words quote the value that it did not expect.
            Err(_) => Err(Error::Plan),
        };
    }
    let word = rest.split([' ', ':']).next().unwrap_or_default();
    let phase = match word {
        "parse" => Phase::Parse,
        "bind" => Phase::Bind,
        // `statement` of the simple protocol is everything at once.
        "execute" | "statement" => Phase::Execute,
        _ => return Err(Error::Unknown),
    };
    Ok(Message::Phase(millis, phase))
}

/// `process 7 acquired ShareLock on transaction 838 after 401.265 ms`, in the words of Postgres' `ProcSleep`.
fn lock(text: &str) -> Option<Lock> {
    let (process, rest) = text.strip_prefix("process ")?.split_once(' ')?;
    process.parse::<u32>().ok()?;
    let (outcome, rest) = [
        ("still waiting for ", "waiting"),
        ("acquired ", "acquired"),
        ("detected deadlock while waiting for ", "deadlock"),
        ("avoided deadlock for ", "waiting"),
        ("failed to acquire ", "failed"),
    ]
    .into_iter()
    .find_map(|(words, outcome)| Some((outcome, rest.strip_prefix(words)?)))?;
    let (what, waited) = rest.strip_suffix(" ms")?.rsplit_once(" after ")?;
    let (mode, object) = what.split_once(" on ")?;
    let is_mode = mode.ends_with("Lock") && mode.bytes().all(|b| b.is_ascii_alphabetic());
    let words = object.find(|c: char| !c.is_ascii_lowercase() && c != ' ').unwrap_or(object.len());
    is_mode.then(|| Lock {
        mode: mode.to_owned(),
        object: crate::text::name(object[..words].trim()),
        transaction: object.strip_prefix("transaction ").and_then(|id| id.split(' ').next()?.parse().ok()),
        outcome,
        waited: number(waited).unwrap_or(0.0),
    })
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_told_without_their_numbers() {
        let check = |text: &str, expect: &str| {
            let got = lock(text).map(|l| {
                format!("{} {} on {} {:?} {}", l.outcome, l.mode, l.object, l.transaction, l.waited)
            });
            assert_eq!(got.unwrap_or_default(), expect, "{text}");
        };
        check(
            "process 7 still waiting for ShareLock on transaction 838 after 200.098 ms",
            "waiting ShareLock on transaction Some(838) 200.098",
        );
        check(
            "process 7 acquired ExclusiveLock on tuple (5,78) of relation 16388 of database 5 after 4.5 ms",
            "acquired ExclusiveLock on tuple None 4.5",
        );
        check(
            "process 7 detected deadlock while waiting for ShareLock on transaction 837 after 200.103 ms",
            "deadlock ShareLock on transaction Some(837) 200.103",
        );
        check(
            "process 7 still waiting for ExclusiveLock on advisory lock [16724,0,4242421,1] after 100.1 ms",
            "waiting ExclusiveLock on advisory lock None 100.1",
        );
        check(
            "process 7 avoided deadlock for ShareLock on relation 1 of database 2 by rearranging queue order after 1 ms",
            "waiting ShareLock on relation None 1",
        );
        check("process x acquired ShareLock on transaction 1 after 1 ms", "");
        check("process 7 acquired 'secret' on transaction 1 after 1 ms", "");
        check("process 7 acquired ShareLock on transaction 1", "");
        check("", "");
    }
}
