//! The functions by name, with the number of their arguments.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    If,
    Switch,
    Coalesce,
    Lt,
    Lte,
    Gt,
    Gte,
    Equals,
    /// `!=`, which has no name.
    Differs,
    In,
    Exists,
    Not,
    And,
    Or,
    Min,
    Max,
    Sum,
    Sub,
    Mul,
    Div,
    Mod,
    Log10,
    Bucket,
    Int,
    Float,
    Bool,
    String,
    Concat,
    StartsWith,
    EndsWith,
    Contains,
    ToLower,
    Length,
    RegMatch,
    RegValue,
    RegCount,
    UnixTimestamp,
    EventTimestamp,
    IngestTimestamp,
    FormatTime,
}

const MANY: usize = usize::MAX;

/// Name, function, least and most arguments.
const FUNCTIONS: [(&str, Function, usize, usize); 39] = [
    ("IF", Function::If, 2, MANY),
    ("SWITCH", Function::Switch, 3, MANY),
    ("COALESCE", Function::Coalesce, 1, MANY),
    ("LT", Function::Lt, 2, 2),
    ("LTE", Function::Lte, 2, 2),
    ("GT", Function::Gt, 2, 2),
    ("GTE", Function::Gte, 2, 2),
    ("EQUALS", Function::Equals, 2, 2),
    ("IN", Function::In, 2, MANY),
    ("EXISTS", Function::Exists, 1, 1),
    ("NOT", Function::Not, 1, 1),
    ("AND", Function::And, 1, MANY),
    ("OR", Function::Or, 1, MANY),
    ("MIN", Function::Min, 1, MANY),
    ("MAX", Function::Max, 1, MANY),
    ("SUM", Function::Sum, 1, MANY),
    ("SUB", Function::Sub, 2, 2),
    ("MUL", Function::Mul, 1, MANY),
    ("DIV", Function::Div, 2, 2),
    ("MOD", Function::Mod, 2, 2),
    ("LOG10", Function::Log10, 1, 1),
    ("BUCKET", Function::Bucket, 2, 4),
    ("INT", Function::Int, 1, 1),
    ("FLOAT", Function::Float, 1, 1),
    ("BOOL", Function::Bool, 1, 1),
    ("STRING", Function::String, 1, 1),
    ("CONCAT", Function::Concat, 1, MANY),
    ("STARTS_WITH", Function::StartsWith, 2, 2),
    ("ENDS_WITH", Function::EndsWith, 2, 2),
    ("CONTAINS", Function::Contains, 2, 2),
    ("TO_LOWER", Function::ToLower, 1, 1),
    ("LENGTH", Function::Length, 1, 2),
    ("REG_MATCH", Function::RegMatch, 2, 2),
    ("REG_VALUE", Function::RegValue, 2, 2),
    ("REG_COUNT", Function::RegCount, 2, 2),
    ("UNIX_TIMESTAMP", Function::UnixTimestamp, 1, 1),
    ("EVENT_TIMESTAMP", Function::EventTimestamp, 0, 0),
    ("INGEST_TIMESTAMP", Function::IngestTimestamp, 0, 0),
    ("FORMAT_TIME", Function::FormatTime, 2, 2),
];

/// Honeycomb has them for metrics.
const OF_METRICS: [&str; 5] = ["RAW_METRIC", "LAST", "RATE", "INCREASE", "SUMMARIZE"];

impl Function {
    /// By its upper-case name, for that many arguments.
    pub(super) fn find(name: &str, arguments: usize) -> Result<Self, String> {
        if OF_METRICS.contains(&name) {
            return Err(format!("{name} is for metrics; these are spans"));
        }
        let Some((_, function, least, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            let upper = name.to_uppercase();
            let is_lower_case = FUNCTIONS.iter().any(|(known, ..)| *known == upper);
            let hint = if is_lower_case { format!("; it is written {upper}") } else { String::new() };
            return Err(format!("there is no function {name}{hint}"));
        };
        if arguments < *least || arguments > *most {
            let wanted = match (*least, *most) {
                (least, MANY) => format!("{least} or more"),
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            return Err(format!("{name} takes {wanted} arguments, not {arguments}"));
        }
        Ok(*function)
    }

    pub(super) fn has_pattern(self) -> bool {
        matches!(self, Self::RegMatch | Self::RegValue | Self::RegCount)
    }
}
