//! A console that only reads: Collectors write to ClickHouse, `throughline console --store clickhouse://..` shows it.
