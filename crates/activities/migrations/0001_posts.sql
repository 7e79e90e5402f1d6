-- One table: a reply is a post that answers another.
CREATE TABLE posts (
    uuid uuid PRIMARY KEY,
    user_uuid uuid NOT NULL,
    message text NOT NULL CHECK (char_length(message) BETWEEN 1 AND 280),
    reply_to uuid REFERENCES posts (uuid) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    -- NULL never expires. A reply carries the expiry of the post that it answers, so that one comparison
    -- hides both at the same instant.
    expires_at timestamptz CHECK (expires_at > created_at),
    words tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('english', message)) STORED
);

-- Each feed is one walk along one index: newest first, the uuid breaks ties.
CREATE INDEX posts_home ON posts (created_at DESC, uuid DESC) WHERE reply_to IS NULL;
CREATE INDEX posts_author_created ON posts (user_uuid, created_at DESC, uuid DESC);
CREATE INDEX posts_replies ON posts (reply_to, created_at, uuid) WHERE reply_to IS NOT NULL;
CREATE INDEX posts_expiring ON posts (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX posts_words ON posts USING gin (words);
