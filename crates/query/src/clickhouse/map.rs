//! Services and who calls whom, by three SELECTs: a row for each service, for each database, for each pair.

use serde_json::Value as Json;

use super::plan::after;
use super::sql::{Pieces, percentile, shown, within};
use super::{Error, Rows, TableName, number, text};
use crate::map::{CALLER_HEAD_START, Edge, Node, ServiceMap};
use crate::run::Window;
use crate::spec::SpecError;

/// Calls, failed ones, the median and the 95th percentile in nanoseconds, of the rows that `condition` says.
fn calls(condition: &str) -> String {
    format!(
        "toFloat64(countIf({condition})), toFloat64(countIf({condition} AND failed)), {}, {}",
        percentile("d", condition, 500),
        percentile("d", condition, 950),
    )
}

/// # Errors
/// That of `ask`.
pub async fn service_map<A, E>(table: &TableName, window: &Window, ask: &A) -> Result<ServiceMap, Error<E>>
where
    A: AsyncFn(String) -> Result<Rows, E>,
{
    let (start, end) = (window.start_nano(), window.end_nano());
    let rows = rows(table, &within(start..end))?;
    let services = ask(format!(
        "SELECT service, {}, {} FROM {rows} GROUP BY service",
        calls("serves"),
        calls("parent = ''"),
    ));
    let services = services.await.map_err(Error::Ask)?;
    let databases =
        format!("SELECT database, {} FROM {rows} WHERE isNotNull(database) GROUP BY database", calls("true"));
    let databases = ask(databases).await.map_err(Error::Ask)?;
    // A caller starts before the one it calls.
    let early = window.earlier(CALLER_HEAD_START).start_nano();
    let edges = format!(
        "SELECT caller, called, {} FROM (SELECT caller, service AS called, d, failed FROM {rows} AS calls \
         LEFT SEMI JOIN (SELECT SpanId AS id, {SERVICE} AS caller FROM {table} WHERE {}) AS callers ON calls.parent = callers.id \
         WHERE caller != called UNION ALL SELECT service, assumeNotNull(database), d, failed FROM {rows} WHERE isNotNull(database)) \
         GROUP BY caller, called ORDER BY caller, called",
        calls("true"),
        within(early..end),
    );
    let edges = ask(edges).await.map_err(Error::Ask)?;

    let mut nodes: Vec<Node> = services
        .iter()
        .map(|row| {
            let is_served = number(row, 1).is_some_and(|requests| requests > 0.0);
            node(row, if is_served { 1 } else { 5 }, "service")
        })
        .chain(databases.iter().map(|row| node(row, 1, "database")))
        .collect();
    nodes.sort_by(|a, b| a.service.cmp(&b.service));
    Ok(ServiceMap { nodes, edges: edges.iter().map(|row| edge(row)).collect() })
}

/// Without one the SDKs say so themselves; others leave it out.
const SERVICE: &str = "if(ServiceName = '', 'unknown_service', toString(ServiceName))";

fn rows(table: &TableName, in_window: &str) -> Result<String, SpecError> {
    let mut pieces = Pieces::new('c');
    let [kind, error, system, namespace] =
        ["span.kind", "error", "db.system.name", "db.namespace"].map(|name| pieces.column(name, String::new));
    let (kind, error, system, namespace) = (kind?.text, error?.text, shown(&system?), shown(&namespace?));
    Ok(format!(
        "(SELECT {SERVICE} AS service, ParentSpanId AS parent, toInt64(Duration) AS d{}, isNotNull({error}) AS failed, \
         {kind} IN ('server', 'consumer') AS serves, \
         if({kind} = 'client', if(isNull({namespace}), {system}, concat({system}, ' ', {namespace})), NULL) AS database \
         FROM {table} WHERE {in_window})",
        after(pieces.list.into_iter()),
    ))
}

fn node(row: &[Json], from: usize, kind: &'static str) -> Node {
    Node {
        service: text(row, 0).to_owned(),
        kind,
        requests: number(row, from).unwrap_or_default() as u64,
        errors: number(row, from + 1).unwrap_or_default() as u64,
        p50_ms: milliseconds(row, from + 2),
        p95_ms: milliseconds(row, from + 3),
    }
}

fn edge(row: &[Json]) -> Edge {
    Edge {
        from: text(row, 0).to_owned(),
        to: text(row, 1).to_owned(),
        requests: number(row, 2).unwrap_or_default() as u64,
        errors: number(row, 3).unwrap_or_default() as u64,
        p95_ms: milliseconds(row, 5),
    }
}

fn milliseconds(row: &[Json], place: usize) -> Option<f64> {
    number(row, place).map(|nanos| nanos / 1e6)
}
