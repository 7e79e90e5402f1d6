//! A query -> the SELECTs that answer it. All of them read from one inner SELECT, `rows`, which has the window, the filters
//! and every column by an alias: `t` and `d` (nanoseconds), `id`, `k` (the group), `s` (the step), `c0`, `c1`, ..

use super::TableName;
use super::sql::{Kind, NUMBER, Pieces, Sql, float, percentile, reads_as_number, shown, within};
use crate::run::{EXEMPLARS, Options, of_dataset};
use crate::spec::{Calculation, CalculationOp, Combination, Having, OrderBy, Spec, SpecError};

/// Of these the slowest traces of a row are chosen, each once.
const EXEMPLAR_SPANS: usize = 30;

pub(super) struct Plan<'a> {
    spec: &'a Spec,
    rows: String,
    scanned: String,
    /// By calculation.
    cells: Vec<Cell>,
    pub(super) breakdowns: Vec<Kind>,
    /// What the breakdowns are in `rows`.
    groups: Vec<Sql>,
    /// The formulas' pieces, and what each formula is in a SELECT with those.
    formula_pieces: Vec<String>,
    formulas: Vec<String>,
}

/// What a calculation is over any rows.
struct Cell {
    /// Over a group.
    value: String,
    /// Over a step of a group; RATE's differences come after.
    in_step: String,
    /// CONCURRENCY's steps and the most in each.
    over_steps: Option<String>,
    /// Of a HEATMAP: the number, and which rows count.
    heatmap: Option<(String, String)>,
}

/// Which rows are looked at together.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    /// Each of these groups, by hash.
    Shown(&'a [String]),
    /// All of the window as one.
    Everything,
    /// All but these groups, as one.
    Others(&'a [String]),
}

impl Scope<'_> {
    fn key(self) -> &'static str {
        if matches!(self, Self::Shown(_)) { HASH } else { "''" }
    }

    fn condition(self) -> String {
        let list = |hashes: &[String]| {
            let hashes: Vec<_> = hashes.iter().map(|hash| format!("'{hash}'")).collect();
            hashes.join(", ")
        };
        match self {
            // IN () is no SQL.
            Self::Everything | Self::Others([]) => String::new(),
            Self::Shown([]) => " WHERE false".to_owned(),
            Self::Shown(hashes) => format!(" WHERE {HASH} IN ({})", list(hashes)),
            Self::Others(hashes) => format!(" WHERE {HASH} NOT IN ({})", list(hashes)),
        }
    }
}

/// A group's values may be long, and a thousand of them longer than a query may be.
const HASH: &str = "hex(sipHash128(k))";

