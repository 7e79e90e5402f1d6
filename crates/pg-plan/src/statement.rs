use std::time::Duration;

use crate::arena::{Arena, Item, Kind};
use crate::explain::Explain;
use crate::message::{self, Error, Lock, Message, Phase};
use crate::span::{PlanSpan, Value};
use crate::{keys, layout, place};

/// Spans of one statement; the shortest of more are merged into their parents.
pub const MAX_SPANS: usize = 64;
/// Messages that are kept of one statement: a trigger may run another for each row. Of more, the newest replaces the
/// one before it, so that the last, the statement's own plan, is never lost.
pub const MAX_RECORDS: usize = 256;
/// Bytes of one message. A scan of eighty partitions has 100,000, buffers and indentation included.
pub const MAX_MESSAGE: usize = 1 << 20;

/// What Postgres said while one statement ran.
#[derive(Debug)]
pub struct Statement {
    sql: String,
    records: Vec<(u64, Message)>,
    forgotten: i64,
}

impl Statement {
    /// `sql`: as it was sent, to tell its own plan from those of statements that its functions and triggers run.
    pub fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), records: Vec::new(), forgotten: 0 }
    }

    /// Takes one message, which arrived `at` after the start of the client's span. Call it in the order of arrival.
    /// A message that cannot be read changes nothing.
    pub fn add(&mut self, at: Duration, message: &str) -> Result<(), Error> {
        self.take(at, message::parse(message)?);
        Ok(())
    }

    pub(crate) fn take(&mut self, at: Duration, message: Message) {
        if self.records.len() == MAX_RECORDS {
            self.records.pop();
            self.forgotten += 1;
        }
        self.records.push((u64::try_from(at.as_nanos()).unwrap_or(u64::MAX), message));
    }

    /// The spans below the client's span, which ended at `ended` after its start: parents before children, siblings
    /// in the order of time. At most [`MAX_SPANS`].
    pub fn spans(self, ended: Duration) -> Vec<PlanSpan> {
        let mut assembly = Assembly { sql: self.sql, arena: Arena::default(), tops: Vec::new() };
        for (at, message) in self.records {
            match message {
                Message::Plan(millis, explain) => assembly.plan(at, millis, *explain),
                Message::Phase(millis, phase) => assembly.phase(at, millis, phase),
                Message::Lock(lock) => assembly.lock(at, lock),
            }
        }
        let Assembly { mut arena, mut tops, .. } = assembly;
        // The duration of the protocol's EXECUTE says what the plan's says, if there is one.
        if tops.iter().any(|top| arena.items[top.item].kind == Kind::Statement) {
            tops.retain(|top| top.phase != Some(Phase::Execute));
        }
        if self.forgotten > 0
            && let Some(last) = tops.last()
        {
            arena.items[last.item].set(keys::FORGOTTEN, Value::Int(self.forgotten));
        }
        let tops: Vec<(usize, u64)> = tops.iter().map(|top| (top.item, top.at)).collect();
        layout::spans(arena, &tops, u64::try_from(ended.as_nanos()).unwrap_or(u64::MAX))
    }
}

struct Assembly {
    sql: String,
    arena: Arena,
    /// What no later statement has claimed as its own.
    tops: Vec<Top>,
}

struct Top {
    item: usize,
    at: u64,
    /// Of a statement.
    text: String,
    phase: Option<Phase>,
    lock: Option<Lock>,
}

impl Assembly {
    fn top(&mut self, item: Item, at: u64) -> &mut Top {
        let item = self.arena.push(item);
        self.tops.push(Top { item, at, text: String::new(), phase: None, lock: None });
        self.tops.last_mut().expect("it was just pushed")
    }

