//! What is taken, what is refused, and where the message points.

use query::Spec;
use serde_json::{Value, json};

#[test]
fn what_honeycomb_takes_is_taken() {
    let check = |spec: Value, expect: Value| {
        let parsed = Spec::parse(&spec).unwrap_or_else(|error| panic!("{spec}: {error}"));
        assert_eq!(parsed.to_json(), expect, "{spec}");
        assert_eq!(Spec::parse(&expect).unwrap().to_json(), expect, "written, it reads as the same");
    };
    check(json!({}), json!({"calculations": [{"op": "COUNT"}], "limit": 100}));
    let portable = json!({
        "calculations": [{"op": "COUNT"}, {"op": "P95", "column": "duration_ms"}, {"op": "HEATMAP", "column": "duration_ms"}],
        "filters": [{"column": "trace.parent_id", "op": "does-not-exist"}, {"column": "meta.signal_type", "op": "=", "value": "trace"},
                    {"column": "meta.annotation_type", "op": "does-not-exist"}],
        "breakdowns": ["service.name", "name"],
        "orders": [{"op": "P95", "column": "duration_ms", "order": "descending"}],
        "havings": [{"calculate_op": "COUNT", "op": ">=", "value": 5.0}],
        "limit": 100, "time_range": 3600
    });
    check(portable.clone(), portable);
    let formula = json!({
        "calculations": [{"op": "COUNT", "name": "total"},
            {"op": "COUNT", "name": "failed", "filters": [{"column": "error", "op": "=", "value": true}]}],
        "formulas": [{"name": "error_rate", "expression": "DIV($failed, $total)"}],
        "breakdowns": ["service.name"], "orders": [{"column": "error_rate", "order": "descending"}],
        "limit": 20, "time_range": 86400
    });
    check(formula.clone(), formula);
    check(
        json!({"filters": [], "filter_combination": "AND", "granularity": 0, "orders": [{"op": "COUNT", "order": "ascending"}]}),
        json!({"calculations": [{"op": "COUNT"}], "orders": [{"op": "COUNT"}], "limit": 100}),
    );
}

#[test]
fn what_honeycomb_refuses_is_refused_with_its_place() {
    let check = |spec: Value, path: &str| {
        let error = Spec::parse(&spec).expect_err(&spec.to_string());
        assert_eq!(error.path, path, "{spec}: {error}");
    };
    check(json!([]), "");
    check(json!({"nmae": 1}), "nmae");
    check(json!({"id": "abc"}), "id");
    check(json!({"calculations": {}}), "calculations");
    check(json!({"calculations": [{"op": "P95"}]}), "calculations[0].column");
    check(json!({"calculations": [{"op": "P42", "column": "x"}]}), "calculations[0].op");
    check(json!({"calculations": [{"op": "CONCURRENCY", "column": "x"}]}), "calculations[0].column");
    check(
        json!({"calculations": [{"op": "COUNT", "filters": [{"column": "a", "op": "exists"}]}]}),
        "calculations[0].name",
    );
    check(json!({"calculations": [{"op": "COUNT", "colunm": "x"}]}), "calculations[0].colunm");
    check(json!({"calculations": vec![json!({"op": "COUNT"}); 101]}), "calculations");
    check(
        json!({"calculations": [{"op": "COUNT", "name": "a"}, {"op": "COUNT", "name": "a"}]}),
        "calculations[1].name",
    );
    check(json!({"filters": [{"column": "a", "op": "exists", "value": 1}]}), "filters[0].value");
    check(json!({"filters": [{"column": "a", "op": "in", "value": "x,y"}]}), "filters[0].value");
    check(json!({"filters": [{"column": "a", "op": "in", "value": ["x", null]}]}), "filters[0].value[1]");
    check(json!({"filters": [{"column": "a", "op": "="}]}), "filters[0].value");
    check(json!({"filters": [{"column": "a", "op": "contains", "value": 1}]}), "filters[0].value");
    check(json!({"filters": [{"column": "a", "op": "regex", "value": "x"}]}), "filters[0].op");
    check(json!({"filters": [{"column": "", "op": "exists"}]}), "filters[0].column");
    check(json!({"filter_combination": "XOR"}), "filter_combination");
    check(json!({"havings": [{"calculate_op": "MAX", "column": "a", "op": ">", "value": 1}]}), "havings[0]");
    check(json!({"havings": [{"calculate_op": "COUNT", "op": ">", "value": "1"}]}), "havings[0].value");
    check(json!({"orders": [{"column": "zzz"}]}), "orders[0]");
    check(json!({"orders": [{}]}), "orders[0]");
    check(json!({"orders": [{"op": "COUNT", "order": "desc"}]}), "orders[0].order");
    check(
        json!({"calculations": [{"op": "HEATMAP", "column": "a"}], "orders": [{"op": "HEATMAP", "column": "a"}]}),
        "orders[0].op",
    );
    check(json!({"time_range": 60, "start_time": 1, "end_time": 2}), "time_range");
    check(json!({"start_time": 2, "end_time": 1}), "start_time");
    check(json!({"time_range": "1h"}), "time_range");
    check(json!({"limit": 1001}), "limit");
    check(json!({"limit": 0}), "limit");
    check(json!({"time_range": 120_000, "granularity": 59}), "granularity");
    check(json!({"time_range": 7200, "granularity": 7201}), "granularity");
    check(json!({"time_range": 7200, "compare_time_offset_seconds": 3600}), "compare_time_offset_seconds");
    check(json!({"time_range": 60, "compare_time_offset_seconds": 61}), "compare_time_offset_seconds");
    let heatmap = json!([{"op": "HEATMAP", "column": "a"}]);
    check(
        json!({"calculations": heatmap, "formulas": [{"name": "f", "expression": "1"}]}),
        "calculations[0].op",
    );
    check(json!({"formulas": [{"name": "f", "expression": "$x"}]}), "formulas[0].expression");
    check(
        json!({"calculated_fields": [{"name": "f", "expression": "if($a, 1)"}]}),
        "calculated_fields[0].expression",
    );
    check(
        json!({"calculations": [{"op": "COUNT", "name": "n", "filters": [{"column": "root.name", "op": "exists"}]}]}),
        "calculations[0].filters[0].column",
    );
    check(
        json!({"formulas": [{"name": "f", "expression": "$COUNT"}], "breakdowns": ["root.name"]}),
        "breakdowns[0]",
    );
}
