-- Replies go with the post that they answer. Locked rows are left to whoever holds them: another replica's
-- sweeper, or a reply being written. $1 now, $2 how many at most
DELETE FROM posts
WHERE uuid IN (
    SELECT uuid
    FROM posts
    WHERE expires_at <= $1
    ORDER BY expires_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
