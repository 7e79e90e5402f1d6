//! Plans that nobody planned: whatever arrives, nothing panics and what [`checked`] says of every list holds.
//!
//! cargo-fuzz needs a nightly compiler; these run on stable, over generated plans and over captured messages with
//! bytes changed.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use throughline_pg_plan::Statement;

use crate::support::{SERVERS, checked, millis};

const KINDS: [&str; 14] = [
    "Result",
    "Seq Scan",
    "Index Scan",
    "Nested Loop",
    "Hash Join",
    "Hash",
    "Gather",
    "Limit",
    "Sort",
    "Aggregate",
    "CTE Scan",
    "ModifyTable",
    "LockRows",
    "SetOp",
];
const RELATIONSHIPS: [&str; 5] = ["Outer", "Inner", "InitPlan", "SubPlan", "Member"];
const SUBPLANS: [&str; 6] = ["", "CTE a", "CTE b", "InitPlan 1 (returns $0)", "InitPlan 2", "SubPlan 3"];
const CONDITIONS: [&str; 4] = ["(a = 1)", "(b > $0)", "(c = (InitPlan 2).col1)", "('"];

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0..50.0_f64, 2 => (0..5_u32).prop_map(f64::from), 1 => prop::num::f64::NORMAL]
}

fn node() -> impl Strategy<Value = Json> {
    let words = (
        prop::sample::select(&KINDS[..]),
        prop::sample::select(&RELATIONSHIPS[..]),
        prop::sample::select(&SUBPLANS[..]),
        prop::sample::select(&CONDITIONS[..]),
        prop::sample::select(&["a", "b"][..]),
    );
    let numbers = (number(), number(), number(), number(), 0..5_u8, any::<bool>());
    let leaf = (words, numbers).prop_map(|((kind, relationship, subplan, condition, cte), n)| {
        let mut node = json!({
            "Node Type": kind, "Parent Relationship": relationship, "Filter": condition, "CTE Name": cte,
            "Relation Name": "t", "Actual Loops": n.0, "Actual Total Time": n.1, "Actual Rows": n.2, "Plan Rows": n.3,
            "Workers Launched": n.4, "Parallel Aware": n.5,
        });
        if !subplan.is_empty() {
            node["Subplan Name"] = subplan.into();
        }
        node
    });
    leaf.prop_recursive(6, 150, 8, |inner| {
        (inner.clone(), prop::collection::vec(inner, 0..8)).prop_map(|(mut node, plans)| {
            node["Plans"] = plans.into();
            node
        })
    })
}

fn plan() -> impl Strategy<Value = String> {
    let trigger = (number(), 0..9_u8).prop_map(
        |(time, calls)| json!({"Trigger Name": "tr", "Relation": "t", "Time": time, "Calls": calls}),
    );
    let texts = prop::sample::select(&["own", "select a", "select b", "select 'c"][..]);
    (0.0..100.0_f64, texts, node(), prop::collection::vec(trigger, 0..3)).prop_map(
        |(took, text, plan, triggers)| {
            let explain = json!({"Query Text": text, "Plan": plan, "Triggers": triggers});
            format!("duration: {took:.3} ms  plan:\n{explain}")
        },
    )
}

fn message() -> impl Strategy<Value = String> {
    let phase = prop::sample::select(&["parse", "bind", "execute", "statement"][..]);
    let words =
        prop::sample::select(&["still waiting for", "acquired", "detected deadlock while waiting for"][..]);
    prop_oneof![
        4 => plan(),
        1 => (0.0..100.0_f64, phase).prop_map(|(took, phase)| format!("duration: {took:.3} ms  {phase} s: own")),
        1 => (0.0..100.0_f64, words, 1..3_u8).prop_map(|(took, words, id)| {
            format!("process 7 {words} ShareLock on transaction {id} after {took:.3} ms")
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_messages_at_any_time(messages in prop::collection::vec((0.0..200.0_f64, message()), 0..9), ended in 0.0..250.0_f64) {
        let mut statement = Statement::new("own");
        for (at, text) in &messages {
            prop_assert_eq!(statement.add(millis(*at), text), Ok(()));
        }
        checked(statement, millis(ended));
    }

    #[test]
    fn captured_messages_with_bytes_changed(
        server in 0..3_usize, case in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20), cut in any::<prop::sample::Index>(),
    ) {
        let (_, cases) = &SERVERS[server];
        let case = &cases[case.index(cases.len())];
        let mut statement = Statement::new(&case.sql);
        for message in &case.messages {
            let mut bytes = message.text.clone().into_bytes();
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            // Every other time whole.
            if cut.index(2) == 0 {
                bytes.truncate(cut.index(bytes.len()));
            }
            let _ = statement.add(millis(message.at_ms), &String::from_utf8_lossy(&bytes));
        }
        checked(statement, millis(case.ended_ms));
    }

    #[test]
    fn any_text(text in "\\PC{0,200}", prefix in prop::sample::select(&["", "duration: 1 ms  plan:\n", "duration: ", "process 7 acquired "][..])) {
        let mut statement = Statement::new("");
        let _ = statement.add(millis(1.0), &format!("{prefix}{text}"));
        checked(statement, millis(2.0));
    }
}
