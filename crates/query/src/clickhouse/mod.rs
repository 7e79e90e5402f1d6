//! The same query past one machine: `Spec` and `Options` -> SQL for the table that the OpenTelemetry Collector's ClickHouse
//! exporter writes, and ClickHouse's rows -> the same `Answer`. No I/O: the owner brings the way to ask.
