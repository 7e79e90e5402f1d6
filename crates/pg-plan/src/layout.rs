//! From lengths to intervals.

use std::cmp::Reverse;
use std::time::Duration;

use crate::arena::{Arena, Item, Kind};
use crate::keys;
use crate::span::{PlanSpan, Value};
use crate::statement::MAX_SPANS;

struct Placed {
    item: usize,
    parent: Option<usize>,
    start: u64,
    length: u64,
    /// How many below it were left out.
    merged: i64,
}

/// `tops`: the items without a parent, with the moment of their message. They are where they were; what is below them
/// is packed to the left. Nothing is longer than its parent: children that are too long together shrink together.
pub(crate) fn spans(arena: Arena, tops: &[(usize, u64)], ended: u64) -> Vec<PlanSpan> {
    let placed = keep_longest(place(&arena, tops, ended));

    let mut inside = vec![0; placed.len()];
    for span in &placed {
        if let Some(parent) = span.parent {
            inside[parent] += span.length;
        }
    }
    let mut items: Vec<Option<Item>> = arena.items.into_iter().map(Some).collect();
    let mut spans: Vec<PlanSpan> = Vec::with_capacity(placed.len());
    for (span, inside) in placed.iter().zip(inside) {
        let item = items[span.item].take().expect("each item is placed once");
        let synthetic = span.parent.is_some();
        let mut attributes = item.attributes;
        if item.kind != Kind::Phase && item.kind != Kind::Lock {
            attributes.push((keys::SELF_TIME, millis(span.length.saturating_sub(inside))));
        }
        if item.took != span.length {
            attributes.push((keys::MEASURED, millis(item.took)));
        }
        if span.merged > 0 {
            attributes.push((keys::MERGED, Value::Int(span.merged)));
        }
        spans.push(PlanSpan {
            parent: span.parent,
            name: item.name,
            start: Duration::from_nanos(span.start),
            end: Duration::from_nanos(span.start + span.length),
            synthetic,
            attributes,
        });
    }
    spans
}

/// All of them, parents first, siblings from left to right.
fn place(arena: &Arena, tops: &[(usize, u64)], ended: u64) -> Vec<Placed> {
    let mut children = vec![Vec::new(); arena.items.len()];
    for (at, item) in arena.items.iter().enumerate().filter(|(_, item)| !item.gone) {
        if let Some(parent) = item.parent {
            children[parent].push(at);
        }
    }
    for siblings in &mut children {
        siblings.sort_by_key(|&at| arena.items[at].order);
    }

    // From the last to the first: a message is read late, never early, so the earlier one gives way.
    let mut waiting = Vec::new();
    let mut end = ended;
    for &(item, at) in tops.iter().rev() {
        end = end.min(at);
        let length = arena.items[item].took.min(end);
        end -= length;
        waiting.push(Placed { item, parent: None, start: end, length, merged: 0 });
    }

    let mut placed: Vec<Placed> = Vec::with_capacity(arena.items.len());
    while let Some(span) = waiting.pop() {
        let below = &children[span.item];
        let wanted: u128 = below.iter().map(|&at| u128::from(arena.items[at].took)).sum();
        let mut start = span.start;
        let first = waiting.len();
        for &item in below {
            let took = arena.items[item].took;
            let length = if wanted > u128::from(span.length) {
                (u128::from(took) * u128::from(span.length) / wanted) as u64
            } else {
                took
            };
            waiting.push(Placed { item, parent: Some(placed.len()), start, length, merged: 0 });
            start += length;
        }
        waiting[first..].reverse();
        placed.push(span);
    }
    placed
}

/// A parent is never shorter than its child and comes before it, so what is kept has its parents kept.
fn keep_longest(placed: Vec<Placed>) -> Vec<Placed> {
    if placed.len() <= MAX_SPANS {
        return placed;
    }
    let mut order: Vec<usize> = (0..placed.len()).collect();
    order.sort_by_key(|&at| (Reverse(placed[at].length), at));
    let mut keep = vec![false; placed.len()];
    for &at in &order[..MAX_SPANS] {
        keep[at] = true;
    }

    let mut kept: Vec<Placed> = Vec::with_capacity(MAX_SPANS);
    // For each of them, where it or the ancestor that took it in now is.
    let mut now: Vec<Option<usize>> = Vec::with_capacity(placed.len());
    for (at, mut span) in placed.into_iter().enumerate() {
        let parent = span.parent.and_then(|parent| now[parent]);
        if keep[at] {
            span.parent = parent;
            now.push(Some(kept.len()));
            kept.push(span);
        } else {
            if let Some(parent) = parent {
                kept[parent].merged += 1;
            }
            now.push(parent);
        }
    }
    kept
}

fn millis(nanos: u64) -> Value {
    Value::Float(nanos as f64 / 1e6)
}
