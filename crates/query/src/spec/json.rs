//! JSON as Honeycomb writes it, to and from the types. What concerns one field alone is refused here; `check` has the rest.

use serde_json::{Map, Value as Json, json};

use super::{
    Calculation, CalculationOp, Combination, CompareOp, DEFAULT_LIMIT, Filter, FilterOp, Having,
    MAX_ELEMENTS, MAX_LIMIT, Named, Order, OrderBy, Spec, SpecError, Time,
};
use crate::expr::Expr;
use crate::value::Value;

const FIELDS: [&str; 13] = [
    "calculations",
    "calculated_fields",
    "formulas",
    "filters",
    "filter_combination",
    "breakdowns",
    "orders",
    "havings",
    "limit",
    "granularity",
    "time_range",
    "start_time",
    "end_time",
];
const COMPARE: &str = "compare_time_offset_seconds";

type Result<T> = std::result::Result<T, SpecError>;

/// A place in the document.
struct At<'a> {
    path: String,
    json: &'a Json,
}

/// An object whose keys are all known.
struct Fields<'a> {
    path: String,
    map: &'a Map<String, Json>,
}

impl<'a> At<'a> {
    fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(SpecError::new(self.path.clone(), message))
    }

    fn fields(&self, known: &[&str]) -> Result<Fields<'a>> {
        let Some(map) = self.json.as_object() else { return self.fail("must be an object") };
        let fields = Fields { path: self.path.clone(), map };
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => {
                Err(SpecError::new(fields.at(key), format!("unknown; known are {}", known.join(", "))))
            }
            None => Ok(fields),
        }
    }

    fn elements(&self) -> Result<Vec<At<'a>>> {
        let Some(elements) = self.json.as_array() else { return self.fail("must be an array") };
        if elements.len() > MAX_ELEMENTS {
            return self.fail(format!("has {} elements; {MAX_ELEMENTS} is the most", elements.len()));
        }
        let place = |(place, json)| At { path: format!("{}[{place}]", self.path), json };
        Ok(elements.iter().enumerate().map(place).collect())
    }

    fn text(&self) -> Result<&'a str> {
        match self.json.as_str() {
            Some("") => self.fail("must not be empty"),
            Some(text) => Ok(text),
            None => self.fail("must be a string"),
        }
    }

    fn whole(&self) -> Result<u64> {
        self.json.as_u64().map_or_else(|| self.fail("must be a whole number, 0 or more"), Ok)
    }

    fn op<T>(&self, find: impl Fn(&str) -> std::result::Result<T, String>) -> Result<T> {
        find(self.text()?).or_else(|message| self.fail(message))
    }

    fn value(&self) -> Result<Value> {
        match Value::from_json(self.json) {
            Some(value) => Ok(value),
            None => self.fail("must be a string, a number, true or false"),
        }
    }
}

