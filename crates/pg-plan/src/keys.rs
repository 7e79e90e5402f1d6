//! Every attribute key of this crate, once.
//!
//! OpenTelemetry has no conventions for what happens inside a database server (semantic conventions 1.38), so all but
//! the first ones are ours. Times are in milliseconds, as `EXPLAIN` prints them.

/// OpenTelemetry's; of a plan only for statements that functions and triggers run, with `?` for each literal.
pub const DB_QUERY_TEXT: &str = "db.query.text";
/// OpenTelemetry's too, as are those down to [`NETWORK_PEER_PORT`]: of spans that a log tells, whose client is not known.
pub const DB_NAMESPACE: &str = "db.namespace";
pub const DB_COLLECTION_NAME: &str = "db.collection.name";
pub const DB_RESPONSE_STATUS_CODE: &str = "db.response.status_code";
pub const ERROR_TYPE: &str = "error.type";
pub const NETWORK_PEER_ADDRESS: &str = "network.peer.address";
pub const NETWORK_PEER_PORT: &str = "network.peer.port";
/// As `pg_stat_statements` knows the statement; text, since it is beyond the 2^53 of JavaScript's numbers.
pub const QUERY_ID: &str = "postgresql.query_id";
/// Which part of the extended protocol: `parse`, `bind` (which plans) or `execute`.
pub const PHASE: &str = "postgresql.phase";

pub const NODE_TYPE: &str = "postgresql.plan.node_type";
pub const SUBPLAN: &str = "postgresql.plan.subplan";
pub const SCHEMA: &str = "postgresql.plan.schema";
pub const RELATION: &str = "postgresql.plan.relation";
pub const ALIAS: &str = "postgresql.plan.alias";
pub const INDEX: &str = "postgresql.plan.index";
pub const CTE: &str = "postgresql.plan.cte";
pub const FUNCTION: &str = "postgresql.plan.function";
pub const JOIN_TYPE: &str = "postgresql.plan.join_type";
pub const STRATEGY: &str = "postgresql.plan.strategy";
pub const OPERATION: &str = "postgresql.plan.operation";

pub const INDEX_COND: &str = "postgresql.plan.index_cond";
pub const RECHECK_COND: &str = "postgresql.plan.recheck_cond";
pub const TID_COND: &str = "postgresql.plan.tid_cond";
pub const HASH_COND: &str = "postgresql.plan.hash_cond";
pub const MERGE_COND: &str = "postgresql.plan.merge_cond";
pub const JOIN_FILTER: &str = "postgresql.plan.join_filter";
pub const FILTER: &str = "postgresql.plan.filter";
pub const ONE_TIME_FILTER: &str = "postgresql.plan.one_time_filter";
pub const CONFLICT_FILTER: &str = "postgresql.plan.conflict_filter";
pub const RUN_CONDITION: &str = "postgresql.plan.run_condition";
pub const ORDER_BY: &str = "postgresql.plan.order_by";
pub const SORT_KEY: &str = "postgresql.plan.sort_key";
pub const PRESORTED_KEY: &str = "postgresql.plan.presorted_key";
pub const GROUP_KEY: &str = "postgresql.plan.group_key";
pub const CACHE_KEY: &str = "postgresql.plan.cache_key";
pub const WINDOW: &str = "postgresql.plan.window";

/// Rows per loop that the planner expected.
pub const ROWS_ESTIMATED: &str = "postgresql.plan.rows.estimated";
/// Rows per loop that there were, an average.
pub const ROWS_ACTUAL: &str = "postgresql.plan.rows.actual";
/// How many times too many or too few: 1 is a perfect estimate. Absent where the plan stopped early on purpose.
pub const MISESTIMATE: &str = "postgresql.plan.rows.misestimate";
pub const REMOVED_BY_FILTER: &str = "postgresql.plan.rows.removed_by_filter";
pub const REMOVED_BY_JOIN_FILTER: &str = "postgresql.plan.rows.removed_by_join_filter";
pub const REMOVED_BY_RECHECK: &str = "postgresql.plan.rows.removed_by_recheck";
pub const REMOVED_BY_CONFLICT_FILTER: &str = "postgresql.plan.rows.removed_by_conflict_filter";
pub const CONFLICTING: &str = "postgresql.plan.rows.conflicting";
pub const LOOPS: &str = "postgresql.plan.loops";
pub const NEVER_EXECUTED: &str = "postgresql.plan.never_executed";
/// Of a parallel node: among how many processes its times are averaged.
pub const PROCESSES: &str = "postgresql.plan.processes";
pub const WORKERS_PLANNED: &str = "postgresql.plan.workers.planned";
pub const WORKERS_LAUNCHED: &str = "postgresql.plan.workers.launched";
/// The planner's cost of the whole node, in its own unit.
pub const COST: &str = "postgresql.plan.cost";
/// The node was chosen although an `enable_*` setting forbids it.
pub const DISABLED: &str = "postgresql.plan.disabled";

/// The span's length without its children's.
pub const SELF_TIME: &str = "postgresql.plan.self_time_ms";
/// What Postgres measured, where the span had to be drawn shorter to stay inside its parent.
pub const MEASURED: &str = "postgresql.plan.measured_ms";
/// From the node's start to its first row; only where it ran once.
pub const FIRST_ROW: &str = "postgresql.plan.first_row_ms";
/// How many smaller spans below this one were left out; their time is its self time.
pub const MERGED: &str = "postgresql.plan.merged_spans";
/// How often a nested statement ran; the nodes below are those of its longest run.
pub const CALLS: &str = "postgresql.plan.calls";
/// How many nested statements were forgotten, because there were more than [`crate::MAX_RECORDS`].
pub const FORGOTTEN: &str = "postgresql.plan.forgotten_statements";

