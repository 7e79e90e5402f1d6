-- From schema 2 to 3: log events and errors. A new store gets `schema.sql`, then this.

CREATE TABLE log_groups (
    id             INTEGER PRIMARY KEY,
    name           TEXT    NOT NULL UNIQUE,
    created        INTEGER NOT NULL,
    retention_days INTEGER, -- null: for ever
    tags           TEXT    NOT NULL -- JSON object
) STRICT;

CREATE TABLE log_streams (
    id        INTEGER PRIMARY KEY,
    log_group INTEGER, -- null once the stream or its group was deleted; its events go bit by bit
    name      TEXT    NOT NULL,
    created   INTEGER NOT NULL,
    first     INTEGER, -- times of events, as they say themselves
    last      INTEGER,
    ingested  INTEGER,
    events    INTEGER NOT NULL DEFAULT 0,
    bytes     INTEGER NOT NULL DEFAULT 0, -- of messages, and 26 for each, as CloudWatch counts
    UNIQUE (log_group, name)
) STRICT;

CREATE TABLE logs (
    id       INTEGER PRIMARY KEY, -- in order of arrival
    stream   INTEGER NOT NULL,
    time     INTEGER NOT NULL,
    received INTEGER NOT NULL,
    level    TEXT,
    service  TEXT,
    trace_id BLOB,
    span_id  BLOB,
    message  TEXT    NOT NULL
) STRICT;

CREATE INDEX logs_time ON logs (time, id);
CREATE INDEX logs_stream ON logs (stream, time, id);
CREATE INDEX logs_trace ON logs (trace_id, time, id) WHERE trace_id IS NOT NULL;

-- The words of messages. The text itself stays in `logs`.
CREATE VIRTUAL TABLE logs_text USING fts5(message, content = 'logs', content_rowid = 'id', tokenize = 'unicode61');
CREATE TRIGGER logs_added AFTER INSERT ON logs BEGIN
    INSERT INTO logs_text (rowid, message) VALUES (new.id, new.message);
END;
CREATE TRIGGER logs_removed AFTER DELETE ON logs BEGIN
    INSERT INTO logs_text (logs_text, rowid, message) VALUES ('delete', old.id, old.message);
END;

-- Occurrences of one fingerprint in one environment.
CREATE TABLE errors (
    id          INTEGER PRIMARY KEY,
    environment TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    title       TEXT    NOT NULL, -- of the newest, as service and context; the level is the first one's
    level       TEXT    NOT NULL,
    service     TEXT    NOT NULL,
    context     TEXT,
    status      TEXT    NOT NULL, -- active, resolved, or regression: came again after it was resolved
    count       INTEGER NOT NULL, -- of all that came
    kept        INTEGER NOT NULL, -- of those that are in `occurrences`
    people      INTEGER NOT NULL,
    first_seen  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    last_trace  BLOB,
    UNIQUE (environment, fingerprint)
) STRICT;

CREATE INDEX errors_seen ON errors (last_seen, id);

CREATE TABLE occurrences (
    id           INTEGER PRIMARY KEY, -- in order of arrival
    error        INTEGER NOT NULL,
    uuid         TEXT    NOT NULL UNIQUE,
    time         INTEGER NOT NULL,
    received     INTEGER NOT NULL,
    trace_id     BLOB,
    span_id      BLOB,
    person       TEXT,
    code_version TEXT,
    data         TEXT    NOT NULL -- JSON, as received
) STRICT;

CREATE INDEX occurrences_error ON occurrences (error, id);
CREATE INDEX occurrences_trace ON occurrences (trace_id) WHERE trace_id IS NOT NULL;

-- Who was affected.
CREATE TABLE error_people (
    error  INTEGER NOT NULL,
    person TEXT    NOT NULL,
    PRIMARY KEY (error, person)
) STRICT, WITHOUT ROWID;

CREATE TABLE deploys (
    id          INTEGER PRIMARY KEY,
    environment TEXT    NOT NULL,
    revision    TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    user        TEXT,
    comment     TEXT,
    time        INTEGER NOT NULL
) STRICT;
