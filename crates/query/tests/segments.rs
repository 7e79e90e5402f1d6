//! However many segments the rows lie in, every question has the same answer.

use proptest::prelude::*;
use query::{Box, Options, Scale, Spec, Table, Window, columns, compare, run, service_map, values};
use serde_json::{Value as Json, json};

use crate::reference::{NANOS, SECONDS, START, Span, append, filter, span};

fn calculation() -> impl Strategy<Value = Json> {
    let plain = prop::sample::select(vec!["COUNT", "CONCURRENCY"]).prop_map(|op| json!({ "op": op }));
    let numbers = prop::sample::select(vec!["rows", "duration_ms", "mixed", "twice"]);
    let op = prop::sample::select(vec![
        "SUM",
        "AVG",
        "MIN",
        "MAX",
        "P50",
        "P95",
        "COUNT",
        "COUNT_DISTINCT",
        "HEATMAP",
        "RATE_AVG",
        "RATE_MAX",
    ]);
    let of_column = (op, numbers).prop_map(|(op, column)| json!({"op": op, "column": column}));
    prop_oneof![1 => plain, 3 => of_column]
}

fn spec() -> impl Strategy<Value = Json> {
    let calculations = prop::collection::vec((calculation(), prop::option::of(filter())), 1..5);
    let breakdowns =
        prop::sample::subsequence(vec!["route", "rows", "mixed", "error", "trace.trace_id"], 0..=3);
    let filters = (prop::collection::vec(filter(), 0..3), prop::sample::select(vec!["AND", "OR"]));
    let having = prop::option::of(0..40);
    let times = (0..SECONDS, 1..SECONDS, prop::sample::select(vec![1, 7, 20]));
    (calculations, breakdowns, filters, having, 1_u64..30, times).prop_map(
        |(calculations, breakdowns, (filters, combination), having, limit, (start, length, granularity))| {
            let calculations = calculations.into_iter().enumerate().map(|(place, (mut calculation, filter))| {
                calculation["name"] = json!(format!("c{place}"));
                if let Some(filter) = filter {
                    calculation["filters"] = json!([filter]);
                }
                calculation
            });
            let mut calculations: Vec<Json> = calculations.collect();
            calculations.push(json!({ "op": "COUNT" }));
            let having = having.map(|least| json!({"calculate_op": "COUNT", "op": ">", "value": least}));
            json!({
                "calculations": calculations, "breakdowns": breakdowns, "filters": filters, "filter_combination": combination,
                "havings": Vec::from_iter(having), "limit": limit, "granularity": granularity.min(length),
                "calculated_fields": [{"name": "twice", "expression": "MUL($rows, 2)"}],
                "start_time": START + start, "end_time": START + start + length,
            })
        },
    )
}

/// Everything that can be asked.
fn ask(table: &Table, specs: &[Json]) -> Vec<Json> {
    let run = |spec: &Spec, options: &Options| {
        let mut answer = json!(run(table, spec, options).unwrap());
        // What it is spared to look at depends on the segments.
        assert!(answer["scanned"].take().as_u64() >= answer["matched"].as_u64());
        answer
    };
    let mut answers = Vec::new();
    for json in specs {
        let spec = Spec::parse(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        for scale in [Scale::Auto, Scale::Linear, Scale::Log] {
            let options = Options { scale, ..Options::new(Window::of(&spec, 0)) };
            answers.push(run(&spec, &options));
        }
        let options =
            Options { disable_series: true, disable_totals: true, ..Options::new(Window::of(&spec, 0)) };
        answers.push(run(&spec, &options));
        let (start, end) = (START as f64 + 5.0, START as f64 + 50.0);
        let selection = Box { column: "duration_ms".to_owned(), min: 10.0, max: 40.0, start, end };
        answers.push(json!(compare(table, &spec, &options, &selection).unwrap()));
        answers.push(json!(service_map(table, &options.window)));
    }
    answers.push(json!(columns(table, None)));
    for column in ["route", "mixed", "trace.trace_id"] {
        answers.push(json!(values(table, column, "", None, 1_000).unwrap()));
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// The rows come again and again, each time a bit later, so that they are several pieces of one large segment, too.
    #[test]
    fn many_segments_answer_as_one_does(
        spans in prop::collection::vec(span(), 1..100),
        times in 1_i64..30,
        segment in 1_usize..1_500,
        specs in prop::collection::vec(spec(), 1..4),
        pruned in prop::option::of(1_i64..15),
    ) {
        let build = |mut table: Table| {
            let mut last = 0;
            for time in 0..times {
                for span in &spans {
                    last += 1;
                    let since = (span.time - START * NANOS + time * 3 * NANOS) % (SECONDS * NANOS);
                    append(&mut table, &Span { id: last, time: START * NANOS + since, ..span.clone() });
                }
            }
            if let Some(trace) = pruned {
                table.prune(trace, last);
            }
            table
        };
        let (one, many) = (build(Table::new(1 << 30)), build(Table::with_segments(segment, 1 << 30)));
        prop_assert!(one.segments().count() == 1);
        for (one, many) in ask(&one, &specs).into_iter().zip(ask(&many, &specs)) {
            prop_assert_eq!(one, many);
        }
    }
}
