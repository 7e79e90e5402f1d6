//! Each rule of the README by a plan made for it.

use std::time::Duration;

use throughline_pg_plan::{Statement, Value, keys};

use crate::support::{checked, message, millis, one, tree};

/// A node that ran once.
fn node(kind: &str, took: f64, more: &str) -> String {
    format!(
        r#"{{"Node Type": "{kind}", "Actual Loops": 1, "Actual Total Time": {took}, "Actual Rows": 1, "Plan Rows": 1{more}}}"#
    )
}

fn plans(children: &[String]) -> String {
    format!(r#", "Plans": [{}]"#, children.join(", "))
}

/// Names and lengths in milliseconds, which is what most rules decide.
fn outline(tree: &str) -> String {
    let lines: Vec<&str> = tree.lines().filter_map(|line| line.split(" ms").next()).collect();
    lines.join("\n")
}

fn check(took: f64, plan: &str, expect: &str) {
    assert_eq!(outline(&tree(&one(took, plan))), expect.trim_start_matches('\n'), "{plan}");
}

#[test]
fn times_are_per_loop() {
    let inner = r#"{"Node Type": "Index Scan", "Index Name": "i", "Relation Name": "t", "Actual Loops": 30, "Actual Total Time": 0.1}"#;
    check(
        10.0,
        &node("Nested Loop", 9.0, &plans(&[node("Seq Scan", 1.0, ""), inner.to_owned()])),
        "
  execute  10.000
    Nested Loop  9.000
      Seq Scan  1.000
      Index Scan using i on t  3.000",
    );
}

#[test]
fn times_of_parallel_nodes_are_averages_over_those_that_ran() {
    let scan = |loops: u32| {
        format!(
            r#"{{"Node Type": "Seq Scan", "Parallel Aware": true, "Actual Loops": {loops}, "Actual Total Time": 6}}"#
        )
    };
    let gather = |loops| node("Gather", 8.0, &format!(r#", "Workers Launched": 2{}"#, plans(&[scan(loops)])));
    let expect = "
  execute  10.000
    Gather  8.000
      Parallel Seq Scan  6.000";
    check(10.0, &gather(3), expect);
    // `parallel_leader_participation` is off, or a worker came too late.
    check(10.0, &gather(2), expect);
}

#[test]
fn children_never_outlast_their_parent() {
    check(
        10.0,
        &node("Append", 4.0, &plans(&[node("Seq Scan", 6.0, ""), node("Seq Scan", 2.0, "")])),
        "
  execute  10.000
    Append  4.000
      Seq Scan  3.000
      Seq Scan  1.000",
    );
}

#[test]
fn the_hash_is_built_first() {
    let outer = node("Seq Scan", 1.0, r#", "Parent Relationship": "Outer""#);
    let inner = node("Hash", 2.0, r#", "Parent Relationship": "Inner""#);
    check(
        10.0,
        &node("Hash Join", 4.0, &format!(r#", "Join Type": "Left"{}"#, plans(&[outer, inner]))),
        "
  execute  10.000
    Hash Left Join  4.000
      Hash  2.000
      Seq Scan  1.000",
    );
}

#[test]
fn a_cte_is_below_the_scan_that_pulled_it() {
    let cte = node("Aggregate", 5.0, r#", "Parent Relationship": "InitPlan", "Subplan Name": "CTE r""#);
    let scan = |took| node("CTE Scan", took, r#", "CTE Name": "r", "Relation Name": "x""#);
    check(
        10.0,
        &node("Limit", 9.0, &plans(&[cte, scan(1.0), node("Sort", 7.0, &plans(&[scan(6.0)]))])),
        "
  execute  10.000
    Limit  9.000
      CTE Scan on r  1.000
      Sort  7.000
        CTE Scan on r  6.000
          CTE r: Aggregate  5.000",
    );
}

#[test]
fn an_init_plan_is_below_the_node_that_reads_it() {
    for (subplan, filter) in
        [("InitPlan 2 (returns $1)", "(a > $1)"), ("InitPlan 2", "(a > (InitPlan 2).col1)")]
    {
        let init = node(
            "Aggregate",
            5.0,
            &format!(r#", "Parent Relationship": "InitPlan", "Subplan Name": "{subplan}""#),
        );
        let other = node("Seq Scan", 6.0, r#", "Relation Name": "other", "Filter": "(a > $12)""#);
        let reader = node("Seq Scan", 7.0, &format!(r#", "Relation Name": "t", "Filter": "{filter}""#));
        check(
            20.0,
            &node("Append", 14.0, &plans(&[init, other, reader])),
            "
  execute  20.000
    Append  14.000
      Seq Scan on other  6.000
      Seq Scan on t  7.000
        InitPlan 2: Aggregate  5.000",
        );
    }
}

#[test]
fn an_init_plan_that_no_condition_names_is_where_the_time_is() {
    let init = node(
        "Aggregate",
        5.0,
        r#", "Parent Relationship": "InitPlan", "Subplan Name": "InitPlan 1 (returns $0)""#,
    );
    check(
        10.0,
        &node("Limit", 7.0, &plans(&[init, node("Seq Scan", 6.5, "")])),
        "
  execute  10.000
    Limit  7.000
      Seq Scan  6.500
        InitPlan 1: Aggregate  5.000",
    );
}

#[test]
fn triggers_before_run_inside_the_write_and_triggers_after_behind_it() {
    let triggers = |root: f64, duration: f64| {
        let mut statement = Statement::new("update");
        let plan = node("ModifyTable", root, r#", "Operation": "Update", "Relation Name": "t""#);
        let text = format!(
            r#"duration: {duration} ms  plan:
            {{"Query Text": "update", "Plan": {plan}, "Triggers": [{{"Trigger Name": "tr", "Relation": "t", "Time": 4.0, "Calls": 2}}]}}"#
        );
        statement.add(millis(900.0), &text).unwrap();
        outline(&tree(&checked(statement, millis(1000.0))))
    };
    assert_eq!(triggers(5.0, 10.0), "  execute  10.000\n    Update on t  5.000\n    trigger tr on t  4.000");
    assert_eq!(
        triggers(9.0, 10.0),
        "  execute  10.000\n    Update on t  9.000\n      trigger tr on t  4.000"
    );
}

fn nested(text: &str, took: f64) -> String {
    let root = node("Result", took, "");
    format!(
        r#"duration: {took} ms  plan:
        {{"Query Text": "{text}", "Plan": {root}}}"#
    )
}

#[test]
fn what_a_function_runs_is_inside_the_statement_that_called_it() {
    let check = |messages: &[(f64, String)], expect: &str| {
        let mut statement = Statement::new("call");
        for (at, text) in messages {
            statement.add(millis(*at), text).unwrap();
        }
        assert_eq!(outline(&tree(&checked(statement, millis(1000.0)))), expect.trim_start_matches('\n'));
    };
    // One after the other, the first of them three times.
    let three = |at| (at, nested("select a", 1.0));
    check(
        &[three(1.0), three(2.0), three(3.0), (8.0, nested("select b", 4.0)), (10.0, nested("call", 10.0))],
        "
  execute  10.000
    Result  10.000
      SELECT  3.000
        Result  1.000
      SELECT  4.000
        Result  4.000",
    );
    // The second called the first.
    check(
        &[(6.0, nested("select a", 1.0)), (8.0, nested("select b", 6.0)), (10.0, nested("call", 10.0))],
        "
  execute  10.000
    Result  10.000
      SELECT  6.000
        Result  6.000
          SELECT  1.000
            Result  1.000",
    );
    // EXECUTE of a SELECT is told before its plan.
    let execute = "duration: 10.2 ms  execute sqlx_s_1: call".to_owned();
    check(
        &[(6.0, nested("select a", 1.0)), (10.3, execute), (10.4, nested("call", 10.0))],
        "
  execute  10.000
    Result  10.000
      SELECT  1.000
        Result  1.000",
    );
    // DO and CALL have no plan of their own.
    check(
        &[(3.0, nested("select a", 1.0)), (8.0, nested("select b", 2.0))],
        "
  SELECT  1.000
    Result  1.000
  SELECT  2.000
    Result  2.000",
    );
    // One message of two statements has one text.
    check(
        &[(3.0, nested("call", 1.0)), (3.0, nested("call", 2.0))],
        "
  execute  1.000
    Result  1.000
  execute  2.000
    Result  2.000",
    );
}

#[test]
fn a_wait_for_a_lock_is_in_the_node_that_locks() {
    let mut statement = Statement::new("update");
    let waits = "process 7 still waiting for ShareLock on transaction 838 after 100.098 ms";
    statement.add(millis(100.5), waits).unwrap();
    statement.add(millis(300.5), "process 7 acquired ShareLock on transaction 838 after 300.000 ms").unwrap();
    let plan = node("ModifyTable", 301.0, r#", "Operation": "Update", "Relation Name": "t""#);
    let text = format!("duration: 301.5 ms  plan:\n{{\"Query Text\": \"update\", \"Plan\": {plan}}}");
    statement.add(millis(302.0), &text).unwrap();
    let spans = checked(statement, millis(303.0));
    assert_eq!(
        tree(&spans),
        "  execute  301.500 ms, self 0.5
    Update on t  301.000 ms, self 1, rows 1 of 1 (1x), loops 1
      wait for ShareLock on transaction  300.000 ms, acquired\n"
    );
    assert_eq!(spans[2].get(keys::LOCK_TRANSACTION), Some(&Value::from("838")));
}

/// A statement that fails has no plan.
#[test]
fn a_wait_that_ended_in_an_error_is_where_it_was() {
    let mut statement = Statement::new("update");
    let text = "process 7 detected deadlock while waiting for ShareLock on transaction 837 after 200.1 ms";
    statement.add(millis(201.0), text).unwrap();
    let spans = checked(statement, millis(202.0));
    assert_eq!((spans[0].start, spans[0].end, spans[0].synthetic), (millis(0.9), millis(201.0), false));
    assert_eq!(spans[0].get(keys::LOCK_OUTCOME), Some(&Value::from("deadlock")));
}

#[test]
fn a_plan_ends_when_it_arrived_and_stays_in_the_clients_span() {
    let check = |at: f64, ended: f64, expect: (f64, f64)| {
        let mut statement = Statement::new("");
        statement.add(millis(at), &message(10.0, "{}")).unwrap();
        let span = &checked(statement, millis(ended))[0];
        assert_eq!((span.start, span.end), (millis(expect.0), millis(expect.1)));
    };
    check(15.0, 20.0, (5.0, 15.0));
    check(30.0, 20.0, (10.0, 20.0));
    check(4.0, 20.0, (0.0, 4.0));
    check(4.0, 0.0, (0.0, 0.0));
}

#[test]
fn nothing_gives_nothing() {
    assert!(Statement::new("select 1").spans(Duration::MAX).is_empty());
}

#[test]
fn an_estimate_is_not_blamed_for_a_plan_that_stopped_early() {
    let scan = |actual: f64| {
        format!(
            r#"{{"Node Type": "Seq Scan", "Actual Loops": 1, "Actual Rows": {actual}, "Plan Rows": 100}}"#
        )
    };
    let below = |kind: &str, scan: &str| node(kind, 1.0, &plans(&[scan.to_owned()]));
    let check = |plan: &str, expect: Option<f64>| {
        let spans = one(1.0, plan);
        assert_eq!(spans.last().unwrap().get(keys::MISESTIMATE), expect.map(Value::Float).as_ref(), "{plan}");
    };
    check(&below("Append", &scan(4.0)), Some(25.0));
    check(&below("Append", &scan(250.0)), Some(2.5));
    check(&below("Append", &scan(0.0)), Some(100.0));
    check(&below("Limit", &scan(4.0)), None);
    check(&below("Limit", &scan(250.0)), Some(2.5));
    check(&below("Limit", &below("Sort", &scan(4.0))), Some(25.0));
}

/// Everything that is told of a node.
#[test]
fn the_attributes_of_a_node() {
    let plan = r#"{"Node Type": "Index Scan", "Parent Relationship": "Outer", "Parallel Aware": false, "Scan Direction": "Backward",
        "Index Name": "posts_author_created", "Relation Name": "posts", "Alias": "p", "Startup Cost": 0.42, "Total Cost": 4.69,
        "Plan Rows": 15, "Plan Width": 4, "Actual Startup Time": 0.005, "Actual Total Time": 0.060, "Actual Rows": 150.00,
        "Actual Loops": 1, "Disabled": false, "Index Cond": "(author = 8)", "Rows Removed by Index Recheck": 0,
        "Filter": "(body ~~ '%secret%'::text)", "Rows Removed by Filter": 12, "Index Searches": 1,
        "Shared Hit Blocks": 32, "Shared Read Blocks": 0, "Shared I/O Read Time": 0.25, "I/O Write Time": 0.0}"#;
    let spans = one(0.07, plan);
    let attributes: Vec<String> =
        spans[1].attributes.iter().map(|(key, value)| format!("{key} = {value:?}")).collect();
    assert_eq!(spans[1].name, "Index Scan Backward using posts_author_created on posts");
    insta::assert_snapshot!(attributes.join("\n"), @r#"
    postgresql.plan.node_type = Text("Index Scan")
    postgresql.plan.rows.estimated = Int(15)
    postgresql.plan.loops = Int(1)
    postgresql.plan.first_row_ms = Float(0.005)
    postgresql.plan.rows.actual = Int(150)
    postgresql.plan.rows.misestimate = Float(10.0)
    postgresql.plan.index = Text("posts_author_created")
    postgresql.plan.relation = Text("posts")
    postgresql.plan.alias = Text("p")
    postgresql.plan.cost = Float(4.69)
    postgresql.plan.index_cond = Text("(author = ?)")
    postgresql.plan.filter = Text("(body ~~ ?::text)")
    postgresql.plan.rows.removed_by_filter = Int(12)
    postgresql.plan.index_searches = Int(1)
    postgresql.plan.buffers.shared_hit = Int(32)
    postgresql.plan.io.read_ms = Float(0.25)
    postgresql.plan.self_time_ms = Float(0.06)
    "#);
}
