//! Every attribute key of the workspace, once. The stable ones are OpenTelemetry's own.

pub use opentelemetry_semantic_conventions::attribute::{
    CLIENT_ADDRESS, DB_COLLECTION_NAME, DB_NAMESPACE, DB_OPERATION_NAME, DB_QUERY_SUMMARY, DB_QUERY_TEXT,
    DB_RESPONSE_RETURNED_ROWS, DB_RESPONSE_STATUS_CODE, DB_SYSTEM_NAME, ERROR_TYPE, EXCEPTION_MESSAGE,
    EXCEPTION_STACKTRACE, EXCEPTION_TYPE, HTTP_REQUEST_METHOD, HTTP_REQUEST_METHOD_ORIGINAL,
    HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE, NETWORK_PEER_ADDRESS, NETWORK_PROTOCOL_VERSION, SERVER_ADDRESS,
    SERVER_PORT, SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION, SESSION_ID, URL_FULL,
    URL_PATH, URL_QUERY, URL_SCHEME, USER_AGENT_ORIGINAL,
};

/// The signed-in user: a column in Honeycomb, an annotation in X-Ray. A verified fact, never a header's claim.
pub const APP_USER_ID: &str = "app.user_id";
/// The service's clock when it composed the answer, as in the original Cruddur.
pub const APP_NOW: &str = "app.now";
/// How many items an answer holds, as in the original Cruddur.
pub const APP_RESULT_LENGTH: &str = "app.result_length";
/// How many rows a write changed. OpenTelemetry has a name for returned rows only.
pub const DB_RESPONSE_AFFECTED_ROWS: &str = "throughline.db.affected_rows";
/// Of a wait for a connection: how many the pool may have. OpenTelemetry has a metric for it only.
pub const DB_POOL_MAX_CONNECTIONS: &str = "throughline.db.pool.max_connections";
/// The span's length is measured and its position is not: see the crate `pg-plan`.
pub const THROUGHLINE_SYNTHETIC: &str = "throughline.synthetic";
/// What a link is for: `lock holder`.
pub const THROUGHLINE_LINK: &str = "throughline.link";
/// What a statement waited to lock; as the crate `pg-plan` says it of a wait that Postgres reports.
pub const POSTGRESQL_LOCK_OBJECT: &str = pg_plan::keys::LOCK_OBJECT;
/// The span of the transaction that was in the way, in another trace or in this one.
pub const POSTGRESQL_LOCK_HOLDER_TRACEPARENT: &str = "postgresql.lock.holder.traceparent";
/// Its session, as `pg_stat_activity` knows it: also where nobody traced it.
pub const POSTGRESQL_LOCK_HOLDER_PID: &str = pg_plan::keys::LOCK_HOLDER_PID;
/// What that session was doing: `active`, or `idle in transaction`.
pub const POSTGRESQL_LOCK_HOLDER_STATE: &str = "postgresql.lock.holder.state";
