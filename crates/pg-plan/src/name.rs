//! The words that `EXPLAIN` (FORMAT TEXT) uses, which people know.

use std::fmt::Write as _;

use crate::explain::{Node, Trigger};
use crate::{keys, text};

/// `Index Scan using posts_author_created on posts`, `Parallel Hash Left Join`, `CTE r: HashAggregate`.
pub(crate) fn of_node(node: &Node) -> String {
    let mut name = String::new();
    if let Some(subplan) = &node.subplan {
        // `InitPlan 2 (returns $1)` until Postgres 16.
        let subplan = subplan.split(" (").next().unwrap_or_default();
        let _ = write!(name, "{}: ", text::name(subplan));
    }
    if node.parallel_aware {
        name.push_str("Parallel ");
    }
    if matches!(node.partial_mode.as_str(), "Partial" | "Finalize") {
        let _ = write!(name, "{} ", node.partial_mode);
    }
    name.push_str(&operation(node));
    if node.backward {
        name.push_str(" Backward");
    }
    if let Some(index) = node.get(keys::INDEX) {
        name.push_str(if node.kind == "Bitmap Index Scan" { " on " } else { " using " });
        name.push_str(index);
    }
    let target = match node.kind.as_str() {
        "CTE Scan" | "WorkTable Scan" => node.get(keys::CTE),
        "Function Scan" => node.get(keys::FUNCTION).or_else(|| node.get(keys::ALIAS)),
        kind if kind.ends_with("Scan") => node.get(keys::RELATION).or_else(|| node.get(keys::ALIAS)),
        _ => node.get(keys::RELATION),
    };
    if let Some(target) = target {
        let _ = write!(name, " on {target}");
    }
    name
}

fn operation(node: &Node) -> String {
    let strategy = node.get(keys::STRATEGY).unwrap_or_default();
    let kind = node.kind.as_str();
    match kind {
        "Aggregate" => match strategy {
            "Hashed" => "HashAggregate",
            "Sorted" => "GroupAggregate",
            "Mixed" => "MixedAggregate",
            _ => "Aggregate",
        }
        .to_owned(),
        "SetOp" => {
            let hash = if strategy == "Hashed" { "Hash" } else { "" };
            format!("{hash}SetOp {}", text::name(&node.command))
        }
        "ModifyTable" => node.get(keys::OPERATION).unwrap_or("ModifyTable").to_owned(),
        "Hash Join" | "Merge Join" | "Nested Loop" => match node.get(keys::JOIN_TYPE) {
            None | Some("Inner") => kind.to_owned(),
            Some(join) => format!("{} {join} Join", kind.trim_end_matches(" Join")),
        },
        "Custom Scan" | "Foreign Scan" => match &node.provider {
            Some(provider) => format!("{kind} ({})", text::name(provider)),
            None => kind.to_owned(),
        },
        "" => "unknown node".to_owned(),
        _ => kind.to_owned(),
    }
}

/// `trigger posts_reply_to_fkey on posts`: a foreign key's trigger by the name of its constraint.
pub(crate) fn of_trigger(trigger: &Trigger) -> String {
    let name = trigger.constraint.as_ref().unwrap_or(&trigger.name);
    format!("trigger {} on {}", text::name(name), text::name(&trigger.relation))
}

/// Of a statement that a function or a trigger runs: `SELECT follows`, as client spans are named.
pub(crate) fn of_nested(plan: &Node) -> String {
    let mut name = plan.get(keys::OPERATION).unwrap_or("SELECT").to_uppercase();
    if let Some(relation) = first_relation(plan) {
        let _ = write!(name, " {relation}");
    }
    name
}

fn first_relation(node: &Node) -> Option<&str> {
    node.get(keys::RELATION).or_else(|| node.plans.iter().find_map(first_relation))
}
