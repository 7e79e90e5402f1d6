//! The operators, by the words that Honeycomb has for them.

use std::fmt;

/// What is calculated over the rows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CalculationOp {
    Count,
    Concurrency,
    Sum,
    Avg,
    CountDistinct,
    Max,
    Min,
    /// In thousandths: P999 is 999, P50 is 500.
    Percentile(u16),
    Heatmap,
    RateAvg,
    RateSum,
    RateMax,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FilterOp {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    StartsWith,
    DoesNotStartWith,
    EndsWith,
    DoesNotEndWith,
    Exists,
    DoesNotExist,
    Contains,
    DoesNotContain,
    In,
    NotIn,
}

/// Of `havings`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

const CALCULATIONS: [(&str, CalculationOp); 24] = [
    ("COUNT", CalculationOp::Count),
    ("CONCURRENCY", CalculationOp::Concurrency),
    ("SUM", CalculationOp::Sum),
    ("AVG", CalculationOp::Avg),
    ("COUNT_DISTINCT", CalculationOp::CountDistinct),
    ("MAX", CalculationOp::Max),
    ("MIN", CalculationOp::Min),
    ("P001", CalculationOp::Percentile(1)),
    ("P01", CalculationOp::Percentile(10)),
    ("P05", CalculationOp::Percentile(50)),
    ("P10", CalculationOp::Percentile(100)),
    ("P20", CalculationOp::Percentile(200)),
    ("P25", CalculationOp::Percentile(250)),
    ("P50", CalculationOp::Percentile(500)),
    ("P75", CalculationOp::Percentile(750)),
    ("P80", CalculationOp::Percentile(800)),
    ("P90", CalculationOp::Percentile(900)),
    ("P95", CalculationOp::Percentile(950)),
    ("P99", CalculationOp::Percentile(990)),
    ("P999", CalculationOp::Percentile(999)),
    ("HEATMAP", CalculationOp::Heatmap),
    ("RATE_AVG", CalculationOp::RateAvg),
    ("RATE_SUM", CalculationOp::RateSum),
    ("RATE_MAX", CalculationOp::RateMax),
];

const FILTERS: [(&str, FilterOp); 16] = [
    ("=", FilterOp::Equal),
    ("!=", FilterOp::NotEqual),
    (">", FilterOp::Greater),
    (">=", FilterOp::GreaterOrEqual),
    ("<", FilterOp::Less),
    ("<=", FilterOp::LessOrEqual),
    ("starts-with", FilterOp::StartsWith),
    ("does-not-start-with", FilterOp::DoesNotStartWith),
    ("ends-with", FilterOp::EndsWith),
    ("does-not-end-with", FilterOp::DoesNotEndWith),
    ("exists", FilterOp::Exists),
    ("does-not-exist", FilterOp::DoesNotExist),
    ("contains", FilterOp::Contains),
    ("does-not-contain", FilterOp::DoesNotContain),
    ("in", FilterOp::In),
    ("not-in", FilterOp::NotIn),
];

const COMPARISONS: [(&str, CompareOp); 6] = [
    ("=", CompareOp::Equal),
    ("!=", CompareOp::NotEqual),
    (">", CompareOp::Greater),
    (">=", CompareOp::GreaterOrEqual),
    ("<", CompareOp::Less),
    ("<=", CompareOp::LessOrEqual),
];

/// The word's meaning, or all the words.
fn find<T: Copy>(table: &[(&str, T)], word: &str) -> Result<T, String> {
    table.iter().find(|(name, _)| *name == word).map(|(_, op)| *op).ok_or_else(|| {
        let known: Vec<_> = table.iter().map(|(name, _)| *name).collect();
        format!("\"{word}\" is none of {}", known.join(", "))
    })
}

impl CalculationOp {
    pub(crate) fn find(word: &str) -> Result<Self, String> {
        find(&CALCULATIONS, word)
    }
}

impl FilterOp {
    pub(crate) fn find(word: &str) -> Result<Self, String> {
        find(&FILTERS, word)
    }

    /// Takes a text only, even where it looks like a number.
    pub(crate) fn is_of_text(self) -> bool {
        matches!(
            self,
            Self::StartsWith
                | Self::DoesNotStartWith
                | Self::EndsWith
                | Self::DoesNotEndWith
                | Self::Contains
                | Self::DoesNotContain
        )
    }
}

impl CompareOp {
    pub(crate) fn find(word: &str) -> Result<Self, String> {
        find(&COMPARISONS, word)
    }

    pub(crate) fn holds(self, left: f64, right: f64) -> bool {
        #[allow(clippy::float_cmp, reason = "it is what the query asks for")]
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
        }
    }
}

impl fmt::Display for CalculationOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = CALCULATIONS.iter().find(|(_, op)| op == self).map(|(name, _)| *name);
        f.write_str(name.expect("every operator has its word"))
    }
}

impl fmt::Display for FilterOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FILTERS.iter().find(|(_, op)| op == self).map(|(name, _)| *name);
        f.write_str(name.expect("every operator has its word"))
    }
}

impl fmt::Display for CompareOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = COMPARISONS.iter().find(|(_, op)| op == self).map(|(name, _)| *name);
        f.write_str(name.expect("every operator has its word"))
    }
}
