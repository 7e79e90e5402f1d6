//! The spans to be, in a list with parents, so that a subtree moves by one assignment.

use crate::explain::{Explain, Node};
use crate::span::Value;
use crate::{keys, name, place, text};

/// Nanoseconds. Eleven days: sums of what a plan can hold stay far from overflow.
const LONGEST: f64 = 1e15;

/// Where a child is drawn among its siblings; equal ones keep the order in which Postgres lists them.
pub(crate) mod order {
    /// What is computed once, before it is used.
    pub(crate) const INIT: u8 = 0;
    /// The build side of a hash join: it is complete before the other side's second row is asked for.
    pub(crate) const BUILD: u8 = 1;
    pub(crate) const PLAN: u8 = 2;
    pub(crate) const SUB: u8 = 3;
    pub(crate) const NESTED: u8 = 4;
    /// Triggers AFTER run when the plan is done.
    pub(crate) const AFTER: u8 = 5;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Phase,
    Statement,
    Node,
    Trigger,
    Lock,
}

#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    pub(crate) parent: Option<usize>,
    pub(crate) order: u8,
    pub(crate) name: String,
    pub(crate) attributes: Vec<(&'static str, Value)>,
    /// Nanoseconds, its children's included.
    pub(crate) took: u64,
    /// `CTE r`, `InitPlan 2`
    pub(crate) subplan: Option<String>,
    /// Its time went into another's, and it is not shown.
    pub(crate) gone: bool,
}

impl Item {
    pub(crate) fn new(kind: Kind, name: String, took: u64) -> Self {
        let (attributes, order) = (Vec::new(), order::PLAN);
        Self { kind, parent: None, order, name, attributes, took, subplan: None, gone: false }
    }

    pub(crate) fn set(&mut self, key: &'static str, value: Value) {
        self.attributes.push((key, value));
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find_map(|(k, value)| match value {
            Value::Text(text) if *k == key => Some(text.as_str()),
            _ => None,
        })
    }

