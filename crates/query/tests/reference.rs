//! The same query done plainly: row by row over a vector, no columns, no codes, no cells.
//!
//! `tests/clients/query_duckdb.py` asks DuckDB; this one needs nothing, shrinks what fails, and knows of late,
//! replaced and removed rows.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use query::{Answer, Cell, Head, Options, Spec, Table, Value, Window, run};
use serde_json::{Value as Json, json};

#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) id: i64,
    pub(crate) trace: i64,
    pub(crate) time: i64,
    pub(crate) duration: i64,
    pub(crate) cells: BTreeMap<&'static str, Value>,
}

/// What happens to a table.
#[derive(Clone, Debug)]
enum Step {
    Append(Span),
    /// The row at this place (of those there are) gets other data.
    Replace(usize, Span),
    /// Traces up to this one go.
    Prune(i64),
}

pub(crate) const START: i64 = 1_000;
pub(crate) const SECONDS: i64 = 100;
pub(crate) const NANOS: i64 = 1_000_000_000;

fn value(column: &'static str) -> BoxedStrategy<Option<Value>> {
    let some = match column {
        "route" => prop::sample::select(vec!["/", "/feed", "/feed/1"]).prop_map(Value::from).boxed(),
        "rows" => (-3_i64..9).prop_map(Value::Int).boxed(),
        "mixed" => prop_oneof![
            (0_i64..3).prop_map(Value::Int),
            Just(Value::from("1")),
            Just(Value::Bool(true)),
            (0_i64..4).prop_map(|n| Value::float(n as f64 / 2.0).unwrap())
        ]
        .boxed(),
        _ => Just(Value::Bool(true)).boxed(),
    };
    prop::option::of(some).boxed()
}