impl<'a> Plan<'a> {
    pub(super) fn new(spec: &'a Spec, options: &Options, table: &TableName) -> Result<Self, SpecError> {
        let mut pieces = Pieces::new('c');
        pieces.define(&spec.calculated_fields)?;
        let dataset: Vec<_> = options.dataset.iter().map(|dataset| of_dataset(dataset)).collect();
        let dataset = pieces.filters(&dataset, Combination::And, "")?;
        let filters = pieces.filters(&spec.filters, spec.filter_combination, "")?;
        let mut groups = Vec::new();
        for (place, name) in spec.breakdowns.iter().enumerate() {
            groups.push(pieces.column(name, || format!("breakdowns[{place}]"))?);
        }
        let window = &options.window;
        let steps = window.times().len();
        let mut cells = Vec::new();
        for (place, calculation) in spec.calculations.iter().enumerate() {
            let path = format!("calculations[{place}].");
            let own = pieces.filters(&calculation.filters, calculation.filter_combination, &path)?;
            let own = pieces.alias(own, Kind::Bool).text;
            let column = calculation.column.as_ref();
            let column = column.map(|name| pieces.column(name, || format!("{path}column"))).transpose()?;
            let number = match &column {
                Some(column) => pieces.number(column),
                None => String::new(),
            };
            let steps = (window.first_nano(), window.step_nano(), steps);
            cells.push(cell(calculation, &own, column.as_ref(), &number, steps));
        }
        let mut outer = Pieces::new('f');
        for (place, calculation) in spec.calculations.iter().enumerate().rev() {
            outer.columns.insert(calculation.key(), Sql::new(format!("n{place}"), Kind::Number));
        }
        let mut formulas = Vec::new();
        for (place, formula) in spec.formulas.iter().enumerate() {
            let refuse = |message| SpecError::new(format!("formulas[{place}].expression"), message);
            if formula.parsed.tells_time() {
                return Err(refuse("a group has no time of its own".to_owned()));
            }
            let value = outer.expression(&formula.parsed).map_err(refuse)?;
            formulas.push(match value.kind {
                Kind::Bool => outer.loose_number(&value),
                _ => outer.number(&value),
            });
        }

        let key = if groups.is_empty() {
            "''".to_owned()
        } else {
            let texts: Vec<_> = groups.iter().map(|group| format!("toNullable({})", shown(group))).collect();
            format!("toJSONString([{}])", texts.join(", "))
        };
        let in_window = within(window.start_nano()..window.end_nano());
        let columns = after(pieces.list.iter().cloned());
        let rows = format!(
            "(SELECT toUnixTimestamp64Nano(Timestamp) AS t, toInt64(Duration) AS d, TraceId AS id, \
             intDiv(t - {}, {}) AS s{columns}, {key} AS k FROM {table} WHERE {in_window} AND {dataset} AND {filters})",
            window.first_nano(),
            window.step_nano(),
        );
        Ok(Self {
            spec,
            rows,
            scanned: format!("SELECT toFloat64(count()) FROM {table} WHERE {in_window}"),
            breakdowns: groups.iter().map(|group| group.kind).collect(),
            groups,
            cells,
            formula_pieces: outer.list,
            formulas,
        })
    }

    /// How many rows the window has: one number.
    pub(super) fn scanned(&self) -> &str {
        &self.scanned
    }

    /// The groups to show, in their order: key, hash, how many groups there are, exemplars, a number by calculation.
    pub(super) fn groups(&self) -> String {
        let exemplars = format!(
            "arraySlice(arrayDistinct(arrayMap(x -> x.2, groupArraySorted({EXEMPLAR_SPANS})((-d, id)))), 1, {EXEMPLARS})"
        );
        let breakdowns = self.groups.iter().enumerate();
        let breakdowns = after(breakdowns.map(|(place, group)| format!("any({}) AS b{place}", group.text)));
        let formulas = after(self.formula_pieces.iter().cloned());
        let by = if self.groups.is_empty() { "" } else { " GROUP BY k" };
        let key = if self.groups.is_empty() { "''" } else { "k" };
        let having = |having: &Having| {
            format!("ifNull(n{} {} {}, false)", having.calculation, having.op, float(having.value))
        };
        let havings: Vec<_> =
            ["true".to_owned()].into_iter().chain(self.spec.havings.iter().map(having)).collect();
        let havings = havings.join(" AND ");
        let inner = format!(
            "SELECT {key} AS key, hex(sipHash128(key)) AS hash, {exemplars} AS exemplars{}{breakdowns}{formulas} FROM {}{by}",
            self.numbers(|cell| &cell.value),
            self.rows,
        );
        let numbers = after((0..self.cells.len()).map(|place| format!("n{place}")));
        let orders = self.orders();
        let orders =
            if orders.is_empty() { String::new() } else { format!(" ORDER BY {}", orders.join(", ")) };
        format!(
            "SELECT key, hash, toFloat64(count() OVER ()), exemplars{numbers} FROM ({inner}) WHERE {havings}{orders} LIMIT {}",
            self.spec.limit,
        )
    }

    /// How many rows pass, and a number by calculation: one row.
    pub(super) fn total(&self, scope: Scope<'_>) -> String {
        let numbers = self.numbers(|cell| &cell.value);
        format!("SELECT toFloat64(count()){numbers} FROM {}{}", self.rows, scope.condition())
    }

    /// Hash, step, a number by calculation; steps without rows are left out.
    pub(super) fn series(&self, scope: Scope<'_>) -> String {
        let (key, numbers) = (scope.key(), self.numbers(|cell| &cell.in_step));
        format!(
            "SELECT {key} AS h, toFloat64(s){numbers} FROM {}{} GROUP BY h, s",
            self.rows,
            scope.condition()
        )
    }

