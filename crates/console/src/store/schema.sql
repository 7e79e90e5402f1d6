-- One file, one writer. `id`s count in order of arrival, so pruning the smallest prunes what came first.

CREATE TABLE traces (
    id          INTEGER PRIMARY KEY,
    trace_id    BLOB    NOT NULL UNIQUE,
    listed      INTEGER NOT NULL, -- start, or arrival if that is earlier: a clock that runs ahead must not stay on top of the list
    start       INTEGER NOT NULL, -- nanoseconds since 1970, as all times here
    finish      INTEGER NOT NULL,
    span_count  INTEGER NOT NULL,
    error_count INTEGER NOT NULL,
    root        INTEGER NOT NULL, -- whether the head is a span without a parent
    head_start  INTEGER NOT NULL, -- the head: the earliest root, or while there is none the earliest span
    name        TEXT    NOT NULL,
    service     TEXT    NOT NULL,
    services    TEXT    NOT NULL  -- JSON array, sorted
) STRICT;

CREATE INDEX traces_listed ON traces (listed, id);

-- Who made a span. One row a process and scope instead of a copy in each span, which would double the file.
CREATE TABLE origins (
    id         INTEGER PRIMARY KEY,
    service    TEXT    NOT NULL,
    resource   TEXT    NOT NULL, -- JSON object
    scope      TEXT    NOT NULL, -- JSON object or null
    last_trace INTEGER NOT NULL, -- the newest traces.id with a span of it: pruning that one frees this row
    UNIQUE (resource, scope)
) STRICT;

CREATE TABLE spans (
    id             INTEGER PRIMARY KEY,
    trace          INTEGER NOT NULL,
    span_id        BLOB    NOT NULL,
    parent_span_id BLOB,
    origin         INTEGER NOT NULL,
    name           TEXT    NOT NULL,
    kind           INTEGER NOT NULL, -- as OTLP numbers them
    status         INTEGER NOT NULL, -- as OTLP numbers them
    status_message TEXT,
    start          INTEGER NOT NULL,
    duration       INTEGER NOT NULL,
    attributes     TEXT, -- JSON, values alone if the span has a `shape` (schema-4.sql); null when empty
    events         TEXT,
    links          TEXT,
    sources        INTEGER NOT NULL DEFAULT 1 -- how it came: bits of `store::sources`
) STRICT;

-- What makes a span that is sent again a duplicate.
CREATE UNIQUE INDEX spans_identity ON spans (trace, span_id);

-- Subsegments whose service is not known until their segment arrives.
CREATE INDEX spans_of_parent ON spans (trace) WHERE sources >= 8;

-- X-Ray documents as received, segments and independent subsegments.
CREATE TABLE documents (
    id          INTEGER PRIMARY KEY,
    trace       INTEGER NOT NULL,
    segment_id  BLOB    NOT NULL,
    received    INTEGER NOT NULL,
    in_progress INTEGER NOT NULL, -- a complete one of the same id replaces it
    document    TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX documents_identity ON documents (trace, segment_id);

-- What was set by API: X-Ray's groups and sampling rules.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- What was pruned and when, so that a link to it can say so.
CREATE TABLE tombstones (
    id       INTEGER PRIMARY KEY,
    trace_id BLOB    NOT NULL UNIQUE,
    pruned   INTEGER NOT NULL
) STRICT;