pub(crate) fn span() -> impl Strategy<Value = Span> {
    let cells = (value("route"), value("rows"), value("mixed"), value("error"));
    (0..SECONDS * NANOS, 0..50_000_000_i64, 1_i64..20, cells).prop_map(
        |(time, duration, trace, (route, rows, mixed, error))| {
            let cells = [("route", route), ("rows", rows), ("mixed", mixed), ("error", error)];
            let cells = cells.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            Span { id: 0, trace, time: START * NANOS + time, duration, cells }
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => span().prop_map(Step::Append),
        3 => (any::<prop::sample::Index>(), span()).prop_map(|(place, span)| Step::Replace(place.index(1 << 16), span)),
        1 => (1_i64..8).prop_map(Step::Prune),
    ];
    prop::collection::vec(step, 1..150)
}

pub(crate) fn filter() -> impl Strategy<Value = Json> {
    let column = prop::sample::select(vec!["route", "rows", "mixed", "error", "duration_ms", "nothing"]);
    let scalar =
        prop::sample::select(vec![json!("/feed"), json!("/"), json!(1), json!(0.5), json!(true), json!(10)]);
    let compared =
        (column.clone(), prop::sample::select(vec!["=", "!=", ">", ">=", "<", "<="]), scalar.clone())
            .prop_map(|(column, op, value)| json!({"column": column, "op": op, "value": value}));
    let listed =
        (column.clone(), prop::sample::select(vec!["in", "not-in"]), prop::collection::vec(scalar, 0..3))
            .prop_map(|(column, op, value)| json!({"column": column, "op": op, "value": value}));
    let text = prop::sample::select(vec![
        "starts-with",
        "does-not-start-with",
        "ends-with",
        "does-not-end-with",
        "contains",
        "does-not-contain",
    ]);
    let text = (column.clone(), text, prop::sample::select(vec!["/f", "d", "/", ""]))
        .prop_map(|(column, op, value)| json!({"column": column, "op": op, "value": value}));
    let exists = (column, prop::sample::select(vec!["exists", "does-not-exist"]))
        .prop_map(|(column, op)| json!({"column": column, "op": op}));
    prop_oneof![compared, listed, text, exists]
}

fn spec() -> impl Strategy<Value = Json> {
    let breakdowns = prop::sample::subsequence(vec!["route", "rows", "mixed", "error"], 0..=3);
    let numbers = prop::sample::select(vec!["rows", "duration_ms", "mixed"]);
    let op = prop::sample::select(vec![
        "SUM",
        "AVG",
        "MIN",
        "MAX",
        "P001",
        "P50",
        "P95",
        "P999",
        "COUNT",
        "COUNT_DISTINCT",
    ]);
    let calculations = prop::collection::vec((op, numbers), 0..4);
    let filters = (prop::collection::vec(filter(), 0..4), prop::sample::select(vec!["AND", "OR"]));
    (breakdowns, calculations, filters, 1_u64..30, (0..SECONDS, 1..SECONDS)).prop_map(
        |(breakdowns, calculations, (filters, combination), limit, (start, length))| {
            let calculations: Vec<_> =
                calculations.into_iter().map(|(op, column)| json!({"op": op, "column": column})).collect();
            json!({"breakdowns": breakdowns, "calculations": calculations, "filters": filters,
                   "filter_combination": combination, "limit": limit, "start_time": START + start,
                   "end_time": START + start + length})
        },
    )
}

fn build(steps: &[Step], mut table: Table) -> (Table, Vec<Span>) {
    let mut spans: Vec<Span> = Vec::new();
    let mut last = 0;
    for step in steps {
        match step {
            Step::Append(span) => {
                last += 1;
                let span = Span { id: last, ..span.clone() };
                append(&mut table, &span);
                spans.push(span);
            }
            Step::Replace(place, span) if !spans.is_empty() => {
                let place = place % spans.len();
                let span = Span { id: spans[place].id, trace: spans[place].trace, ..span.clone() };
                assert_eq!(table.remove(&HashSet::from([span.id])), 1);
                append(&mut table, &span);
                spans[place] = span;
            }
            Step::Replace(..) => {}
            Step::Prune(trace) => {
                spans.retain(|span| span.trace > *trace);
                // SQLite gives the numbers after the last row again.
                last = spans.iter().map(|span| span.id).max().unwrap_or(0);
                table.prune(*trace, last);
            }
        }
    }
    assert_eq!(table.rows(), spans.len() as u64);
    (table, spans)
}

pub(crate) fn append(table: &mut Table, span: &Span) {
    let Span { id, trace, time, duration, .. } = *span;
    let trace_id = (trace as u128).to_be_bytes();
    table.append(&Head { id, trace, trace_id, span_id: id as u64, parent_id: 0, time, duration });
    for (name, value) in &span.cells {
        let column = table.column(name).unwrap();
        let code = table.code(column, value.as_ref());
        table.set(column, code);
    }
}

fn cell(span: &Span, column: &str) -> Option<Value> {
    if column == "duration_ms" {
        return Value::float(span.duration as f64 / 1e6);
    }
    span.cells.get(column).cloned()
}

/// Groups with their values, in no order.
fn plainly(spans: &[Span], spec: &Spec) -> BTreeMap<Vec<Option<Value>>, Vec<Option<f64>>> {
    let (start, end) = (spec.time.start.unwrap() as i64 * NANOS, spec.time.end.unwrap() as i64 * NANOS);
    let passes = |span: &&Span| {
        let mut holds = spec.filters.iter().map(|filter| {
            let cell = cell(span, &filter.column);
            filter.holds(cell.as_ref().map(Value::as_ref))
        });
        let is_or = spec.filter_combination == query::spec::Combination::Or;
        (start..end).contains(&span.time)
            && if is_or {
                spec.filters.is_empty() || holds.any(|holds| holds)
            } else {
                holds.all(|holds| holds)
            }
    };
    let mut groups: BTreeMap<Vec<Option<Value>>, Vec<&Span>> = BTreeMap::new();
    if spec.breakdowns.is_empty() {
        groups.insert(Vec::new(), Vec::new());
    }
    for span in spans.iter().filter(passes) {
        let key = spec.breakdowns.iter().map(|column| cell(span, column)).collect();
        groups.entry(key).or_default().push(span);
    }
    let values = |spans: Vec<&Span>| {
        spec.calculations.iter().map(|calculation| calculate(calculation, &spans)).collect()
    };
    groups.into_iter().map(|(key, spans)| (key, values(spans))).collect()
}

fn calculate(calculation: &query::spec::Calculation, spans: &[&Span]) -> Option<f64> {
    use query::spec::CalculationOp as Op;
    let Some(column) = &calculation.column else { return Some(spans.len() as f64) };
    let cells: Vec<Value> = spans.iter().filter_map(|span| cell(span, column)).collect();
    let mut numbers: Vec<f64> = cells.iter().filter_map(Value::number).collect();
    numbers.sort_by(f64::total_cmp);
    let sum = numbers.iter().sum::<f64>();
    let some = (!numbers.is_empty()).then_some(());
    match calculation.op {
        Op::Count => Some(cells.len() as f64),
        Op::CountDistinct => Some(cells.iter().collect::<HashSet<_>>().len() as f64),
        Op::Sum => some.map(|()| sum),
        Op::Avg => some.map(|()| sum / numbers.len() as f64),
        Op::Min => numbers.first().copied(),
        Op::Max => numbers.last().copied(),
        // The first number that enough of them are no larger than.
        Op::Percentile(thousandth) => numbers.iter().enumerate().find_map(|(place, number)| {
            ((place + 1) * 1_000 >= numbers.len() * usize::from(thousandth)).then_some(*number)
        }),
        _ => unreachable!("not asked for"),
    }
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number(number) => number.as_ref().and_then(Value::number),
        Cell::Histogram(_) => None,
    }
}

