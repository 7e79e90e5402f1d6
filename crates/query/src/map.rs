//! Services and who calls whom, from the spans of a time.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::run::hash::MixState;
use crate::run::select::window_mask;
use crate::run::{Window, nearest_rank};
use crate::table::{Code, MISSING, Segment, Table};
use crate::value::{Value, ValueRef};

/// In seconds: a caller may have begun so long before the one it calls.
pub(crate) const CALLER_HEAD_START: u64 = 3_600;

#[derive(Clone, Debug, Serialize)]
pub struct ServiceMap {
    /// By name.
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Node {
    pub service: String,
    /// `service`, or `database` for what database spans name.
    pub kind: &'static str,
    /// Server and consumer spans; of a service without any its roots; of a database the calls to it.
    pub requests: u64,
    pub errors: u64,
    /// Null without requests.
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Edge {
    pub from: String,
    pub to: String,
    pub requests: u64,
    pub errors: u64,
    pub p95_ms: Option<f64>,
}

/// Durations in nanoseconds, and how many failed.
#[derive(Default)]
struct Calls {
    durations: Vec<i64>,
    errors: u64,
}

/// The columns of a row that the map is made of.
#[derive(Default)]
struct Cells {
    service: Vec<Code>,
    kind: Vec<Code>,
    error: Vec<Code>,
    database: Vec<Code>,
    namespace: Vec<Code>,
}

pub fn service_map(table: &Table, window: &Window) -> ServiceMap {
    let find = |name: &str| table.find(name);
    let text = |name: &str, code: Code| {
        find(name).and_then(|(_, dictionary)| dictionary.value(code)).map(Value::to_string)
    };
    let kind = |word: &str| find("span.kind").and_then(|(_, kinds)| kinds.find(ValueRef::Str(word)));
    let (server, consumer, client) = (kind("server"), kind("consumer"), kind("client"));
    let callers = callers(table, window);

    let mut serving: HashMap<Code, Calls> = HashMap::new();
    let mut roots: HashMap<Code, Calls> = HashMap::new();
    let mut databases: BTreeMap<String, Calls> = BTreeMap::new();
    let mut edges: BTreeMap<(String, String), Calls> = BTreeMap::new();
    let name = |code: Code| text("service.name", code).unwrap_or_else(|| "unknown_service".to_owned());
    let mut cells = Cells::default();
    for segment in table.segments() {
        let Some(mask) = window_mask(segment, window.start_nano(), window.end_nano()) else { continue };
        cells.load(table, segment);
        for row in (0..segment.rows()).filter(|row| mask[*row]) {
            let (service, kind) = (cells.service[row], Some(cells.kind[row]));
            let (duration, is_error) = (segment.durations()[row], cells.error[row] != MISSING);
            let is_serving = kind.is_some() && (kind == server || kind == consumer);
            let parent = segment.parent_ids()[row];
            serving.entry(service).or_default();
            if is_serving {
                serving.entry(service).or_default().add(duration, is_error);
            }
            if parent == 0 {
                roots.entry(service).or_default().add(duration, is_error);
            } else if let Some(caller) = callers.get(&parent).filter(|caller| **caller != service) {
                edges.entry((name(*caller), name(service))).or_default().add(duration, is_error);
            }
            if kind == client && cells.database[row] != MISSING {
                let system = text("db.system.name", cells.database[row]).unwrap_or_default();
                let database = match text("db.namespace", cells.namespace[row]) {
                    Some(namespace) => format!("{system} {namespace}"),
                    None => system,
                };
                edges.entry((name(service), database.clone())).or_default().add(duration, is_error);
                databases.entry(database).or_default().add(duration, is_error);
            }
        }
    }
    let mut nodes: Vec<Node> = serving
        .into_iter()
        .map(|(service, calls)| {
            let is_served = !calls.durations.is_empty();
            let calls = if is_served { calls } else { roots.remove(&service).unwrap_or_default() };
            calls.node(name(service), "service")
        })
        .chain(databases.into_iter().map(|(database, calls)| calls.node(database, "database")))
        .collect();
    nodes.sort_by(|a, b| a.service.cmp(&b.service));
    let edge = |((from, to), mut calls): ((String, String), Calls)| Edge {
        from,
        to,
        requests: calls.durations.len() as u64,
        errors: calls.errors,
        p95_ms: calls.percentile(950),
    };
    ServiceMap { nodes, edges: edges.into_iter().map(edge).collect() }
}

/// The service of every span that may be a parent. Its window is wider: a caller starts before the one it calls.
fn callers(table: &Table, window: &Window) -> HashMap<u64, Code, MixState> {
    let mut callers = HashMap::default();
    let Some((column, _)) = table.find("service.name") else { return callers };
    let mut services = Vec::new();
    let early = window.earlier(CALLER_HEAD_START);
    for segment in table.segments() {
        let Some(mask) = window_mask(segment, early.start_nano(), window.end_nano()) else { continue };
        segment.codes(column, &mut services);
        let rows = segment.span_ids().iter().zip(&services).zip(&mask);
        callers.extend(rows.filter(|(_, mask)| **mask).map(|((id, service), _)| (*id, *service)));
    }
    callers
}

impl Cells {
    fn load(&mut self, table: &Table, segment: &Segment) {
        let columns = [
            ("service.name", &mut self.service),
            ("span.kind", &mut self.kind),
            ("error", &mut self.error),
            ("db.system.name", &mut self.database),
            ("db.namespace", &mut self.namespace),
        ];
        for (name, cells) in columns {
            if let Some((column, _)) = table.find(name) {
                segment.codes(column, cells);
            } else {
                cells.clear();
                cells.resize(segment.rows(), MISSING);
            }
        }
    }
}

impl Calls {
    fn add(&mut self, duration: i64, is_error: bool) {
        self.durations.push(duration);
        self.errors += u64::from(is_error);
    }

    fn percentile(&mut self, thousandth: u16) -> Option<f64> {
        if self.durations.is_empty() {
            return None;
        }
        let place = nearest_rank(self.durations.len(), thousandth);
        Some(*self.durations.select_nth_unstable(place).1 as f64 / 1e6)
    }

    fn node(mut self, service: String, kind: &'static str) -> Node {
        let (p50_ms, p95_ms) = (self.percentile(500), self.percentile(950));
        Node { service, kind, requests: self.durations.len() as u64, errors: self.errors, p50_ms, p95_ms }
    }
}