    fn phase(&mut self, at: u64, millis: f64, phase: Phase) {
        let (name, protocol) = match phase {
            Phase::Parse => ("parse", "parse"),
            Phase::Bind => ("plan", "bind"),
            Phase::Execute => ("execute", "execute"),
        };
        let mut item = Item::new(Kind::Phase, name.to_owned(), crate::arena::nanos(millis));
        item.set(keys::PHASE, protocol.into());
        self.top(item, at).phase = Some(phase);
    }

    /// "still waiting" comes first and how it ended later, if it does.
    fn lock(&mut self, at: u64, lock: Lock) {
        let same = |first: &Lock| {
            first.outcome == "waiting"
                && first.waited <= lock.waited
                && (&first.mode, &first.object, first.transaction)
                    == (&lock.mode, &lock.object, lock.transaction)
        };
        if let Some(first) = self.tops.pop_if(|top| top.lock.as_ref().is_some_and(same)) {
            self.arena.items[first.item].gone = true;
        }
        let name = format!("wait for {} on {}", lock.mode, lock.object);
        let mut item = Item::new(Kind::Lock, name, crate::arena::nanos(lock.waited));
        item.set(keys::LOCK_MODE, lock.mode.as_str().into());
        item.set(keys::LOCK_OBJECT, lock.object.as_str().into());
        item.set(keys::LOCK_OUTCOME, lock.outcome.into());
        if let Some(id) = lock.transaction {
            item.set(keys::LOCK_TRANSACTION, Value::Text(id.to_string()));
        }
        self.top(item, at).lock = Some(lock);
    }

    /// Postgres reports what functions and triggers run before the statement that called them.
    fn plan(&mut self, at: u64, millis: f64, mut explain: Explain) {
        let own = explain.query_text == self.sql;
        if own {
            // A SELECT's EXECUTE is told before its plan, and says the same.
            self.tops.pop_if(|top| top.phase == Some(Phase::Execute));
        }
        let text = std::mem::take(&mut explain.query_text);
        explain.query_text.clone_from(&text);
        let statement = self.arena.statement(millis, explain, own);
        let took = self.arena.items[statement].took;
        // Of two that neither is the client's own, only the times tell whether one ran in the other, and each was
        // read a little after it was sent: in doubt they ran one after the other, as in the body of a function.
        let began = at.saturating_sub(took) + (took / 8).min(1_000_000);

        let mut inner = Vec::new();
        let mut room = took + took / 64 + 10_000;
        while let Some(top) = self.tops.last() {
            let length = self.arena.items[top.item].took;
            // A query of several statements has one text for all of them.
            let inside = top.phase.is_none()
                && top.text != text
                && (own || top.at.saturating_sub(length) > began)
                && length <= room;
            if !inside {
                break;
            }
            room -= length;
            inner.extend(self.tops.pop());
        }
        inner.reverse();
        self.claim(statement, inner);
        self.tops.push(Top { item: statement, at, text, phase: None, lock: None });
    }

    /// A statement that ran many times is one span, as a node that looped is.
    fn claim(&mut self, statement: usize, inner: Vec<Top>) {
        let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
        for top in inner {
            if top.lock.is_some() {
                place::lock(&mut self.arena, top.item, statement);
                continue;
            }
            match groups.iter_mut().find(|(text, _)| *text == top.text) {
                Some((_, items)) => items.push(top.item),
                None => groups.push((top.text, vec![top.item])),
            }
        }
        let items = &mut self.arena.items;
        let mut calls = Vec::new();
        for (_, group) in groups {
            let longest = group.iter().copied().max_by_key(|&i| items[i].took).unwrap_or_default();
            let total = group.iter().fold(0, |sum: u64, &i| sum.saturating_add(items[i].took));
            for &item in group.iter().filter(|&&item| item != longest) {
                items[item].gone = true;
            }
            items[longest].took = total;
            if group.len() > 1 {
                items[longest].set(keys::CALLS, Value::Int(group.len() as i64));
            }
            calls.push(longest);
        }
        for item in calls {
            place::nested(&mut self.arena, item, statement);
        }
    }
}
