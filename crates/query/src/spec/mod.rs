//! Honeycomb's Query Specification as types. [`Spec::parse`] takes what Honeycomb takes and refuses what it refuses.

mod check;
mod json;
mod ops;

pub(crate) use check::is_relational;

use serde_json::Value as Json;

pub use ops::{CalculationOp, CompareOp, FilterOp};

use crate::expr::Expr;
use crate::value::Value;

/// Elements of every array.
pub const MAX_ELEMENTS: usize = 100;
pub const MAX_LIMIT: u64 = 1_000;
/// Honeycomb's OpenAPI says 100, its Terraform client takes an omitted limit as 1,000: a file that is to mean the same
/// everywhere writes it.
pub const DEFAULT_LIMIT: u64 = 100;
/// Seconds.
pub const DEFAULT_TIME_RANGE: u64 = 7_200;
/// `granularity` is at least `range / MAX_BUCKETS`.
pub const MAX_BUCKETS: u64 = 1_000;
/// What `compare_time_offset_seconds` may be: half an hour to half a year.
pub const COMPARE_OFFSETS: [u64; 8] = [1_800, 3_600, 7_200, 28_800, 86_400, 604_800, 2_419_200, 15_724_800];
/// Columns of another span of the trace.
pub const RELATIONS: [&str; 7] = ["root.", "parent.", "child.", "any.", "any2.", "any3.", "none."];

/// A valid query, with every default but the time filled in.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Never empty.
    pub calculations: Vec<Calculation>,
    pub calculated_fields: Vec<Named>,
    pub formulas: Vec<Named>,
    pub filters: Vec<Filter>,
    pub filter_combination: Combination,
    pub breakdowns: Vec<String>,
    pub orders: Vec<Order>,
    pub havings: Vec<Having>,
    pub limit: u64,
    /// Seconds; 0 is automatic.
    pub granularity: u64,
    pub time: Time,
    pub compare_time_offset_seconds: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Calculation {
    pub op: CalculationOp,
    pub column: Option<String>,
    pub name: Option<String>,
    pub filters: Vec<Filter>,
    pub filter_combination: Combination,
}

/// A calculated field or a formula.
#[derive(Clone, Debug)]
pub struct Named {
    pub name: String,
    pub expression: String,
    pub parsed: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub column: String,
    pub op: FilterOp,
    /// One; none for `exists`; any number for `in`.
    pub values: Vec<Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combination {
    #[default]
    And,
    Or,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub by: OrderBy,
    pub descending: bool,
    pub column: Option<String>,
    pub op: Option<CalculationOp>,
}

/// By its place in the array of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderBy {
    Calculation(usize),
    Formula(usize),
    Breakdown(usize),
    /// A calculated field that is no breakdown: valid, and without effect.
    Nothing,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Having {
    /// Place in `calculations`.
    pub calculation: usize,
    pub op: CompareOp,
    pub value: f64,
}

/// As written; at most two of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    pub range: Option<u64>,
    pub start: Option<u64>,
    pub end: Option<u64>,
}

/// What is wrong, and where: `calculations[0].column: P95 needs a column`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct SpecError {
    /// Empty for the specification as a whole.
    pub path: String,
    pub message: String,
}

impl SpecError {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl Spec {
    pub fn parse(json: &Json) -> Result<Self, SpecError> {
        let spec = json::read(json)?;
        check::check(&spec)?;
        Ok(spec)
    }

    /// The same query with its defaults written out, as a file should have it.
    pub fn to_json(&self) -> Json {
        json::write(self)
    }
}

impl Calculation {
    pub(crate) fn count() -> Self {
        Self {
            op: CalculationOp::Count,
            column: None,
            name: None,
            filters: Vec::new(),
            filter_combination: Combination::And,
        }
    }

    /// The key of its values in the answer: its name, or `P99(duration_ms)`.
    pub fn key(&self) -> String {
        match (&self.name, &self.column) {
            (Some(name), _) => name.clone(),
            (None, Some(column)) => format!("{}({column})", self.op),
            (None, None) => self.op.to_string(),
        }
    }
}
