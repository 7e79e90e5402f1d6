//! Expressions: what they give, and what is none.

use query::expr::Expr;
use query::{Value, ValueRef};

/// `$a` is 10, `$b` is 4, `$name` is "GET /feed", `$yes` is true; others are missing.
fn evaluate(text: &str) -> Option<Value> {
    let expr = Expr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let cells: Vec<_> = expr
        .columns()
        .map(|name| match name {
            "a" => Some(ValueRef::Int(10)),
            "b" => Some(ValueRef::Int(4)),
            "odd name" => Some(ValueRef::Int(1)),
            "name" => Some(ValueRef::Str("GET /feed")),
            "yes" => Some(ValueRef::Bool(true)),
            _ => None,
        })
        .collect();
    expr.evaluate(&cells, 1_700_000_000_500_000_000)
}

#[test]
fn values() {
    let check = |text: &str, expect: &str| {
        let value = evaluate(text).map_or_else(|| "null".to_owned(), |value| value.to_string());
        assert_eq!(value, expect, "{text}");
    };
    // `-` binds tighter than `+`, as Honeycomb has it.
    check("$a - $b - 1", "5");
    check("$a + 1 - 3 * 2", "5");
    check("1 - 2 + 3", "2");
    check("-$a + 12", "2");
    check("$a / $b", "2.5");
    check("$a % $b", "2");
    check("$a / 0", "null");
    check("$a + $missing", "null");
    check("\"7\" + 1", "8");
    check("\"x\" + 1", "1");
    check("$a > $b AND !$no", "true");
    check("$a < $b OR $a = 10", "true");
    check("$a != $missing", "true");
    check("$missing = $missing", "false");
    check("IF($a > 5, \"many\", \"few\")", "many");
    check("IF($a > 50, 1, $b > 3, 2, 3)", "2");
    check("IF($a > 50, 1)", "null");
    check("SWITCH($name, \"x\", 1, \"GET /feed\", 2, 3)", "2");
    check("COALESCE($missing, $b)", "4");
    check("IN($b, 1, 4)", "true");
    check("EXISTS($missing)", "false");
    check("MIN($a, $missing, $b)", "4");
    check("SUM(1, 2, 3)", "6");
    check("MUL(IF($yes, 1, 0), 100)", "100");
    check("LOG10(1000)", "3");
    check("BUCKET($a, 4)", "8 - 12");
    check("BUCKET($a, 4, 12)", "< 12");
    check("BUCKET($a, 4, 0, 8)", ">= 8");
    check("INT(\"3.9\")", "3");
    check("STRING($a)", "10");
    check("BOOL(\"true\")", "true");
    check("CONCAT($name, \"-\", $missing, $b)", "GET /feed-4");
    check("STARTS_WITH($name, \"GET\")", "true");
    check("CONTAINS($missing, \"x\")", "false");
    check("TO_LOWER($name)", "get /feed");
    check("LENGTH(\"Köln\")", "5");
    check("LENGTH(\"Köln\", \"chars\")", "4");
    check("REG_MATCH($name, `^GET /\\w+$`)", "true");
    check("REG_VALUE($name, `/(\\w+)`)", "feed");
    check("REG_COUNT($name, \"E\")", "1");
    check("EVENT_TIMESTAMP()", "1700000000.5");
    check("UNIX_TIMESTAMP(\"2023-11-14T22:13:20Z\")", "1700000000");
    check("FORMAT_TIME(\"%Y-%m-%d\", EVENT_TIMESTAMP())", "2023-11-14");
    check("FORMAT_TIME(\"%Q\", 0)", "null");
    check("$\"odd name\" + $`odd name`", "2");
    check("\"a\\u00e9\\n\"", "aé\n");
    check(".5e1", "5");
    check("null", "null");
}

#[test]
fn what_is_none() {
    let check = |text: &str, expect: &str| {
        let error = Expr::parse(text).expect_err(text).to_string();
        assert!(error.contains(expect), "{text}: {error}");
    };
    check("", "at 0: the expression ends too early");
    check("1 +", "ends too early");
    check("1 1", "an operator or the end");
    check("$", "a column's name");
    check("\"open", "does not end");
    check("if($a, 1)", "it is written IF");
    check("NOPE(1)", "there is no function NOPE");
    check("IF(1)", "IF takes 2 or more arguments, not 1");
    check("RATE($a)", "for metrics");
    check("REG_MATCH($a, $b)", "must be a text");
    check("REG_MATCH($a, \"(\")", "the pattern");
    check(&"(".repeat(10_000), "deeper than");
    check(&"!".repeat(10_000), "deeper than");
    check(&format!("1{}", "+1".repeat(10_000)), "operators");
    check("#", "means nothing");
}