    /// Of a CONCURRENCY: hash, steps, the most in each.
    pub(super) fn concurrency(&self, calculation: usize, scope: Scope<'_>) -> Option<String> {
        let over_steps = self.cells[calculation].over_steps.as_ref()?;
        let by = if matches!(scope, Scope::Shown(_)) { " GROUP BY h" } else { "" };
        let (key, condition) = (scope.key(), scope.condition());
        Some(format!(
            "SELECT {key} AS h, {over_steps} AS most, most.1, most.2 FROM {}{condition}{by}",
            self.rows
        ))
    }

    /// Of a HEATMAP: least, most, median, least above zero; null without rows. Its own filters do not move the bins.
    pub(super) fn spread(&self, calculation: usize) -> Option<String> {
        let (x, _) = self.cells[calculation].heatmap.as_ref()?;
        Some(format!(
            "SELECT minOrNull({x}), maxOrNull({x}), quantileExactLowOrNullIf(0.5)({x}, isNotNull({x})), \
             minOrNullIf({x}, {x} > 0) FROM {}",
            self.rows,
        ))
    }

    /// Of a HEATMAP: hash, step, bin, how many. By step for everything, else over all steps.
    pub(super) fn bins(&self, calculation: usize, edges: &[f64], scope: Scope<'_>) -> Option<String> {
        let (x, own) = self.cells[calculation].heatmap.as_ref()?;
        let last = edges.len().saturating_sub(1);
        let edges: Vec<_> = edges.iter().map(|edge| float(*edge)).collect();
        let (key, condition) = (scope.key(), scope.condition());
        let step = if matches!(scope, Scope::Shown(_)) { "0" } else { "s" };
        Some(format!(
            "SELECT h, toFloat64(step), toFloat64(bin), toFloat64(count()) FROM (SELECT {key} AS h, {step} AS step, \
             least(greatest(arrayCount(edge -> edge <= assumeNotNull({x}), [{}]), 1), {last}) - 1 AS bin, \
             {own} AND isNotNull({x}) AS counts FROM {}{condition}) WHERE counts GROUP BY h, step, bin",
            edges.join(", "),
            self.rows,
        ))
    }

    fn numbers(&self, of: fn(&Cell) -> &String) -> String {
        after(self.cells.iter().enumerate().map(|(place, cell)| format!("{} AS n{place}", of(cell))))
    }

    fn orders(&self) -> Vec<String> {
        let direction = |descending| if descending { "DESC" } else { "ASC" };
        let mut orders = Vec::new();
        for order in &self.spec.orders {
            let direction = direction(order.descending);
            match order.by {
                OrderBy::Calculation(place) => orders.push(format!("n{place} {direction} NULLS LAST")),
                OrderBy::Formula(place) => {
                    orders.push(format!("{} {direction} NULLS LAST", self.formulas[place]));
                }
                OrderBy::Breakdown(place) => {
                    orders.push(format!("isNull(b{place})"));
                    orders.extend(self.breakdown(place, direction));
                }
                OrderBy::Nothing => {}
            }
        }
        let is_line = |calculation: &Calculation| calculation.op != CalculationOp::Heatmap;
        if self.spec.orders.is_empty()
            && let Some(place) = self.spec.calculations.iter().position(is_line)
        {
            orders.push(format!("n{place} DESC NULLS LAST"));
        }
        for place in 0..self.breakdowns.len() {
            orders.push(format!("isNull(b{place}) DESC"));
            orders.extend(self.breakdown(place, "ASC"));
        }
        orders
    }

    /// Truth before numbers before texts.
    fn breakdown(&self, place: usize, direction: &str) -> Vec<String> {
        let b = format!("b{place}");
        if self.breakdowns[place] != Kind::Any {
            return vec![format!("{b} {direction}")];
        }
        let rank = format!("multiIf({b} IN ('true', 'false'), 0, match({b}, '{NUMBER}'), 1, 2)");
        [rank, reads_as_number(&b), b].iter().map(|by| format!("{by} {direction}")).collect()
    }
}

/// Behind what stands before: each with its comma.
pub(super) fn after(pieces: impl Iterator<Item = String>) -> String {
    pieces.fold(String::new(), |list, piece| list + ", " + &piece)
}

