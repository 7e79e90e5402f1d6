//! Where a piece of time belongs that Postgres reports elsewhere, or nowhere.

use crate::arena::{Arena, Item, Kind, order};
use crate::keys;

/// More CTEs and InitPlans than this stay where they are.
const MAX_MOVES: usize = 64;

/// CTEs and InitPlans are listed under the node that owns them, while their time accrues in the node that first asks
/// for them. Without the move the owner's other children would be longer than the owner.
pub(crate) fn subplans(arena: &mut Arena, statement: usize) {
    let all: Vec<usize> = (statement + 1..arena.items.len())
        .filter(|&at| arena.items[at].subplan.is_some() && arena.items[at].order == order::INIT)
        .take(MAX_MOVES)
        .collect();
    for at in all {
        let Some(owner) = arena.items[at].parent else { continue };
        let label = arena.items[at].subplan.clone().unwrap_or_default();
        let to = match label.strip_prefix("CTE ") {
            Some(cte) => reader_of_cte(arena, statement, owner, at, cte),
            None => reader_of_init_plan(arena, statement, owner, at, &label),
        };
        arena.items[at].parent = Some(to);
        if to == statement {
            arena.items[at].order = order::AFTER;
        }
    }
}

fn reader_of_cte(arena: &Arena, statement: usize, owner: usize, at: usize, cte: &str) -> usize {
    let scans = |item: &Item| item.node_type() == "CTE Scan" && item.text(keys::CTE) == Some(cte);
    match readers(arena, owner, at, scans) {
        Some(scan) => scan,
        // A writing CTE that nobody reads runs after the rest of the plan.
        None if arena.used(owner)[0] > arena.items[owner].took => statement,
        None => owner,
    }
}

fn reader_of_init_plan(arena: &Arena, statement: usize, owner: usize, at: usize, label: &str) -> usize {
    // `InitPlan 2 (returns $1,$2)`, and since Postgres 17 `InitPlan 2`, which conditions call `(InitPlan 2).col1`.
    let names: Vec<String> = match label.split_once("(returns ") {
        Some((_, names)) => names.trim_end_matches(')').split(',').map(str::to_owned).collect(),
        None => vec![format!("({label})")],
    };
    let reads = |item: &Item| {
        item.attributes.iter().any(|(_, value)| match value {
            crate::Value::Text(text) => names.iter().any(|name| mentions(text, name)),
            _ => false,
        })
    };
    if let Some(reader) = readers(arena, owner, at, reads) {
        return reader;
    }
    if arena.used(owner)[0] <= arena.items[owner].took {
        return owner;
    }
    // What a node computes for its result is not in the plan: then it is the one with time to spare.
    let took = arena.items[at].took;
    let nodes = |i: usize| arena.is_below(i, owner) && !arena.is_below(i, at);
    roomiest(arena, statement, took, nodes).unwrap_or(owner)
}

/// Of the nodes below `owner` that read `at`, the smallest that is large enough; else the largest.
fn readers(arena: &Arena, owner: usize, at: usize, reads: impl Fn(&Item) -> bool) -> Option<usize> {
    let took = arena.items[at].took;
    let found: Vec<usize> = (owner + 1..arena.items.len())
        .filter(|&i| {
            let item = &arena.items[i];
            item.took > 0 && reads(item) && arena.is_below(i, owner) && !arena.is_below(i, at)
        })
        .collect();
    let length = |i: &usize| arena.items[*i].took;
    let enough = found.iter().copied().filter(|i| length(i) >= took).min_by_key(length);
    enough.or_else(|| found.iter().copied().max_by_key(length))
}

/// `$1` is not mentioned by `$12`.
fn mentions(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| !text[at + name.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

/// Triggers AFTER run behind the plan; triggers BEFORE inside the node that writes, where their time is counted too.
pub(crate) fn trigger(arena: &mut Arena, trigger: usize, statement: usize) {
    let took = arena.items[trigger].took;
    let after = fits(took, arena.used(statement)[0], arena.items[statement].took);
    let writer = |i: usize| arena.items[i].node_type() == "ModifyTable";
    let parent =
        if after { statement } else { roomiest(arena, statement, took, writer).unwrap_or(statement) };
    let item = &mut arena.items[trigger];
    item.parent = Some(parent);
    item.order = order::AFTER;
}

/// A statement that ran inside `statement`: in a trigger if one has the time, else in a node's function.
pub(crate) fn nested(arena: &mut Arena, item: usize, statement: usize) {
    let took = arena.items[item].took;
    let kind = |kind| move |arena: &Arena, i: usize| arena.items[i].kind == kind;
    let (triggers, nodes) = (kind(Kind::Trigger), kind(Kind::Node));
    let to = roomiest(arena, statement, took, |i| triggers(arena, i))
        .or_else(|| roomiest(arena, statement, took, |i| nodes(arena, i)));
    attach(arena, item, to.unwrap_or(statement));
}

/// A wait for a lock: in a node that locks rows, else in any that has the time.
pub(crate) fn lock(arena: &mut Arena, item: usize, statement: usize) {
    let took = arena.items[item].took;
    let locks = |i: usize| matches!(arena.items[i].node_type(), "ModifyTable" | "LockRows");
    let to = roomiest(arena, statement, took, locks)
        .or_else(|| roomiest(arena, statement, took, |i| arena.items[i].kind == Kind::Node));
    attach(arena, item, to.unwrap_or(statement));
}

fn attach(arena: &mut Arena, item: usize, parent: usize) {
    arena.items[item].parent = Some(parent);
    arena.items[item].order = order::NESTED;
}

/// Among what lies in `statement`, the item with the most time that no child explains, if that is enough.
fn roomiest(arena: &Arena, statement: usize, took: u64, may: impl Fn(usize) -> bool) -> Option<usize> {
    let used = arena.used(statement);
    let room = |i: usize| arena.items[i].took.saturating_sub(used[i - statement]);
    (statement + 1..arena.items.len())
        .filter(|&i| !arena.items[i].gone && fits(took, 0, room(i)) && may(i))
        // The first of equals.
        .max_by_key(|&i| (room(i), usize::MAX - i))
}

/// Postgres rounds each time to a microsecond, and clocks are read one after the other.
fn fits(took: u64, used: u64, length: u64) -> bool {
    took.saturating_add(used) <= length + length / 64 + 10_000
}
