-- From schema 1 to 2: X-Ray documents, and spans that may come both ways. `schema.sql` says what they mean.

ALTER TABLE spans ADD COLUMN sources INTEGER NOT NULL DEFAULT 1;

CREATE INDEX spans_of_parent ON spans (trace) WHERE sources >= 8;

CREATE TABLE documents (
    id          INTEGER PRIMARY KEY,
    trace       INTEGER NOT NULL,
    segment_id  BLOB    NOT NULL,
    received    INTEGER NOT NULL,
    in_progress INTEGER NOT NULL,
    document    TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX documents_identity ON documents (trace, segment_id);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