fn cell(
    calculation: &Calculation,
    own: &str,
    column: Option<&Sql>,
    x: &str,
    (first, step, steps): (i64, i64, usize),
) -> Cell {
    use CalculationOp::{
        Avg, Concurrency, Count, CountDistinct, Heatmap, Max, Min, Percentile, RateAvg, RateMax, RateSum, Sum,
    };
    let filled = format!("{own} AND isNotNull({x})");
    let plain = |text: String| Cell { value: text.clone(), in_step: text, over_steps: None, heatmap: None };
    // The sum of all differences is that of the last and the first.
    let rate = |in_step: String, by_step: String| Cell {
        value: format!("arrayMap(v -> if(length(v) > 1, v[-1] - v[1], NULL), [{by_step}])[1]"),
        in_step,
        over_steps: None,
        heatmap: None,
    };
    let filled_x = format!("[s], [assumeNotNull({x})]");
    match calculation.op {
        Count => match column {
            None => plain(format!("toFloat64(countIf({own}))")),
            Some(column) => plain(format!("toFloat64(countIf({own} AND isNotNull({})))", column.text)),
        },
        CountDistinct => {
            let text = column.map_or("NULL".to_owned(), shown);
            plain(format!("toFloat64(uniqExactIf({text}, {own} AND isNotNull({text})))"))
        }
        Sum => plain(format!("sumOrNullIf({x}, {filled})")),
        Avg => plain(format!("avgOrNullIf({x}, {filled})")),
        Min => plain(format!("minOrNullIf({x}, {filled})")),
        Max => plain(format!("maxOrNullIf({x}, {filled})")),
        Percentile(thousandth) => plain(percentile(x, &filled, thousandth)),
        RateSum => rate(format!("sumOrNullIf({x}, {filled})"), {
            // The ones keep steps whose sum is 0.
            format!("sumMapIf({filled_x}, [1], {filled}).2")
        }),
        RateMax => rate(format!("maxOrNullIf({x}, {filled})"), format!("maxMapIf({filled_x}, {filled}).2")),
        RateAvg => rate(format!("avgOrNullIf({x}, {filled})"), {
            let sums = format!("sumMapIf({filled_x}, [1], {filled})");
            format!("arrayMap((sum, count) -> sum / count, {sums}.2, {sums}.3)")
        }),
        Concurrency => {
            let over_steps = concurrency(own, first, step, steps);
            let value = format!("toFloat64(arrayMax({over_steps}.2))");
            Cell { value, in_step: "NULL".to_owned(), over_steps: Some(over_steps), heatmap: None }
        }
        Heatmap => {
            let heatmap = Some((x.to_owned(), own.to_owned()));
            Cell { value: "NULL".to_owned(), in_step: "NULL".to_owned(), over_steps: None, heatmap }
        }
    }
}

/// Ends (0), beginnings of steps (1) and starts (2) in the order of time: how many have started and not ended, at each
/// start and each beginning. A span is not at once with itself, nor with one that ends as it starts.
fn concurrency(own: &str, first: i64, step: i64, steps: usize) -> String {
    let event = |time: &str, kind: u8| format!("(toInt64({time}), toUInt8({kind}))");
    let (starts, ends) = (event("t", 2), event("t + d", 0));
    let begins = event(&format!("{first} + i * {step}"), 1);
    let events = format!(
        "arraySort(arrayConcat(groupArrayIf({starts}, {own}), groupArrayIf({ends}, {own}), arrayMap(i -> {begins}, range({steps}))))"
    );
    let at_once = "toInt64(begun) - least(toInt64(ended), toInt64(begun) - (e.2 = 2))";
    let counted = format!(
        "arrayFilter(x -> x.3 > 0, arrayMap((e, begun, ended) -> (intDiv(e.1 - {first}, {step}), {at_once}, e.2), events, \
         arrayCumSum(e -> e.2 = 2, events), arrayCumSum(e -> e.2 = 0, events)))"
    );
    format!(
        "arrayMap(events -> arrayMap(seen -> arrayReduce('maxMap', arrayMap(x -> [x.1], seen), arrayMap(x -> [x.2], seen)), [{counted}])[1], [{events}])[1]"
    )
}