fn is_close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn check(answer: &Answer, spec: &Spec, expect: &BTreeMap<Vec<Option<Value>>, Vec<Option<f64>>>) {
    assert_eq!(answer.groups, expect.len());
    assert_eq!(answer.rows.len(), expect.len().min(spec.limit as usize));
    assert_eq!(answer.truncated, expect.len() > spec.limit as usize);
    let mut before: Option<f64> = None;
    for row in &answer.rows {
        let expect = &expect[&row.group.values];
        let values: Vec<_> = row.values.values.iter().map(number).collect();
        assert!(
            values.iter().zip(expect).all(|(a, b)| is_close(*a, *b)),
            "{:?}: {values:?}, plainly {expect:?}",
            row.group
        );
        // By the first calculation, the largest first, what has none last.
        let first = values[0];
        assert!(before.is_none() || first.is_none() || first <= before, "{before:?} before {first:?}");
        before = first.or(before);
        // A count adds up over its series.
        for (key, series) in row.series.iter().filter(|(key, _)| key.starts_with("COUNT(") || *key == "COUNT")
        {
            let sum: f64 = series.iter().flatten().filter_map(Value::number).sum();
            assert!(is_close(Some(sum), row.values.get(key).and_then(number)), "{key}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn columns_answer_as_rows_do(
        steps in steps(),
        specs in prop::collection::vec(spec(), 1..4),
        segment in 1_usize..60,
    ) {
        let (table, spans) = build(&steps, Table::with_segments(segment, 1 << 30));
        for json in specs {
            let spec = Spec::parse(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
            let answer = run(&table, &spec, &Options::new(Window::of(&spec, 0))).unwrap();
            check(&answer, &spec, &plainly(&spans, &spec));
        }
    }
}

/// Sealed segments are packed in four ways; memory has a bound.
#[test]
fn many_rows_are_packed_and_bounded() {
    let rows = 3 * query::SEGMENT_ROWS as i64 + 10;
    let span = |id: i64| {
        let mut cells = BTreeMap::from([("same", Value::from("x")), ("narrow", Value::Int(id % 7))]);
        cells.insert("middle", Value::Int(id % 5_000));
        cells.insert("wide", Value::from(format!("{id}").as_str()));
        if id % 100 == 0 {
            cells.insert("sparse", Value::Int(id));
        }
        Span { id, trace: id / 10 + 1, time: START * NANOS + id, duration: id, cells }
    };
    let count = json!({"start_time": START, "end_time": START + 1, "calculations": [
        {"op": "COUNT", "column": "same"}, {"op": "COUNT_DISTINCT", "column": "narrow"}, {"op": "COUNT_DISTINCT", "column": "middle"},
        {"op": "COUNT_DISTINCT", "column": "wide"}, {"op": "COUNT_DISTINCT", "column": "sparse"}, {"op": "SUM", "column": "sparse"}]});
    let spec = Spec::parse(&count).unwrap();
    let ask = |table: &Table| -> Vec<Option<f64>> {
        let answer = run(table, &spec, &Options::new(Window::of(&spec, 0))).unwrap();
        answer.rows[0].values.values.iter().map(number).collect()
    };
    let expect = |ids: std::ops::Range<i64>| -> Vec<Option<f64>> {
        let sparse: Vec<i64> = ids.clone().filter(|id| id % 100 == 0).collect();
        let count = ids.count() as f64;
        [count, 7.0, 5_000.0, count, sparse.len() as f64, sparse.iter().sum::<i64>() as f64]
            .map(Some)
            .to_vec()
    };
    let mut table = Table::new(1 << 30);
    (0..rows).for_each(|id| append(&mut table, &span(id)));
    assert_eq!(ask(&table), expect(0..rows));
    // The first segment goes as a whole, and its values with it.
    let before = table.bytes();
    let gone = query::SEGMENT_ROWS as i64 / 10 + 1;
    table.prune(gone, rows);
    assert_eq!(ask(&table), expect(gone * 10..rows));
    table.prune(2 * gone, rows);
    assert_eq!(ask(&table), expect(2 * gone * 10..rows));
    assert!(table.bytes() < before / 2 + before / 10, "{} of {before} bytes", table.bytes());

    // Three segments of rows without attributes in room for two.
    let mut small = Table::new(2 * query::SEGMENT_ROWS * 50);
    let bare = |id: i64| Span { cells: BTreeMap::new(), ..span(id) };
    (0..rows).for_each(|id| append(&mut small, &bare(id)));
    assert!(small.evicted() > 0 && small.evicted() < rows as u64 / 2, "{}", small.evicted());
    assert_eq!(small.rows() + small.evicted(), rows as u64);
}

/// Segments that have nothing of what is asked for must not lend their cells to those after them.
#[test]
fn a_row_is_found_in_whichever_segment_it_lies() {
    let segment = query::SEGMENT_ROWS as i64;
    let span = |id: i64| {
        let cells = BTreeMap::from([
            ("wide", Value::from(format!("{id}").as_str())),
            ("third", Value::Int(id / segment)),
        ]);
        Span { id, trace: id / 10 + 1, time: START * NANOS + id, duration: id, cells }
    };
    let mut table = Table::new(1 << 30);
    (0..3 * segment + 10).for_each(|id| append(&mut table, &span(id)));
    let check = |filters: Json, expect: i64| {
        let spec = json!({"start_time": START, "end_time": START + 1, "filters": filters, "calculations": [{"op": "COUNT"}]});
        let spec = Spec::parse(&spec).unwrap();
        let answer = run(&table, &spec, &Options::new(Window::of(&spec, 0))).unwrap();
        assert_eq!(number(&answer.rows[0].values.values[0]), Some(expect as f64), "{filters}");
    };
    for id in [0, segment - 1, segment, 2 * segment + 7, 3 * segment + 9] {
        check(json!([{"column": "wide", "op": "=", "value": format!("{id}")}]), 1);
        let after = json!({"column": "duration_ms", "op": ">=", "value": id as f64 / 1e6});
        check(json!([after, {"column": "wide", "op": "=", "value": format!("{id}")}]), 1);
    }
    for third in 0..=3 {
        check(json!([{"column": "third", "op": "=", "value": third}]), if third == 3 { 10 } else { segment });
    }
    check(json!([{"column": "nothing", "op": "exists"}, {"column": "third", "op": ">", "value": 0}]), 0);
    check(
        json!([{"column": "nothing", "op": "does-not-exist"}, {"column": "third", "op": ">", "value": 2}]),
        10,
    );
}
