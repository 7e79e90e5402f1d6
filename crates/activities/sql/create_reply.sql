-- No row when the post is gone. The lock keeps the sweeper from taking it in between.
-- $1 uuid, $2 who, $3 message, $4 now, $5 which post is answered
INSERT INTO posts (uuid, user_uuid, message, created_at, reply_to, expires_at)
SELECT $1, $2, $3, $4, parent.uuid, parent.expires_at
FROM posts AS parent
WHERE parent.uuid = $5
    AND (parent.expires_at IS NULL OR parent.expires_at > $4)
FOR KEY SHARE
RETURNING uuid, user_uuid, message, created_at, expires_at, reply_to, 0::bigint AS "replies_count!"
