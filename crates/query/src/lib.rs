#![doc = include_str!("../README.md")]

mod catalog;
pub mod clickhouse;
mod compare;
pub mod expr;
mod map;
mod run;
pub mod spec;
mod table;
mod value;

pub use catalog::{ColumnInfo, ValueCount, columns, datasets, values};
pub use compare::{Box, ColumnDifference, Difference, ValueDifference, compare};
pub use map::{Edge, Node, ServiceMap, service_map};
pub use run::{Answer, Cell, Heatmap, Keyed, Options, Row, Scale, Totals, Window, run};
pub use spec::{Spec, SpecError};
pub use table::{
    BUILT_IN, Code, ColumnId, DURATION, Dictionary, Head, MAX_COLUMNS, MISSING, NETWORK, PARENT_ID,
    SEGMENT_ROWS, SPAN_ID, Segment, TRACE_ID, Table,
};
pub use value::{Value, ValueRef};
