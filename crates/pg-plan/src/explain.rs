//! The shapes of `EXPLAIN (FORMAT JSON)` as auto_explain prints them, Postgres 13 to 18.
//!
//! Only keys that are named here are read. So what another version or an extension adds, `Query Parameters` with the
//! values of 16 and later first of all, goes nowhere.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value as Json;

use crate::keys;
use crate::span::Value;
use crate::text;

#[derive(Debug, Deserialize)]
pub(crate) struct Explain {
    #[serde(rename = "Query Text", default)]
    pub(crate) query_text: String,
    /// With `auto_explain.log_verbose` and `compute_query_id`.
    #[serde(rename = "Query Identifier")]
    pub(crate) query_id: Option<i64>,
    #[serde(rename = "Plan")]
    pub(crate) plan: Node,
    #[serde(rename = "Triggers", default)]
    pub(crate) triggers: Vec<Trigger>,
    #[serde(rename = "JIT")]
    pub(crate) jit: Option<Jit>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Trigger {
    #[serde(rename = "Trigger Name", default)]
    pub(crate) name: String,
    /// Of a foreign key's trigger, whose own name is only a number.
    #[serde(rename = "Constraint Name")]
    pub(crate) constraint: Option<String>,
    #[serde(rename = "Relation", default)]
    pub(crate) relation: String,
    /// Absent without timing.
    #[serde(rename = "Time", default)]
    pub(crate) time: f64,
    #[serde(rename = "Calls", default)]
    pub(crate) calls: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Jit {
    #[serde(rename = "Functions", default)]
    pub(crate) functions: f64,
    #[serde(rename = "Timing", default)]
    pub(crate) timing: JitTiming,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct JitTiming {
    #[serde(rename = "Total", default)]
    pub(crate) total: f64,
}

/// One node of a plan.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) kind: String,
    /// `Outer`, `Inner`, `InitPlan`, `SubPlan`, `Member`, `Subquery`.
    pub(crate) relationship: String,
    /// `CTE r`, `InitPlan 1 (returns $0)`, `SubPlan 2`.
    pub(crate) subplan: Option<String>,
    pub(crate) parallel_aware: bool,
    pub(crate) backward: bool,
    pub(crate) inner_unique: bool,
    pub(crate) partial_mode: String,
    pub(crate) command: String,
    pub(crate) provider: Option<String>,

    /// Per loop, as are all of these.
    pub(crate) rows_estimated: f64,
    /// Absent without `log_analyze`. Fractional since Postgres 18.
    pub(crate) rows_actual: Option<f64>,
    pub(crate) loops: Option<f64>,
    /// Milliseconds; absent without `log_timing`.
    pub(crate) startup: f64,
    pub(crate) total: f64,
    pub(crate) workers_launched: f64,

    /// What is copied as it is; see [`copied`].
    pub(crate) attributes: Vec<(&'static str, Value)>,
    pub(crate) plans: Vec<Node>,
}

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find_map(|(k, value)| match value {
            Value::Text(text) if *k == key => Some(text.as_str()),
            _ => None,
        })
    }
}

/// No count and no time of a plan is larger; what is computed from them stays finite.
fn measure(n: f64) -> f64 {
    n.clamp(0.0, 1e15)
}

#[derive(Clone, Copy)]
enum Copy {
    /// A name that Postgres or its user gave to a thing.
    Name,
    /// An expression, or a list of them: literals stripped.
    Expression,
    /// Left out if zero, which says no more.
    Count,
    /// The same, and not a count: milliseconds, or the planner's cost.
    Number,
    /// Left out if false.
    Flag,
}

/// EXPLAIN's key, ours, and how it is copied.
fn copied(key: &str) -> Option<(&'static str, Copy)> {
    Some(match key {
        "Schema" => (keys::SCHEMA, Copy::Name),
        "Relation Name" => (keys::RELATION, Copy::Name),
        "Alias" => (keys::ALIAS, Copy::Name),
        "Index Name" => (keys::INDEX, Copy::Name),
        "CTE Name" => (keys::CTE, Copy::Name),
        "Function Name" => (keys::FUNCTION, Copy::Name),
        "Join Type" => (keys::JOIN_TYPE, Copy::Name),
        "Strategy" => (keys::STRATEGY, Copy::Name),
        "Operation" => (keys::OPERATION, Copy::Name),
        "Index Cond" => (keys::INDEX_COND, Copy::Expression),
        "Recheck Cond" => (keys::RECHECK_COND, Copy::Expression),
        "TID Cond" => (keys::TID_COND, Copy::Expression),
        "Hash Cond" => (keys::HASH_COND, Copy::Expression),
        "Merge Cond" => (keys::MERGE_COND, Copy::Expression),
        "Join Filter" => (keys::JOIN_FILTER, Copy::Expression),
        "Filter" => (keys::FILTER, Copy::Expression),
        "One-Time Filter" => (keys::ONE_TIME_FILTER, Copy::Expression),
        "Conflict Filter" => (keys::CONFLICT_FILTER, Copy::Expression),
        "Run Condition" => (keys::RUN_CONDITION, Copy::Expression),
        "Order By" => (keys::ORDER_BY, Copy::Expression),
        "Sort Key" => (keys::SORT_KEY, Copy::Expression),
        "Presorted Key" => (keys::PRESORTED_KEY, Copy::Expression),
        "Group Key" => (keys::GROUP_KEY, Copy::Expression),
        "Cache Key" => (keys::CACHE_KEY, Copy::Expression),
        "Window" => (keys::WINDOW, Copy::Expression),
        "Rows Removed by Filter" => (keys::REMOVED_BY_FILTER, Copy::Count),
        "Rows Removed by Join Filter" => (keys::REMOVED_BY_JOIN_FILTER, Copy::Count),
        "Rows Removed by Index Recheck" => (keys::REMOVED_BY_RECHECK, Copy::Count),
        "Rows Removed by Conflict Filter" => (keys::REMOVED_BY_CONFLICT_FILTER, Copy::Count),
        "Conflicting Tuples" => (keys::CONFLICTING, Copy::Count),
        "Workers Planned" => (keys::WORKERS_PLANNED, Copy::Count),
        "Disabled" => (keys::DISABLED, Copy::Flag),
        "Total Cost" => (keys::COST, Copy::Number),
        "Shared Hit Blocks" => (keys::SHARED_HIT, Copy::Count),
        "Shared Read Blocks" => (keys::SHARED_READ, Copy::Count),
        "Shared Dirtied Blocks" => (keys::SHARED_DIRTIED, Copy::Count),
        "Shared Written Blocks" => (keys::SHARED_WRITTEN, Copy::Count),
        "Local Hit Blocks" => (keys::LOCAL_HIT, Copy::Count),
        "Local Read Blocks" => (keys::LOCAL_READ, Copy::Count),
        "Temp Read Blocks" => (keys::TEMP_READ, Copy::Count),
        "Temp Written Blocks" => (keys::TEMP_WRITTEN, Copy::Count),
        // The second is the name since Postgres 17.
        "I/O Read Time" | "Shared I/O Read Time" => (keys::IO_READ, Copy::Number),
        "I/O Write Time" | "Shared I/O Write Time" => (keys::IO_WRITE, Copy::Number),
        "Temp I/O Read Time" => (keys::IO_TEMP_READ, Copy::Number),
        "Temp I/O Write Time" => (keys::IO_TEMP_WRITE, Copy::Number),
        "Sort Method" => (keys::SORT_METHOD, Copy::Name),
        "Sort Space Used" => (keys::SORT_SPACE, Copy::Count),
        "Sort Space Type" => (keys::SORT_SPACE_TYPE, Copy::Name),
        "Hash Batches" | "HashAgg Batches" => (keys::HASH_BATCHES, Copy::Count),
        "Peak Memory Usage" => (keys::MEMORY, Copy::Count),
        "Disk Usage" => (keys::DISK, Copy::Count),
        "Heap Fetches" => (keys::HEAP_FETCHES, Copy::Count),
        "Exact Heap Blocks" => (keys::HEAP_BLOCKS_EXACT, Copy::Count),
        "Lossy Heap Blocks" => (keys::HEAP_BLOCKS_LOSSY, Copy::Count),
        "Index Searches" => (keys::INDEX_SEARCHES, Copy::Count),
        "Subplans Removed" => (keys::SUBPLANS_REMOVED, Copy::Count),
        "Cache Hits" => (keys::CACHE_HITS, Copy::Count),
        "Cache Misses" => (keys::CACHE_MISSES, Copy::Count),
        "Cache Evictions" => (keys::CACHE_EVICTIONS, Copy::Count),
        _ => return None,
    })
}

impl Copy {
    /// `None` for what says nothing, and for what is of another type than in the versions we know.
    fn read(self, json: Json) -> Option<Value> {
        match (self, json) {
            (Copy::Name, Json::String(text)) => Some(Value::Text(text::name(&text))),
            (Copy::Expression, Json::String(text)) => Some(Value::Text(text::strip(&text))),
            (Copy::Expression, Json::Array(list)) => {
                let list: Vec<String> = list.iter().filter_map(Json::as_str).map(text::strip).collect();
                Some(Value::Text(text::join(&list)))
            }
            (Copy::Count, Json::Number(n)) => {
                let n = n.as_f64().filter(|n| *n > 0.0)?;
                Some(if n.fract() == 0.0 { Value::Int(n as i64) } else { Value::Float(n) })
            }
            (Copy::Number, Json::Number(n)) => n.as_f64().filter(|n| *n > 0.0).map(Value::Float),
            (Copy::Flag, Json::Bool(true)) => Some(Value::Bool(true)),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node of a plan")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut node = Node::default();
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "Node Type" => node.kind = text::name(map.next_value()?),
                "Parent Relationship" => node.relationship = map.next_value()?,
                "Subplan Name" => node.subplan = Some(map.next_value()?),
                "Parallel Aware" => node.parallel_aware = map.next_value()?,
                "Scan Direction" => node.backward = map.next_value::<&str>()? == "Backward",
                "Inner Unique" => node.inner_unique = map.next_value()?,
                "Partial Mode" => node.partial_mode = map.next_value()?,
                "Command" => node.command = map.next_value()?,
                "Custom Plan Provider" => node.provider = Some(map.next_value()?),
                "Plan Rows" => node.rows_estimated = measure(map.next_value()?),
                "Actual Rows" => node.rows_actual = Some(measure(map.next_value()?)),
                "Actual Loops" => node.loops = Some(measure(map.next_value()?)),
                "Actual Startup Time" => node.startup = measure(map.next_value()?),
                "Actual Total Time" => node.total = measure(map.next_value()?),
                "Workers Launched" => node.workers_launched = measure(map.next_value()?),
                "Plans" => node.plans = map.next_value()?,
                _ => match copied(key) {
                    Some((key, copy)) => {
                        if let Some(value) = copy.read(map.next_value()?) {
                            node.attributes.push((key, value));
                        }
                    }
                    None => drop(map.next_value::<IgnoredAny>()?),
                },
            }
        }
        Ok(node)
    }
}