pub const SHARED_HIT: &str = "postgresql.plan.buffers.shared_hit";
pub const SHARED_READ: &str = "postgresql.plan.buffers.shared_read";
pub const SHARED_DIRTIED: &str = "postgresql.plan.buffers.shared_dirtied";
pub const SHARED_WRITTEN: &str = "postgresql.plan.buffers.shared_written";
pub const LOCAL_HIT: &str = "postgresql.plan.buffers.local_hit";
pub const LOCAL_READ: &str = "postgresql.plan.buffers.local_read";
pub const TEMP_READ: &str = "postgresql.plan.buffers.temp_read";
pub const TEMP_WRITTEN: &str = "postgresql.plan.buffers.temp_written";
pub const IO_READ: &str = "postgresql.plan.io.read_ms";
pub const IO_WRITE: &str = "postgresql.plan.io.write_ms";
pub const IO_TEMP_READ: &str = "postgresql.plan.io.temp_read_ms";
pub const IO_TEMP_WRITE: &str = "postgresql.plan.io.temp_write_ms";

pub const SORT_METHOD: &str = "postgresql.plan.sort.method";
pub const SORT_SPACE: &str = "postgresql.plan.sort.space_kb";
/// `Memory` or `Disk`.
pub const SORT_SPACE_TYPE: &str = "postgresql.plan.sort.space_type";
pub const HASH_BATCHES: &str = "postgresql.plan.hash_batches";
pub const MEMORY: &str = "postgresql.plan.memory_kb";
pub const DISK: &str = "postgresql.plan.disk_kb";
pub const HEAP_FETCHES: &str = "postgresql.plan.heap_fetches";
pub const HEAP_BLOCKS_EXACT: &str = "postgresql.plan.heap_blocks.exact";
pub const HEAP_BLOCKS_LOSSY: &str = "postgresql.plan.heap_blocks.lossy";
pub const INDEX_SEARCHES: &str = "postgresql.plan.index_searches";
pub const SUBPLANS_REMOVED: &str = "postgresql.plan.subplans_removed";
pub const CACHE_HITS: &str = "postgresql.plan.cache.hits";
pub const CACHE_MISSES: &str = "postgresql.plan.cache.misses";
pub const CACHE_EVICTIONS: &str = "postgresql.plan.cache.evictions";

/// Compilation, which is inside the times of the nodes.
pub const JIT_TIME: &str = "postgresql.plan.jit.time_ms";
pub const JIT_FUNCTIONS: &str = "postgresql.plan.jit.functions";

pub const TRIGGER: &str = "postgresql.trigger";
pub const TRIGGER_CALLS: &str = "postgresql.trigger.calls";

pub const LOCK_MODE: &str = "postgresql.lock.mode";
/// What is locked: `transaction`, `tuple`, `relation`, `advisory lock`.
pub const LOCK_OBJECT: &str = "postgresql.lock.object";
/// Of a lock on a transaction: the one that held it.
pub const LOCK_TRANSACTION: &str = "postgresql.lock.transaction_id";
/// `acquired`, `deadlock`, `failed`, or `waiting` if nothing more was heard.
pub const LOCK_OUTCOME: &str = "postgresql.lock.outcome";
/// The session that held it.
pub const LOCK_HOLDER_PID: &str = "postgresql.lock.holder.pid";

/// The session's process, as `pg_stat_activity` knows it.
pub const PID: &str = "postgresql.pid";
/// Of a client without a trace: what it calls itself, and the role it signed in as.
pub const APPLICATION_NAME: &str = "postgresql.application_name";
pub const ROLE: &str = "postgresql.role";

pub const VACUUM_AGGRESSIVE: &str = "postgresql.vacuum.aggressive";
pub const VACUUM_PAGES_REMOVED: &str = "postgresql.vacuum.pages.removed";
pub const VACUUM_PAGES_REMAIN: &str = "postgresql.vacuum.pages.remain";
pub const VACUUM_PAGES_SCANNED: &str = "postgresql.vacuum.pages.scanned";
pub const VACUUM_ROWS_REMOVED: &str = "postgresql.vacuum.rows.removed";
pub const VACUUM_ROWS_REMAIN: &str = "postgresql.vacuum.rows.remain";
/// Still needed by some older transaction.
pub const VACUUM_ROWS_DEAD: &str = "postgresql.vacuum.rows.dead";
pub const VACUUM_BUFFERS_HIT: &str = "postgresql.vacuum.buffers.hit";
pub const VACUUM_BUFFERS_READ: &str = "postgresql.vacuum.buffers.read";
pub const VACUUM_BUFFERS_DIRTIED: &str = "postgresql.vacuum.buffers.dirtied";
pub const VACUUM_WAL_BYTES: &str = "postgresql.vacuum.wal_bytes";

pub const CHECKPOINT_BUFFERS: &str = "postgresql.checkpoint.buffers_written";
pub const CHECKPOINT_WAL_ADDED: &str = "postgresql.checkpoint.wal_files.added";
pub const CHECKPOINT_WAL_REMOVED: &str = "postgresql.checkpoint.wal_files.removed";
pub const CHECKPOINT_WAL_RECYCLED: &str = "postgresql.checkpoint.wal_files.recycled";
/// In seconds, as the message says it.
pub const CHECKPOINT_WRITE: &str = "postgresql.checkpoint.write_s";
pub const CHECKPOINT_SYNC: &str = "postgresql.checkpoint.sync_s";
pub const CHECKPOINT_SYNC_FILES: &str = "postgresql.checkpoint.sync_files";
pub const CHECKPOINT_DISTANCE: &str = "postgresql.checkpoint.distance_kb";