    pub(crate) fn node_type(&self) -> &str {
        self.text(keys::NODE_TYPE).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Arena {
    pub(crate) items: Vec<Item>,
}

impl Arena {
    pub(crate) fn push(&mut self, item: Item) -> usize {
        self.items.push(item);
        self.items.len() - 1
    }

    /// A statement, its plan and its triggers, and where its item is. `own`: the text is the client's own, which the
    /// client's span shows already.
    pub(crate) fn statement(&mut self, millis: f64, explain: Explain, own: bool) -> usize {
        let label = if own { "execute".to_owned() } else { name::of_nested(&explain.plan) };
        let mut item = Item::new(Kind::Statement, label, nanos(millis));
        if !own && !explain.query_text.is_empty() {
            item.set(keys::DB_QUERY_TEXT, Value::Text(text::strip(&explain.query_text)));
        }
        if let Some(id) = explain.query_id {
            item.set(keys::QUERY_ID, Value::Text(id.to_string()));
        }
        if let Some(jit) = &explain.jit {
            item.set(keys::JIT_FUNCTIONS, Value::Int(jit.functions as i64));
            item.set(keys::JIT_TIME, Value::Float(jit.timing.total));
        }
        let statement = self.push(item);
        self.node(explain.plan, statement, &Among { processes: 1.0, cut_short: false, order: order::PLAN });
        place::subplans(self, statement);
        for trigger in &explain.triggers {
            let mut item = Item::new(Kind::Trigger, name::of_trigger(trigger), nanos(trigger.time));
            let called = trigger.constraint.as_ref().unwrap_or(&trigger.name);
            item.set(keys::TRIGGER, Value::Text(text::name(called)));
            item.set(keys::TRIGGER_CALLS, Value::Int(trigger.calls as i64));
            let trigger = self.push(item);
            place::trigger(self, trigger, statement);
        }
        statement
    }

    /// As deep as serde_json reads: 128 levels of JSON are 63 nodes.
    fn node(&mut self, mut node: Node, parent: usize, among: &Among) {
        let plans = std::mem::take(&mut node.plans);
        let loops = node.loops.unwrap_or_default();
        let took = nanos(node.total * loops / among.processes);
        let mut item = Item::new(Kind::Node, name::of_node(&node), took);
        item.parent = Some(parent);
        item.order = match node.relationship.as_str() {
            "InitPlan" => order::INIT,
            "SubPlan" => order::SUB,
            _ => among.order,
        };
        item.subplan.clone_from(&node.subplan);
        item.set(keys::NODE_TYPE, Value::Text(node.kind.clone()));
        if let Some(subplan) = &node.subplan {
            item.set(keys::SUBPLAN, Value::Text(text::name(subplan)));
        }
        measures(&mut item, &node, among);
        item.attributes.append(&mut node.attributes);
        let index = self.push(item);

        let launched = node.workers_launched;
        // A hash join whose build side is empty asks for one row of the other side, or none.
        let empty_build = plans.iter().any(|plan| plan.kind == "Hash" && plan.rows_actual == Some(0.0));
        for child in plans {
            let processes = match child.relationship.as_str() {
                "InitPlan" if launched > 0.0 => 1.0,
                // The leader need not take part, and workers may find nothing left: each that ran is one loop.
                _ if launched > 0.0 => {
                    (child.loops.unwrap_or_default() / loops.max(1.0)).clamp(1.0, launched + 1.0)
                }
                _ => among.processes,
            };
            let order = if node.kind == "Hash Join" && child.relationship == "Inner" {
                order::BUILD
            } else {
                order::PLAN
            };
            let cut_short = stops_early(&self.items[index], &node, &child, among.cut_short)
                || (empty_build && child.relationship == "Outer");
            self.node(child, index, &Among { processes, cut_short, order });
        }
    }

    /// Whether `item` is `top` or somewhere below it.
    pub(crate) fn is_below(&self, item: usize, top: usize) -> bool {
        std::iter::successors(Some(item), |&at| self.items[at].parent).any(|at| at == top)
    }

    /// For each item from `first` on: the time of its children.
    pub(crate) fn used(&self, first: usize) -> Vec<u64> {
        let mut used = vec![0_u64; self.items.len() - first];
        for item in self.items.iter().filter(|item| !item.gone) {
            if let Some(parent) = item.parent.filter(|parent| *parent >= first) {
                used[parent - first] = used[parent - first].saturating_add(item.took);
            }
        }
        used
    }
}

/// What a node must know of the nodes above it.
struct Among {
    /// A parallel node's times are sums over all that ran it.
    processes: f64,
    /// Whether rows may be missing because nobody asked for them.
    cut_short: bool,
    order: u8,
}

fn measures(item: &mut Item, node: &Node, among: &Among) {
    if among.processes > 1.0 {
        item.set(keys::PROCESSES, Value::Int(among.processes.round() as i64));
    }
    if node.workers_launched > 0.0 {
        item.set(keys::WORKERS_LAUNCHED, Value::Int(node.workers_launched as i64));
    }
    item.set(keys::ROWS_ESTIMATED, number(node.rows_estimated));
    let Some(loops) = node.loops else { return };
    if loops == 0.0 {
        item.set(keys::NEVER_EXECUTED, Value::Bool(true));
        return;
    }
    item.set(keys::LOOPS, number(loops));
    if loops <= 1.0 && node.startup > 0.0 {
        item.set(keys::FIRST_ROW, Value::Float(node.startup));
    }
    let Some(actual) = node.rows_actual else { return };
    // These two always say 0: they pass bitmaps on, not rows.
    if matches!(node.kind.as_str(), "BitmapAnd" | "BitmapOr") {
        return;
    }
    item.set(keys::ROWS_ACTUAL, number(actual));
    let (estimated, actual) = (node.rows_estimated.max(1.0), actual.max(1.0));
    let factor = (actual / estimated).max(estimated / actual);
    // Fewer rows than expected are no error of the estimate where the plan stops at the first that suffice.
    let cut_short = among.cut_short || node.kind == "Limit";
    if !(cut_short && actual < estimated) {
        item.set(keys::MISESTIMATE, Value::Float((factor * 100.0).round() / 100.0));
    }
}

/// Whether `child` may end before its last row.
fn stops_early(item: &Item, node: &Node, child: &Node, inherited: bool) -> bool {
    match item.node_type() {
        "Limit" | "Merge Join" => true,
        // They read everything before they give anything.
        "Sort" | "Hash" | "Bitmap Heap Scan" => false,
        "Aggregate" => item.text(keys::STRATEGY) == Some("Sorted") && inherited,
        "Nested Loop" if child.relationship == "Inner" => {
            let join = item.text(keys::JOIN_TYPE);
            node.inner_unique || matches!(join, Some("Semi" | "Anti")) || inherited
        }
        // An InitPlan that answers EXISTS needs one row; others read what they need.
        _ => inherited || matches!(child.relationship.as_str(), "InitPlan" | "SubPlan"),
    }
}

pub(crate) fn nanos(millis: f64) -> u64 {
    (millis * 1e6).round().clamp(0.0, LONGEST) as u64
}

/// Whole where it is whole: Postgres 18 prints `1.00` where earlier ones print `1`.
fn number(n: f64) -> Value {
    if n.fract() == 0.0 { Value::Int(n as i64) } else { Value::Float(n) }
}