impl<'a> Fields<'a> {
    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A null is the same as nothing.
    fn get(&self, key: &str) -> Option<At<'a>> {
        let json = self.map.get(key).filter(|json| !json.is_null())?;
        Some(At { path: self.at(key), json })
    }

    fn need(&self, key: &str) -> Result<At<'a>> {
        self.get(key).ok_or_else(|| SpecError::new(self.at(key), "is missing"))
    }

    fn map<T>(&self, key: &str, read: impl Fn(&At<'a>) -> Result<T>) -> Result<Option<T>> {
        self.get(key).as_ref().map(read).transpose()
    }

    fn list<T>(&self, key: &str, read: impl Fn(&At<'a>) -> Result<T>) -> Result<Vec<T>> {
        match self.get(key) {
            Some(at) => at.elements()?.iter().map(read).collect(),
            None => Ok(Vec::new()),
        }
    }
}

pub(super) fn read(json: &Json) -> Result<Spec> {
    let root = At { path: String::new(), json };
    if !json.is_object() {
        return root.fail("a query is a JSON object");
    }
    let known: Vec<_> = FIELDS.iter().copied().chain([COMPARE]).collect();
    let fields = root.fields(&known)?;
    let mut calculations = fields.list("calculations", calculation)?;
    if calculations.is_empty() {
        calculations.push(Calculation::count());
    }
    let calculated_fields = fields.list("calculated_fields", named)?;
    let formulas = fields.list("formulas", named)?;
    let breakdowns = fields.list("breakdowns", |at| at.text().map(str::to_owned))?;
    let limit = match fields.get("limit") {
        None => DEFAULT_LIMIT,
        Some(at) => match at.whole()? {
            limit if (1..=MAX_LIMIT).contains(&limit) => limit,
            _ => return at.fail(format!("must be 1 to {MAX_LIMIT}")),
        },
    };
    let mut spec = Spec {
        calculations,
        calculated_fields,
        formulas,
        filters: fields.list("filters", filter)?,
        filter_combination: combination(&fields)?,
        breakdowns,
        orders: Vec::new(),
        havings: Vec::new(),
        limit,
        granularity: fields.map("granularity", At::whole)?.unwrap_or(0),
        time: Time {
            range: fields.map("time_range", At::whole)?,
            start: fields.map("start_time", At::whole)?,
            end: fields.map("end_time", At::whole)?,
        },
        compare_time_offset_seconds: fields.map(COMPARE, At::whole)?,
    };
    spec.orders = fields.list("orders", |at| order(at, &spec))?;
    spec.havings = fields.list("havings", |at| having(at, &spec))?;
    Ok(spec)
}

fn calculation(at: &At<'_>) -> Result<Calculation> {
    let fields = at.fields(&["op", "column", "name", "filters", "filter_combination"])?;
    let op = fields.need("op")?.op(CalculationOp::find)?;
    let column = fields.map("column", |at| at.text().map(str::to_owned))?;
    match (op, &column) {
        (CalculationOp::Concurrency, Some(_)) => {
            return Err(SpecError::new(fields.at("column"), "CONCURRENCY takes no column"));
        }
        (CalculationOp::Count | CalculationOp::Concurrency, _) | (_, Some(_)) => {}
        (_, None) => return Err(SpecError::new(fields.at("column"), format!("{op} needs a column"))),
    }
    let name = fields.map("name", |at| at.text().map(str::to_owned))?;
    let filters = fields.list("filters", filter)?;
    if !filters.is_empty() && name.is_none() {
        return Err(SpecError::new(fields.at("name"), "a calculation with filters needs a name"));
    }
    Ok(Calculation { op, column, name, filters, filter_combination: combination(&fields)? })
}

fn named(at: &At<'_>) -> Result<Named> {
    let fields = at.fields(&["name", "expression"])?;
    let name = fields.need("name")?.text()?.to_owned();
    let expression = fields.need("expression")?;
    let parsed = Expr::parse(expression.text()?).or_else(|error| expression.fail(error.to_string()))?;
    Ok(Named { name, expression: expression.text()?.to_owned(), parsed })
}

fn filter(at: &At<'_>) -> Result<Filter> {
    let fields = at.fields(&["column", "op", "value"])?;
    let column = fields.need("column")?.text()?.to_owned();
    let op = fields.need("op")?.op(FilterOp::find)?;
    let value = fields.get("value");
    let values = match (op, value) {
        (FilterOp::Exists | FilterOp::DoesNotExist, None) => Vec::new(),
        (FilterOp::Exists | FilterOp::DoesNotExist, Some(value)) => {
            return value.fail(format!("{op} takes no value"));
        }
        (_, None) => return Err(SpecError::new(fields.at("value"), format!("{op} needs a value"))),
        (FilterOp::In | FilterOp::NotIn, Some(value)) => {
            if !value.json.is_array() {
                return value.fail(format!("{op} needs an array"));
            }
            value.elements()?.iter().map(At::value).collect::<Result<_>>()?
        }
        (op, Some(value)) if op.is_of_text() && !value.json.is_string() => {
            return value.fail(format!("{op} needs a string"));
        }
        (_, Some(value)) => vec![value.value()?],
    };
    Ok(Filter { column, op, values })
}

fn combination(fields: &Fields<'_>) -> Result<Combination> {
    let find = |word: &str| match word {
        "AND" => Ok(Combination::And),
        "OR" => Ok(Combination::Or),
        _ => Err(format!("\"{word}\" is neither AND nor OR")),
    };
    Ok(fields.map("filter_combination", |at| at.op(find))?.unwrap_or_default())
}

fn order(at: &At<'_>, spec: &Spec) -> Result<Order> {
    let fields = at.fields(&["column", "op", "order"])?;
    let column = fields.map("column", |at| at.text().map(str::to_owned))?;
    let op = fields.map("op", |at| at.op(CalculationOp::find))?;
    let direction = |word: &str| match word {
        "ascending" => Ok(false),
        "descending" => Ok(true),
        _ => Err(format!("\"{word}\" is neither ascending nor descending")),
    };
    let descending = fields.map("order", |at| at.op(direction))?.unwrap_or(false);
    if op == Some(CalculationOp::Heatmap) {
        return Err(SpecError::new(fields.at("op"), "nothing is ordered by a HEATMAP"));
    }
    let by = match (&column, op) {
        (None, None) => return at.fail("needs a column, an op, or both"),
        (_, Some(op)) => meant(op, column.as_deref(), spec).map(OrderBy::Calculation),
        (Some(column), None) => order_by_column(column, spec),
    };
    let Some(by) = by else {
        return at.fail("is no calculation, formula, calculated field or breakdown of this query");
    };
    if let OrderBy::Calculation(place) = by
        && spec.calculations[place].op == CalculationOp::Heatmap
    {
        return at.fail("nothing is ordered by a HEATMAP");
    }
    Ok(Order { by, descending, column, op })
}

/// The one without a name, if there is one: a name is how the others are meant.
fn meant(op: CalculationOp, column: Option<&str>, spec: &Spec) -> Option<usize> {
    let alike = |named: bool| {
        spec.calculations
            .iter()
            .position(|c| c.op == op && c.column.as_deref() == column && c.name.is_some() == named)
    };
    alike(false).or_else(|| alike(true))
}

fn order_by_column(column: &str, spec: &Spec) -> Option<OrderBy> {
    let calculations = || spec.calculations.iter();
    let by_name = calculations().position(|calculation| calculation.name.as_deref() == Some(column));
    let formula = spec.formulas.iter().position(|formula| formula.name == column);
    let breakdown = spec.breakdowns.iter().position(|breakdown| breakdown == column);
    let of_column = || {
        calculations().position(|calculation| {
            calculation.column.as_deref() == Some(column) && calculation.op != CalculationOp::Heatmap
        })
    };
    let field = || spec.calculated_fields.iter().any(|field| field.name == column);
    by_name
        .map(OrderBy::Calculation)
        .or(formula.map(OrderBy::Formula))
        .or(breakdown.map(OrderBy::Breakdown))
        .or_else(|| of_column().map(OrderBy::Calculation))
        .or_else(|| field().then_some(OrderBy::Nothing))
}

fn having(at: &At<'_>, spec: &Spec) -> Result<Having> {
    let fields = at.fields(&["calculate_op", "column", "op", "value"])?;
    let calculate_op = fields.need("calculate_op")?.op(CalculationOp::find)?;
    if calculate_op == CalculationOp::Heatmap {
        return Err(SpecError::new(fields.at("calculate_op"), "a HEATMAP is no number to compare"));
    }
    let column = fields.map("column", |at| at.text().map(str::to_owned))?;
    let op = fields.need("op")?.op(CompareOp::find)?;
    let value = fields.need("value")?;
    let Some(value) = value.json.as_f64() else { return value.fail("must be a number") };
    match meant(calculate_op, column.as_deref(), spec) {
        Some(calculation) => Ok(Having { calculation, op, value }),
        None => at.fail("is of no calculation of this query (same op, same column)"),
    }
}

pub(super) fn write(spec: &Spec) -> Json {
    let mut json = Map::new();
    let mut list = |key: &str, elements: Vec<Json>| {
        if !elements.is_empty() {
            json.insert(key.to_owned(), Json::Array(elements));
        }
    };
    let named = |named: &Named| json!({ "name": named.name, "expression": named.expression });
    list("calculations", spec.calculations.iter().map(write_calculation).collect());
    list("calculated_fields", spec.calculated_fields.iter().map(named).collect());
    list("formulas", spec.formulas.iter().map(named).collect());
    list("filters", spec.filters.iter().map(write_filter).collect());
    list("breakdowns", spec.breakdowns.iter().map(|column| json!(column)).collect());
    list("orders", spec.orders.iter().map(write_order).collect());
    list("havings", spec.havings.iter().map(|having| write_having(having, spec)).collect());
    if spec.filter_combination == Combination::Or {
        json.insert("filter_combination".to_owned(), json!("OR"));
    }
    json.insert("limit".to_owned(), json!(spec.limit));
    let numbers = [
        ("granularity", Some(spec.granularity).filter(|seconds| *seconds > 0)),
        ("time_range", spec.time.range),
        ("start_time", spec.time.start),
        ("end_time", spec.time.end),
        (COMPARE, spec.compare_time_offset_seconds),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            json.insert(key.to_owned(), json!(number));
        }
    }
    Json::Object(json)
}

