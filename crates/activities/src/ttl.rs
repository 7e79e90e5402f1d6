use std::str::FromStr;

use chrono::TimeDelta;

/// How long a post lives: the seven choices of Cruddur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ttl(TimeDelta);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ttl is one of {}", names().join(", "))]
pub(crate) struct TtlError;

const CHOICES: [(&str, Ttl); 7] = [
    ("30-days", Ttl(TimeDelta::days(30))),
    ("7-days", Ttl(TimeDelta::days(7))),
    ("3-days", Ttl(TimeDelta::days(3))),
    ("1-day", Ttl(TimeDelta::days(1))),
    ("12-hours", Ttl(TimeDelta::hours(12))),
    ("3-hours", Ttl(TimeDelta::hours(3))),
    ("1-hour", Ttl(TimeDelta::hours(1))),
];

impl Ttl {
    /// The longest first.
    pub(crate) fn all() -> [Self; CHOICES.len()] {
        CHOICES.map(|(_, ttl)| ttl)
    }

    pub(crate) fn duration(self) -> TimeDelta {
        self.0
    }
}

impl FromStr for Ttl {
    type Err = TtlError;

    fn from_str(name: &str) -> Result<Self, TtlError> {
        CHOICES.iter().find(|(choice, _)| *choice == name).map(|(_, ttl)| *ttl).ok_or(TtlError)
    }
}

fn names() -> [&'static str; CHOICES.len()] {
    CHOICES.map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_seven_choices_are_taken() {
        assert_eq!("3-hours".parse(), Ok(Ttl(TimeDelta::hours(3))));
        for name in ["", "2-days", "1-hours", "30-DAYS", " 7-days"] {
            assert_eq!(name.parse::<Ttl>(), Err(TtlError), "{name:?}");
        }
        assert_eq!(
            TtlError.to_string(),
            "ttl is one of 30-days, 7-days, 3-days, 1-day, 12-hours, 3-hours, 1-hour"
        );
    }
}
