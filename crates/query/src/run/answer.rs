//! What a query gives, as JSON.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::value::Value;

#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// With its defaults written out.
    pub query: Json,
    /// Unix seconds.
    pub start: u64,
    pub end: u64,
    /// Seconds.
    pub granularity: u64,
    /// Starts of the steps, in unix seconds. The first may lie before `start`.
    pub times: Vec<u64>,
    pub rows: Vec<Row>,
    /// Over all rows of the window that pass the filters, whatever `havings` and `limit` say.
    pub totals: Totals,
    /// Over the rows of groups that are not shown, without series; null when all are.
    pub other: Option<Totals>,
    pub heatmaps: Vec<Heatmap>,
    /// Groups that there are; `havings` counted.
    pub groups: usize,
    /// Whether `limit` left groups out.
    pub truncated: bool,
    /// Spans looked at, and those that pass.
    pub scanned: u64,
    pub matched: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// By breakdown; null is its own group.
    pub group: Keyed<Option<Value>>,
    pub values: Keyed<Cell>,
    /// Traces of its slowest spans, the slowest first.
    pub exemplars: Vec<Value>,
    /// One number a step; null where there was nothing to calculate from.
    pub series: Keyed<Vec<Option<Value>>>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    pub values: Keyed<Cell>,
    pub series: Keyed<Vec<Option<Value>>>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Cell {
    Number(Option<Value>),
    /// Of a HEATMAP: how many in each bin of the heatmap's `edges`, over the whole window.
    Histogram(Vec<u64>),
}

#[derive(Clone, Debug, Serialize)]
pub struct Heatmap {
    pub column: String,
    /// `linear` or `log`: how to draw it.
    pub scale: &'static str,
    /// One more than there are bins. A bin holds its lower edge; the last one both.
    pub edges: Vec<f64>,
    pub times: Vec<u64>,
    /// By step of time, then by bin.
    pub counts: Vec<Vec<u64>>,
}

/// An object whose keys are those of its sisters, in the order of the query.
#[derive(Clone, Debug)]
pub struct Keyed<T> {
    pub keys: Arc<[String]>,
    pub values: Vec<T>,
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self { keys: Arc::new([]), values: Vec::new() }
    }
}

impl<T> Keyed<T> {
    pub fn get(&self, key: &str) -> Option<&T> {
        self.values.get(self.keys.iter().position(|known| known == key)?)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.keys.iter().map(String::as_str).zip(&self.values)
    }
}

impl<T: Serialize> Serialize for Keyed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len()))?;
        for (place, (key, value)) in self.iter().enumerate() {
            // The same calculation twice is one key.
            if !self.keys[..place].iter().any(|before| before == key) {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}