fn write_calculation(calculation: &Calculation) -> Json {
    let mut json = json!({ "op": calculation.op.to_string() });
    if let Some(column) = &calculation.column {
        json["column"] = json!(column);
    }
    if let Some(name) = &calculation.name {
        json["name"] = json!(name);
    }
    if !calculation.filters.is_empty() {
        json["filters"] = calculation.filters.iter().map(write_filter).collect();
    }
    if calculation.filter_combination == Combination::Or {
        json["filter_combination"] = json!("OR");
    }
    json
}

fn write_filter(filter: &Filter) -> Json {
    let mut json = json!({ "column": filter.column, "op": filter.op.to_string() });
    match filter.op {
        FilterOp::Exists | FilterOp::DoesNotExist => {}
        FilterOp::In | FilterOp::NotIn => json["value"] = json!(filter.values),
        _ => json["value"] = json!(filter.values.first()),
    }
    json
}

fn write_order(order: &Order) -> Json {
    let mut json = json!({});
    if let Some(column) = &order.column {
        json["column"] = json!(column);
    }
    if let Some(op) = order.op {
        json["op"] = json!(op.to_string());
    }
    if order.descending {
        json["order"] = json!("descending");
    }
    json
}

fn write_having(having: &Having, spec: &Spec) -> Json {
    let calculation = &spec.calculations[having.calculation];
    let mut json = json!({
        "calculate_op": calculation.op.to_string(),
        "op": having.op.to_string(),
        "value": having.value,
    });
    if let Some(column) = &calculation.column {
        json["column"] = json!(column);
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_calculations_alike_the_one_without_a_name_is_meant() {
        let check = |calculations: Json, expect: usize| {
            let spec = json!({
                "calculations": calculations, "breakdowns": ["name"], "orders": [{"op": "COUNT"}],
                "havings": [{"calculate_op": "COUNT", "op": ">", "value": 1}],
            });
            let spec = Spec::parse(&spec).unwrap();
            assert!(
                matches!(spec.orders[0].by, OrderBy::Calculation(place) if place == expect),
                "{calculations}"
            );
            assert_eq!(spec.havings[0].calculation, expect, "{calculations}");
        };
        let failed = json!({"op": "COUNT", "name": "failed", "filters": [{"column": "error", "op": "=", "value": true}]});
        check(json!([failed, {"op": "COUNT"}]), 1);
        check(json!([{"op": "COUNT"}, failed]), 0);
        check(json!([{"op": "MAX", "column": "rows"}, failed]), 1);
    }
}
