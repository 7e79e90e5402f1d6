CREATE TABLE users (
    id            uuid        PRIMARY KEY,
    -- Both in lower case: the parsed types make them so.
    handle        text        NOT NULL CONSTRAINT users_handle_key UNIQUE,
    email         text        NOT NULL CONSTRAINT users_email_key UNIQUE,
    display_name  text        NOT NULL,
    bio           text        NOT NULL DEFAULT '',
    -- A PHC string; NULL for seeded accounts that nobody signs in to.
    password_hash text,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- One row per sign-in; its id is the `jti` of the token.
CREATE TABLE sessions (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX sessions_user_id ON sessions (user_id);

-- Replicas share the key pair. `current` is true for the one key that signs and NULL for retired ones, which still
-- verify; the UNIQUE lets only one replica win the first start.
CREATE TABLE signing_keys (
    kid        text        PRIMARY KEY,
    pkcs8      bytea       NOT NULL,
    current    boolean     UNIQUE CHECK (current),
    created_at timestamptz NOT NULL DEFAULT now()
);
