//! Services and who calls whom, over any number of traces.

use std::collections::BTreeMap;

use ::xray::Document;
use serde_json::{Value, json};

use super::ACCOUNT;
use super::trace::{Service, View};

/// The client at the entry of a trace, which nobody sees.
const CLIENT: &str = "client";

#[derive(Default)]
pub(crate) struct Graph {
    /// By service; the client of an entry has the kind [`CLIENT`] and the entry's name.
    nodes: BTreeMap<Service, Node>,
    edges: BTreeMap<(Service, Service), Statistics>,
}

#[derive(Default)]
struct Node {
    is_root: bool,
    is_instrumented: bool,
    account: Option<String>,
    statistics: Statistics,
}

#[derive(Default)]
struct Statistics {
    start: Option<f64>,
    end: f64,
    ok: u64,
    throttles: u64,
    other_errors: u64,
    faults: u64,
    seconds: f64,
    /// By milliseconds, so that equal ones meet.
    histogram: BTreeMap<u64, u64>,
}

impl Graph {
    pub(crate) fn add(&mut self, view: &View) {
        for call in view.calls() {
            let to = view.service(call.callee);
            let node = &view.nodes[call.callee];
            let is_entry = call.caller.is_none();
            let from = match call.caller {
                Some(place) => view.service(place),
                None => Service { name: to.name.clone(), kind: CLIENT.to_owned() },
            };
            // Seen from the caller a call takes as long as the subsegment that waits for it.
            let waiting = node.parent.filter(|_| node.is_segment).map(|parent| &view.nodes[parent].document);
            let document = waiting.unwrap_or(&node.document);
            self.nodes.entry(from.clone()).or_default().statistics.see(document);
            let service = self.nodes.entry(to.clone()).or_default();
            service.is_root |= is_entry;
            service.is_instrumented |= node.is_segment;
            if !node.is_segment {
                service.statistics.count(&node.document);
            }
            self.edges.entry((from, to)).or_default().count(document);
        }
        for place in view.segments() {
            let document = &view.nodes[place].document;
            let node = self.nodes.entry(view.service(place)).or_default();
            node.is_instrumented = true;
            node.statistics.count(document);
            if node.account.is_none() {
                node.account = document.aws.as_ref().and_then(|aws| aws.account_id.clone());
            }
        }
    }

    /// `Services` of both graphs.
    pub(crate) fn to_json(&self) -> Value {
        let places: BTreeMap<&Service, usize> =
            self.nodes.keys().enumerate().map(|(place, service)| (service, place)).collect();
        let services = self.nodes.iter().map(|(service, node)| {
            let edges: Vec<Value> = self
                .edges
                .iter()
                .filter(|((caller, _), _)| caller == service)
                .map(|((_, callee), statistics)| {
                    json!({
                        "ReferenceId": places[callee],
                        "StartTime": statistics.start.unwrap_or_default(),
                        "EndTime": statistics.end,
                        "SummaryStatistics": statistics.to_json(),
                        "ResponseTimeHistogram": statistics.histogram(),
                        "Aliases": [],
                    })
                })
                .collect();
            let mut json = json!({
                "ReferenceId": places[service],
                "Name": service.name,
                "Names": [service.name],
                "State": if node.is_instrumented { "active" } else { "unknown" },
                "StartTime": node.statistics.start.unwrap_or_default(),
                "EndTime": node.statistics.end,
                "Edges": edges,
            });
            if !service.kind.is_empty() {
                json["Type"] = service.kind.clone().into();
            }
            if node.is_root {
                json["Root"] = true.into();
            }
            if service.kind != CLIENT {
                json["AccountId"] = node.account.as_deref().unwrap_or(ACCOUNT).into();
                json["SummaryStatistics"] = node.statistics.to_json();
                json["DurationHistogram"] = node.statistics.histogram();
                json["ResponseTimeHistogram"] = node.statistics.histogram();
            }
            json
        });
        services.collect()
    }
}

impl Statistics {
    /// Widens the time.
    fn see(&mut self, document: &Document) {
        let end = document.end_time.unwrap_or(document.start_time);
        self.start = Some(self.start.map_or(document.start_time, |start| start.min(document.start_time)));
        self.end = self.end.max(end);
    }

    /// One request. A fault counts before a throttle, a throttle before an error.
    fn count(&mut self, document: &Document) {
        self.see(document);
        // What has not ended is neither well nor not.
        let Some(end) = document.end_time else { return };
        let counter = if document.fault {
            &mut self.faults
        } else if document.throttle {
            &mut self.throttles
        } else if document.error {
            &mut self.other_errors
        } else {
            &mut self.ok
        };
        *counter += 1;
        let seconds = (end - document.start_time).max(0.0);
        self.seconds += seconds;
        *self.histogram.entry((seconds * 1e3).round() as u64).or_default() += 1;
    }

    fn to_json(&self) -> Value {
        let errors = self.throttles + self.other_errors;
        json!({
            "OkCount": self.ok,
            "ErrorStatistics": {
                "ThrottleCount": self.throttles, "OtherCount": self.other_errors, "TotalCount": errors,
            },
            "FaultStatistics": { "OtherCount": self.faults, "TotalCount": self.faults },
            "TotalCount": self.ok + errors + self.faults,
            "TotalResponseTime": self.seconds,
        })
    }

    fn histogram(&self) -> Value {
        let bars = self.histogram.iter();
        bars.map(|(milliseconds, count)| json!({ "Value": *milliseconds as f64 / 1e3, "Count": count }))
            .collect()
    }
}
