-- From schema 3 to 4: attributes without their keys, `attributes.rs`. Spans that were there stay as they are.

CREATE TABLE shapes (
    id   INTEGER PRIMARY KEY,
    keys TEXT    NOT NULL UNIQUE -- JSON array
) STRICT;

-- Null: `attributes` is an object. Else it is an array of values.
ALTER TABLE spans ADD COLUMN shape INTEGER;
